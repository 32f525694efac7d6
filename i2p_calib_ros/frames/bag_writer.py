"""Write any frame source as a standard rosbag2 that `ros2 bag play` and every ROS tool understands."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_file import typestore
from i2p_calib_ros.frames.frame import EncodedImage, Frame
from i2p_calib_ros.frames.source import FrameSource
from i2p_calib_ros.frames.topics import (
    CAMERA_INFO_TYPE,
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    POINTS_TYPE,
    TF_TYPE,
)
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera

IMAGE_TOPIC = "/camera/image_raw"
CAMERA_INFO_TOPIC = "/camera/camera_info"
POINTS_TOPIC = "/points"
TF_STATIC_TOPIC = "/tf_static"

METADATA_VERSION: Literal[9] = 9
"""That of Jazzy."""

JPEG_QUALITY = 95

MAX_STAMP_DIFFERENCE_NS = 25_000_000
"""Data sets stamp a cloud at the start, the middle or the end of its sweep. Further apart than this, a reader
that pairs by stamp could take the next cloud of a 10 Hz sensor instead of the one the source gives."""

_UNLIMITED = QosTime(2147483647, 4294967295)
_LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _UNLIMITED,
    _UNLIMITED,
    QosLiveliness.AUTOMATIC,
    _UNLIMITED,
    False,
)


@dataclass(frozen=True)
class WrittenBag:
    """What `write_bag` wrote. `cloud_shift_ns` was added to all cloud stamps so that they pair by stamp."""

    path: Path
    frames: int
    cloud_shift_ns: int
    rejected: Counter[str]

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.frames} frames"]
        if self.cloud_shift_ns:
            lines.append(
                f"cloud stamps moved by {self.cloud_shift_ns / 1e6:+.1f} ms, so that every cloud pairs with the "
                "image the source gives it"
            )
        lines += [f"left out: {count} x {reason}" for reason, count in self.rejected.items()]
        return "\n".join(lines)


def write_bag(
    source: FrameSource,
    out: str | Path,
    *,
    compressed: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> WrittenBag:
    """Write the frames of a source as a rosbag2: a file OUT.mcap or OUT.db3, else OUT is a directory (mcap).

    Topics: /camera/image_raw (rgb8) or /camera/image_raw/compressed (the bytes of the source, or new JPEGs),
    /camera/camera_info, /points (x, y, z[, intensity][, time] float32), and /tf_static with LiDAR frame -> camera
    frame, the inverse of the extrinsic of the source (no tf when it has none). `on_frame` is called after each frame.
    Raises `CalibrationInputError` when OUT exists or the source has no usable frame, leaving nothing behind.
    """
    out = Path(out)
    if out.exists():
        raise CalibrationInputError(f"{out} exists already and is not overwritten. Remove it or choose another name.")
    out.parent.mkdir(parents=True, exist_ok=True)
    plugin = StoragePlugin.SQLITE3 if out.suffix == ".db3" else StoragePlugin.MCAP
    single_file = out.suffix in (".mcap", ".db3")

    # Beside OUT, so that the finished recording is moved, not copied, and OUT is never half of one.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        directory = Path(scratch) / (out.stem if single_file else out.name)
        with Writer(directory, version=METADATA_VERSION, storage_plugin=plugin) as bag:
            frames, shift_ns = _write_frames(bag, source, compressed, on_frame)
        if not frames:
            raise CalibrationInputError(
                f"{source.name} has no usable frame, nothing was written. Rejected: {dict(source.rejected)}."
            )
        shutil.move(directory / f"{out.stem}{out.suffix}" if single_file else directory, out)
    return WrittenBag(out, frames, shift_ns, Counter(source.rejected))


def _write_frames(
    bag: Writer, source: FrameSource, compressed: bool, on_frame: Callable[[], None]
) -> tuple[int, int]:
    """(number of frames, shift of the cloud stamps in ns)."""
    image_topic, image_type = (
        (f"{IMAGE_TOPIC}/compressed", COMPRESSED_TYPE) if compressed else (IMAGE_TOPIC, IMAGE_TYPE)
    )
    images = bag.add_connection(image_topic, image_type, typestore=typestore())
    infos = bag.add_connection(CAMERA_INFO_TOPIC, CAMERA_INFO_TYPE, typestore=typestore())
    clouds = bag.add_connection(POINTS_TOPIC, POINTS_TYPE, typestore=typestore())

    T_camera_lidar = source.T_camera_lidar_initial
    frames = shift_ns = 0
    for frame in source:
        if frames == 0:
            difference_ns = frame.image_stamp_ns - frame.cloud_stamp_ns
            shift_ns = difference_ns if abs(difference_ns) > MAX_STAMP_DIFFERENCE_NS else 0
            if T_camera_lidar is not None:
                transforms = bag.add_connection(
                    TF_STATIC_TOPIC, TF_TYPE, typestore=typestore(), offered_qos_profiles=[_LATCHED]
                )
                first_ns = min(frame.image_stamp_ns, frame.cloud_stamp_ns + shift_ns)
                _write(bag, transforms, first_ns, static_transform(frame, T_camera_lidar, first_ns))

        image_message = compressed_image_message(frame) if compressed else image_message_of(frame)
        cloud_stamp_ns = frame.cloud_stamp_ns + shift_ns
        _write(bag, clouds, cloud_stamp_ns, point_cloud2_message(frame, cloud_stamp_ns))
        _write(bag, infos, frame.image_stamp_ns, camera_info_message(frame))
        _write(bag, images, frame.image_stamp_ns, image_message)
        frames += 1
        on_frame()
    return frames, shift_ns


def image_message_of(frame: Frame) -> Any:
    """sensor_msgs/Image, rgb8."""
    height, width = frame.image.shape[:2]
    return _message(
        IMAGE_TYPE,
        header=_header(frame.image_stamp_ns, frame.camera_frame_id),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(frame.image).reshape(-1),
    )


def compressed_image_message(frame: Frame) -> Any:
    """sensor_msgs/CompressedImage: the encoded bytes the frame came from, or a new JPEG."""
    encoded = frame.encoded_image or _encode_jpeg(frame.image)
    return _message(
        COMPRESSED_TYPE,
        header=_header(frame.image_stamp_ns, frame.camera_frame_id),
        format=encoded.format,
        data=np.frombuffer(encoded.data, np.uint8),
    )


def camera_info_message(frame: Frame) -> Any:
    """sensor_msgs/CameraInfo of an unrectified monocular camera."""
    camera: Camera = frame.camera
    # ROS tools expect five coefficients of plumb_bob; Camera allows fewer.
    D = np.pad(camera.D, (0, 5 - camera.D.size)) if camera.model == "plumb_bob" else camera.D
    return _message(
        CAMERA_INFO_TYPE,
        header=_header(frame.image_stamp_ns, frame.camera_frame_id),
        height=camera.height,
        width=camera.width,
        distortion_model=camera.model,
        d=np.asarray(D, np.float64),
        k=np.asarray(camera.K, np.float64).reshape(-1),
        r=np.eye(3).reshape(-1),
        p=np.hstack([camera.K, np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=_message("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def point_cloud2_message(frame: Frame, stamp_ns: int) -> Any:
    """sensor_msgs/PointCloud2 with x, y, z and, if the frame has them, intensity and time: packed float32."""
    columns = dict(zip("xyz", frame.xyz.T))
    if frame.intensity is not None:
        columns["intensity"] = frame.intensity
    if frame.time_offset_s is not None:
        columns["time"] = frame.time_offset_s + np.float32((frame.cloud_stamp_ns - stamp_ns) * 1e-9)
    points = np.ascontiguousarray(np.stack(list(columns.values()), axis=1), "<f4")
    count, fields = points.shape
    return _message(
        POINTS_TYPE,
        header=_header(stamp_ns, frame.lidar_frame_id),
        height=1,
        width=count,
        fields=[
            _message("sensor_msgs/msg/PointField", name=name, offset=4 * column, datatype=7, count=1)
            for column, name in enumerate(columns)
        ],
        is_bigendian=False,
        point_step=4 * fields,
        row_step=4 * fields * count,
        data=points.reshape(-1).view(np.uint8),
        is_dense=True,
    )


def static_transform(frame: Frame, T_camera_lidar: NDArray[np.float64], stamp_ns: int) -> Any:
    """tf2_msgs/TFMessage LiDAR frame (parent) -> camera frame (child): the inverse of T_camera_lidar."""
    T_lidar_camera = se3.inverse(T_camera_lidar)
    x, y, z = T_lidar_camera[:3, 3].tolist()
    qx, qy, qz, qw = se3.quaternion_xyzw(T_lidar_camera).tolist()
    stamped = _message(
        "geometry_msgs/msg/TransformStamped",
        header=_header(stamp_ns, frame.lidar_frame_id),
        child_frame_id=frame.camera_frame_id,
        transform=_message(
            "geometry_msgs/msg/Transform",
            translation=_message("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=_message("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        ),
    )
    return _message(TF_TYPE, transforms=[stamped])


def _encode_jpeg(image: NDArray[np.uint8]) -> EncodedImage:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return EncodedImage("jpeg", encoded.tobytes())


def _message(type_: str, **fields: Any) -> Any:
    return typestore().types[type_](**fields)


def _header(stamp_ns: int, frame_id: str) -> Any:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    stamp = _message("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return _message("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def _write(bag: Writer, connection: Connection, stamp_ns: int, message: Any) -> None:
    bag.write(connection, stamp_ns, typestore().serialize_cdr(message, connection.msgtype))
