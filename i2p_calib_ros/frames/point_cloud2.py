"""Decode sensor_msgs PointCloud2 of any field layout with numpy, without sensor_msgs_py and without ROS.

The messages are duck-typed: any object with the field names of sensor_msgs will do (rclpy, rosbags).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import FrameRejected

POINT_FIELD_DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""numpy types of the `datatype` of sensor_msgs/PointField."""

INTENSITY_FIELDS = ("intensity", "intensities", "i", "reflectivity")
RING_FIELDS = ("ring", "channel", "line")
TIME_FIELDS = ("time", "t", "timestamp", "offset_time", "time_stamp")

MAX_TIME_OFFSET_S = 1.0
"""A sweep lasts 0.05 to 0.2 s; a larger offset means that the unit of the time field is not what it seems."""


@dataclass(frozen=True, eq=False)
class DecodedCloud:
    """Points of one PointCloud2 in message order, those without a return included.

    xyz (n, 3) float32 metres; intensity (n,) float32 in 0..1, ring (n,) integer and time_offset_s (n,)
    float32 seconds after the header stamp, each None when the message has no such field.
    """

    xyz: NDArray[np.float32]
    intensity: NDArray[np.float32] | None
    ring: NDArray[np.integer] | None
    time_offset_s: NDArray[np.float32] | None


def decode_point_cloud2(message: Any) -> DecodedCloud:
    """sensor_msgs/PointCloud2 -> arrays; organised clouds become a list, row by row.

    Raises `CalibrationInputError` when x, y, z are missing or not floating point (all clouds of the topic
    will be alike), and `FrameRejected` when this message is empty or its data do not fit its description.
    """
    if message.height * message.width == 0:
        raise FrameRejected("empty point cloud")
    dtypes = _field_dtypes(message)
    _require_xyz(message, dtypes)
    points = _points(message, dtypes)

    xyz = np.empty((len(points), 3), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for column, name in enumerate("xyz"):
            xyz[:, column] = points[name]

    intensity = _first(points, INTENSITY_FIELDS)
    ring = _first(points, RING_FIELDS)
    time = _first(points, TIME_FIELDS)
    return DecodedCloud(
        xyz=xyz,
        intensity=None if intensity is None else scale_intensity(intensity),
        ring=None if ring is None else _ring(ring),
        time_offset_s=None if time is None else _time_offset_s(time, message.header.stamp),
    )


def scale_intensity(values: NDArray[Any]) -> NDArray[np.float32]:
    """Intensities of any driver -> float32 in 0..1, by type and by the largest value of the cloud.

    8-bit integers: / 255. Floating point up to 1: as they are. Up to 255 (Velodyne, Hesai, calibrated
    reflectivity in wider types): / 255. Larger (photon counts, no common unit): relative to the 99th
    percentile of the cloud, cut at 1. Negative and non-finite values become 0.
    """
    scaled = values.astype(np.float32)
    if values.dtype.kind == "f":
        scaled[~np.isfinite(scaled)] = 0
    np.maximum(scaled, 0, out=scaled)
    largest = scaled.max() if scaled.size else 0

    if values.dtype.itemsize == 1 or (1 < largest <= 255) or (values.dtype.kind != "f" and largest <= 1):
        scaled /= np.float32(255)
    elif largest > 255:
        scaled /= np.float32(max(float(np.percentile(scaled, 99)), 255.0))
        np.minimum(scaled, 1, out=scaled)
    return scaled


def _field_dtypes(message: Any) -> dict[str, tuple[str, int]]:
    """Field name -> (numpy type, offset), of the scalar fields that lie inside a point."""
    order = ">" if message.is_bigendian else "<"
    dtypes = {}
    for field in message.fields:
        code = POINT_FIELD_DTYPES.get(int(field.datatype))
        if code is None:
            continue
        dtype = np.dtype(order + code)
        # Some drivers leave count at 0 for scalars.
        if field.count <= 1 and field.offset + dtype.itemsize <= message.point_step:
            dtypes[field.name] = (dtype.str, int(field.offset))
    return dtypes


def _require_xyz(message: Any, dtypes: dict[str, tuple[str, int]]) -> None:
    if all(name in dtypes and np.dtype(dtypes[name][0]).kind == "f" for name in "xyz"):
        return
    has = ", ".join(
        f"{field.name} ({POINT_FIELD_DTYPES.get(int(field.datatype), '?')} at {field.offset})"
        for field in message.fields
    )
    raise CalibrationInputError(
        "the point cloud needs the fields x, y, z of type float32 or float64 inside a point of "
        f"{message.point_step} bytes; it has: {has or 'no fields'}. Choose another topic with --points."
    )


def _points(message: Any, dtypes: dict[str, tuple[str, int]]) -> NDArray[Any]:
    """(n,) structured view of the data; rows are copied only where they are padded."""
    layout = np.dtype(
        {
            "names": list(dtypes),
            "formats": [dtype for dtype, _ in dtypes.values()],
            "offsets": [offset for _, offset in dtypes.values()],
            "itemsize": int(message.point_step),
        }
    )
    data = np.frombuffer(message.data, np.uint8)
    height, width, row_step = int(message.height), int(message.width), int(message.row_step)
    row_bytes = width * layout.itemsize

    # Drivers leave row_step at 0 or at a stale value, which means nothing for a single row.
    if height <= 1 or row_step == 0:
        row_step = row_bytes
    if row_step < row_bytes or data.size < row_step * (height - 1) + row_bytes:
        raise FrameRejected(
            "point cloud data too short for its size",
            f"{data.size} bytes, {height} rows of {row_step}, {width} points of {layout.itemsize}",
        )
    if row_step == row_bytes:
        return np.frombuffer(data, layout, count=height * width)

    rows = np.lib.stride_tricks.as_strided(data, (height, row_bytes), (row_step, 1), writeable=False)
    return np.ascontiguousarray(rows).reshape(-1).view(layout)


def _first(points: NDArray[Any], names: tuple[str, ...]) -> NDArray[Any] | None:
    """The first of these fields that the cloud has, in native byte order."""
    available = points.dtype.names or ()
    for name in names:
        if name in available:
            column: NDArray[Any] = points[name]
            return column.astype(column.dtype.newbyteorder("="))
    return None


def _ring(values: NDArray[Any]) -> NDArray[np.integer] | None:
    if values.dtype.kind in "iu":
        return values
    # A few drivers write the beam index as a float.
    return values.astype(np.int32) if np.isfinite(values).all() else None


def _time_offset_s(values: NDArray[Any], stamp: Any) -> NDArray[np.float32] | None:
    """Seconds after the header stamp, or None when the unit cannot be told.

    Integers are nanoseconds (Ouster `t`, Livox `offset_time`), floats seconds (Velodyne `time`). Values of
    the size of a present date are absolute: seconds (Hesai, RoboSense) or nanoseconds (Livox `timestamp`).
    """
    # Absolute double-precision seconds resolve 0.2 microseconds, nanoseconds of a date 256 ns: enough.
    seconds = values.astype(np.float64)
    typical = float(np.median(seconds))
    if not np.isfinite(typical):
        return None
    if values.dtype.kind in "iu" or typical > 1e15:
        seconds *= 1e-9
        typical *= 1e-9
    if typical > 1e8:
        seconds -= stamp.sec + stamp.nanosec * 1e-9
    if not np.nanmax(np.abs(seconds)) <= MAX_TIME_OFFSET_S:
        return None
    return seconds.astype(np.float32)
