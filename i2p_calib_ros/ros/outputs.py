"""The node's publishers: the estimate with its covariance, and pictures of it while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.frames.motion_compensation import delayed
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.conversions import (
    colored_cloud_message,
    compressed_image_message,
    header,
    image_message,
    pose_message,
)
from i2p_calib_ros.ros.markers import marker_array
from i2p_calib_ros.ros.overlay import OverlayRenderer, colored_points, current_extrinsic
from i2p_calib_ros.ros.parameters import Settings
from i2p_calib_ros.ros.session import Snapshot
from i2p_calib_ros.ros.worker import Worker

VIEW_PERIOD_S = 0.2
"""At most so often are pictures rendered: enough to watch, and a fifth of a core at most."""

RENDERING_NICENESS = 10
STOP_TIMEOUT_S = 5.0


class EstimatePublisher:
    """`~/extrinsic` and `~/correction`, latched so that who comes later gets the last."""

    def __init__(self, node: Node) -> None:
        self._node = node
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        self._extrinsic = node.create_publisher(PoseWithCovarianceStamped, "~/extrinsic", latched)
        self._correction = node.create_publisher(PoseWithCovarianceStamped, "~/correction", latched)

    def publish(self, frame: Frame, snapshot: Snapshot) -> None:
        """The pose of the camera in the LiDAR frame, and in the frame where the initial extrinsic has the camera."""
        estimate, initial = snapshot.estimate, snapshot.initial
        if estimate is None or initial is None:
            return
        stamp = frame.image_stamp_ns
        T_lidar_camera = se3.inverse(estimate.T_mean)
        covariance = se3.covariance_of_inverse(estimate.T_mean, estimate.covariance)
        self._extrinsic.publish(pose_message(T_lidar_camera, covariance, header(stamp, frame.lidar_frame_id)))
        A = se3.adjoint(initial.T_camera_lidar)
        correction = initial.T_camera_lidar @ T_lidar_camera
        self._correction.publish(pose_message(correction, A @ covariance @ A.T, header(stamp, frame.camera_frame_id)))

    def close(self) -> None:
        """Withdraw the publishers."""
        for publisher in (self._extrinsic, self._correction):
            self._node.destroy_publisher(publisher)


class ViewPublisher:
    """Overlay, coloured cloud and markers, rendered while they have subscribers, in a thread of low priority."""

    def __init__(self, node: Node, settings: Callable[[], Settings], on_error: Callable[[Exception], None]) -> None:
        self._node, self._settings = node, settings
        self._overlay = node.create_publisher(Image, "~/overlay", 1)
        self._overlay_compressed = node.create_publisher(CompressedImage, "~/overlay/compressed", 1)
        self._points = node.create_publisher(PointCloud2, "~/points_colored", 1)
        self._markers = node.create_publisher(MarkerArray, "~/markers", 1)
        self._publishers = (self._overlay, self._overlay_compressed, self._points, self._markers)
        self._renderer = OverlayRenderer()
        self._shown_s = 0.0
        self._worker = Worker[tuple[Frame, Snapshot]](
            self._render, on_error, name="rendering", niceness=RENDERING_NICENESS
        )

    def show(self, frame: Frame, snapshot: Snapshot) -> None:
        """Let this frame be rendered if anybody looks; never waits."""
        now_s = time.monotonic()
        if now_s - self._shown_s < VIEW_PERIOD_S or not any(map(_watched, self._publishers)):
            return
        self._shown_s = now_s
        self._worker.submit((frame, snapshot))

    def close(self) -> None:
        """Finish the picture in work and withdraw the publishers."""
        self._worker.stop(STOP_TIMEOUT_S)
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)

    def _render(self, item: tuple[Frame, Snapshot]) -> None:
        frame, snapshot = item
        if snapshot.estimate is not None:
            frame = delayed(frame, snapshot.estimate.image_delay.mean_s)
        settings = self._settings()
        if _watched(self._overlay) or _watched(self._overlay_compressed):
            picture = self._renderer.render(frame, snapshot, settings.overlay_layout, settings.overlay_width_px)
            stamped = header(frame.image_stamp_ns, frame.camera_frame_id)
            if _watched(self._overlay):
                self._overlay.publish(image_message(picture, stamped))
            if _watched(self._overlay_compressed):
                self._overlay_compressed.publish(compressed_image_message(picture, stamped))
        stamped = header(frame.cloud_stamp_ns, frame.lidar_frame_id)
        if _watched(self._points):
            xyz, rgb = colored_points(frame, current_extrinsic(snapshot))
            self._points.publish(colored_cloud_message(xyz, rgb, stamped))
        if _watched(self._markers):
            self._markers.publish(marker_array(frame.camera, snapshot, stamped))


def _watched(publisher: object) -> bool:
    return bool(publisher.get_subscription_count())  # type: ignore[attr-defined]
