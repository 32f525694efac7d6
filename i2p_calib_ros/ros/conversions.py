"""ROS messages to arrays and back, without copies where the layout allows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseWithCovarianceStamped, Quaternion, TransformStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.frames.image_msg import UnsupportedEncoding, decode_compressed_image, decode_image
from i2p_calib_ros.frames.point_cloud2 import decode_point_cloud2
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.ros.diagnostics import Status

JPEG_QUALITY = 85


def stamp_ns(message: Any) -> int:
    """Header stamp in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def header(at_ns: int, frame_id: str) -> Header:
    sec, nanosec = divmod(at_ns, 1_000_000_000)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)


def frame_of(image: Any, cloud: Any, camera: Camera, camera_frame: str, lidar_frame: str) -> Frame:
    """Image or CompressedImage and PointCloud2 -> Frame.

    Raises FrameRejected for a pair that cannot be used, CalibrationInputError where all of a topic cannot.
    """
    if isinstance(image, CompressedImage):
        pixels, _ = decode_compressed_image(image)
    else:
        pixels = image_array(image)
    points = decode_point_cloud2(cloud)
    return Frame.create(
        image=pixels,
        xyz=points.xyz,
        intensity=points.intensity,
        camera=camera,
        image_stamp_ns=stamp_ns(image),
        cloud_stamp_ns=stamp_ns(cloud),
        camera_frame_id=camera_frame,
        lidar_frame_id=lidar_frame,
        ring=points.ring,
        time_offset_s=points.time_offset_s,
    )


def image_array(message: Image) -> NDArray[np.uint8]:
    """Image -> (h, w, 3) uint8 RGB; encodings that are not known here are left to cv_bridge where it is installed."""
    try:
        return decode_image(message)
    except UnsupportedEncoding as unsupported:
        try:
            from cv_bridge import CvBridge
        except ImportError:
            raise unsupported from None
        try:
            return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
        except Exception as error:  # cv_bridge raises its own, OpenCV's and KeyError, by version
            raise CalibrationInputError(f"{unsupported} cv_bridge cannot convert it either: {error}") from error


def image_message(picture: NDArray[np.uint8], stamped: Header) -> Image:
    """RGB (h, w, 3) -> Image of encoding rgb8."""
    height, width = picture.shape[:2]
    message = Image(header=stamped, height=height, width=width, encoding="rgb8", step=3 * width)
    message.data.frombytes(np.ascontiguousarray(picture).reshape(-1))
    return message


def compressed_image_message(picture: NDArray[np.uint8], stamped: Header) -> CompressedImage:
    """RGB (h, w, 3) -> JPEG."""
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    message = CompressedImage(header=stamped, format="rgb8; jpeg compressed bgr8")
    message.data.frombytes(encoded.reshape(-1))
    return message


def colored_cloud_message(xyz: NDArray[np.float32], rgb: NDArray[np.uint8], stamped: Header) -> PointCloud2:
    """Points (n, 3) with colours (n, 3) -> PointCloud2 with the packed `rgb` field that RViz and PCL read."""
    points = np.zeros(len(xyz), np.dtype([("xyz", "<f4", 3), ("bgr", "u1", 3), ("unused", "u1")]))
    points["xyz"], points["bgr"] = xyz, rgb[:, ::-1]
    size = points.dtype.itemsize
    message = PointCloud2(
        header=stamped,
        height=1,
        width=len(points),
        fields=[
            PointField(name=name, offset=4 * column, datatype=PointField.FLOAT32, count=1)
            for column, name in enumerate(("x", "y", "z", "rgb"))
        ],
        is_bigendian=False,
        point_step=size,
        row_step=size * len(points),
        is_dense=True,
    )
    message.data.frombytes(points.view(np.uint8))
    return message


def pose_message(
    T_parent_child: NDArray[np.float64], covariance: NDArray[np.float64], stamped: Header
) -> PoseWithCovarianceStamped:
    """Pose of the child in the header's frame; `covariance` (6, 6) of its left perturbation."""
    message = PoseWithCovarianceStamped(header=stamped)
    message.pose.pose = pose(T_parent_child)
    message.pose.covariance = np.ascontiguousarray(covariance, dtype=np.float64).reshape(-1)
    return message


def pose(T: NDArray[np.float64]) -> Pose:
    x, y, z = T[:3, 3].tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=_quaternion(T))


def transform_message(T_parent_child: NDArray[np.float64], child_frame: str, stamped: Header) -> TransformStamped:
    """T_parent_child as TF has it; the header names the parent."""
    message = TransformStamped(header=stamped, child_frame_id=child_frame)
    translation = message.transform.translation
    translation.x, translation.y, translation.z = T_parent_child[:3, 3].tolist()
    message.transform.rotation = _quaternion(T_parent_child)
    return message


def transform_matrix(message: TransformStamped) -> NDArray[np.float64]:
    """T_parent_child (4, 4)."""
    t, q = message.transform.translation, message.transform.rotation
    return se3.from_quaternion([t.x, t.y, t.z], [q.x, q.y, q.z, q.w])


def diagnostic_array(node_name: str, statuses: Sequence[Status], stamped: Header) -> DiagnosticArray:
    """The message of /diagnostics; entries are named `NODE: NAME`."""
    return DiagnosticArray(
        header=stamped,
        status=[
            DiagnosticStatus(
                level=bytes([status.level]),
                name=f"{node_name}: {status.name}",
                message=status.message,
                hardware_id=node_name,
                values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
            )
            for status in statuses
        ],
    )


def _quaternion(T: NDArray[np.float64]) -> Quaternion:
    x, y, z, w = se3.quaternion_xyzw(T).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)
