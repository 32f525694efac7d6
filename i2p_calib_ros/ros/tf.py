"""The extrinsic in TF: reading the initial one, publishing the calibrated one, and not disturbing others."""

from __future__ import annotations

import threading

import numpy as np
import yaml
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformException, TransformListener

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.conversions import header, transform_matrix, transform_message


class TransformReader:
    """What others say on /tf and /tf_static."""

    def __init__(self, node: Node) -> None:
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def extrinsic(self, camera_frame: str, lidar_frame: str) -> NDArray[np.float64]:
        """T_camera_lidar (4, 4), whichever way round the tree leads. CalibrationInputError says what is missing."""
        try:
            return transform_matrix(self._buffer.lookup_transform(camera_frame, lidar_frame, Time()))
        except TransformException as error:
            raise CalibrationInputError(
                f"tf does not connect the camera frame '{camera_frame}' with the LiDAR frame '{lidar_frame}': {error} "
                "Publish the mount (robot_state_publisher, static_transform_publisher), set camera_frame and "
                "lidar_frame to the frames of the tree, or give the extrinsic with initial.source"
            ) from error

    def parent(self, frame: str) -> str | None:
        """The parent of a frame in the tree; None when it has none."""
        tree = yaml.safe_load(self._buffer.all_frames_as_yaml()) or {}
        return tree[frame]["parent"] if frame in tree else None

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()


class CalibratedFrame:
    """Publishes LiDAR frame (parent) -> child frame (child), the inverse of T_camera_lidar, unless somebody else does.

    On /tf_static one latched message replaces the last. StaticTransformBroadcaster is not used: on several
    distributions it does not send a child frame again. Safe to use from several threads.
    """

    def __init__(self, node: Node, topic: str, lidar_frame: str, child_frame: str, reader: TransformReader) -> None:
        self.conflict: str | None = None
        """Why nothing is published, where somebody else publishes the child frame."""
        self._node, self._reader = node, reader
        self._lidar_frame, self._child_frame = lidar_frame, child_frame
        self._repeats = topic == "/tf"
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        self._publisher = node.create_publisher(TFMessage, topic, QoSProfile(depth=10) if self._repeats else latched)
        self._sent: NDArray[np.float64] | None = None
        self._lock = threading.Lock()

    def set(self, T_camera_lidar: NDArray[np.float64]) -> None:
        """Publish this extrinsic from now on; sends it where it differs from what was sent last."""
        with self._lock:
            if self._sent is None:
                self._look_for_conflict()
            if self.conflict is None and (self._sent is None or not np.array_equal(T_camera_lidar, self._sent)):
                self._send(T_camera_lidar)

    def maintain(self) -> None:
        """To be called now and then: sees whether somebody else publishes the child frame."""
        with self._lock:
            self._look_for_conflict()

    def repeat(self) -> None:
        """Send the transform again with the present time, where the topic needs that."""
        with self._lock:
            if self._repeats and self._sent is not None and self.conflict is None:
                self._send(self._sent)

    def close(self) -> None:
        """Withdraw the publisher; a latched transform is gone for those who subscribe later."""
        self._node.destroy_publisher(self._publisher)

    def _look_for_conflict(self) -> None:
        parent = self._reader.parent(self._child_frame)
        ours = parent == self._lidar_frame and self._sent is not None
        if parent is None or ours:
            self.conflict = None
            return
        self.conflict = (
            f"TF frame '{self._child_frame}' already has the parent '{parent}' from another publisher, and a frame can "
            "have only one: it is not published here. Set child_frame to another name, or stop the other publisher"
        )

    def _send(self, T_camera_lidar: NDArray[np.float64]) -> None:
        stamped = header(self._node.get_clock().now().nanoseconds, self._lidar_frame)
        transform = transform_message(se3.inverse(T_camera_lidar), self._child_frame, stamped)
        self._sent = T_camera_lidar
        self._publisher.publish(TFMessage(transforms=[transform]))
