"""Markers: the frustum is that of the camera, the ellipsoid that of the covariance."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: `make ros`")

from visualization_msgs.msg import Marker

from i2p_calib_ros.fusion.temporal import FusedEstimate
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.ros.conversions import header
from i2p_calib_ros.ros.markers import ELLIPSOID_SIGMAS, frustum_lines, marker_array
from i2p_calib_ros.ros.session import Snapshot
from i2p_calib_ros.ros.state import KnownExtrinsic

CAMERA = Camera.validated("plumb_bob", np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]]), [], 64, 48)
T_CAMERA_LIDAR = se3.exp([0.3, -0.2, 0.5, 1.2, -1.2, 1.2])


def markers(covariance: np.ndarray | None) -> dict[int, Marker]:
    initial = KnownExtrinsic(T_CAMERA_LIDAR)
    fused = None if covariance is None else FusedEstimate(T_CAMERA_LIDAR, covariance, 5, 0, False, False)
    snapshot = Snapshot("converged", "", initial, initial, initial, fused)
    return {marker.type: marker for marker in marker_array(CAMERA, snapshot, header(0, "lidar")).markers}


def test_rim_of_the_frustum_is_the_border_of_the_image() -> None:
    lines = frustum_lines(CAMERA, depth_m=2.0).reshape(8, 2, 3)
    pixels, valid = CAMERA.project(lines[:4, 1])

    assert valid.all()
    np.testing.assert_array_equal(lines[:4, 0], 0)
    np.testing.assert_allclose(lines[:4, 1, 2], 2.0)
    np.testing.assert_allclose(pixels.min(axis=0), [-0.5, -0.5], atol=0.6)
    np.testing.assert_allclose(pixels.max(axis=0), [63.5, 47.5], atol=0.6)


def test_ellipsoid_has_the_spread_of_the_camera_position_in_the_lidar_frame() -> None:
    sigma = np.array([0.02, 0.03, 0.05, 0.004, 0.002, 0.001])
    xi = np.random.default_rng(0).standard_normal((20_000, 6)) * sigma
    centres = se3.inverse(se3.exp(xi) @ T_CAMERA_LIDAR)[:, :3, 3]
    expected = 2 * ELLIPSOID_SIGMAS * np.sqrt(np.linalg.eigvalsh(np.cov(centres.T)))

    ellipsoid = markers(np.diag(sigma**2))[Marker.SPHERE]
    np.testing.assert_allclose(sorted([ellipsoid.scale.x, ellipsoid.scale.y, ellipsoid.scale.z]), expected, rtol=0.05)
    position = ellipsoid.pose.position
    np.testing.assert_allclose([position.x, position.y, position.z], se3.inverse(T_CAMERA_LIDAR)[:3, 3])


def test_without_an_estimate_there_is_no_ellipsoid() -> None:
    assert Marker.SPHERE not in markers(None)
