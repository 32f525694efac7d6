"""Messages to arrays and back: nothing is lost on the way."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: `make ros`")

from diagnostic_msgs.msg import DiagnosticStatus

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.frames.image_msg import UnsupportedEncoding, decode_compressed_image
from i2p_calib_ros.frames.point_cloud2 import decode_point_cloud2
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.ros import conversions
from i2p_calib_ros.ros.diagnostics import Level, Status

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
XYZ = RNG.uniform(1, 9, (300, 3)).astype(np.float32)
T = se3.exp([0.3, -0.2, 0.1, 1.2, -1.2, 1.2])
CAMERA = Camera.validated("plumb_bob", np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]]), [], 64, 48)
STAMP_NS = 1_234_567_890_123_456_789


def cloud() -> Any:
    return conversions.colored_cloud_message(XYZ, np.zeros((300, 3), np.uint8), conversions.header(STAMP_NS, "lidar"))


def test_stamp_keeps_its_nanoseconds() -> None:
    assert conversions.stamp_ns(cloud()) == STAMP_NS


def test_image_comes_back_as_it_went() -> None:
    message = conversions.image_message(PICTURE, conversions.header(STAMP_NS, "cam"))

    np.testing.assert_array_equal(conversions.image_array(message), PICTURE)


def test_compressed_image_has_the_colours_of_the_picture() -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    decoded, _ = decode_compressed_image(conversions.compressed_image_message(red, conversions.header(0, "cam")))

    assert np.abs(decoded.astype(int) - red).max() < 6


def test_cloud_comes_back_and_its_colours_are_packed_as_rviz_reads_them() -> None:
    rgb = RNG.integers(0, 256, (300, 3), dtype=np.uint8)
    message = conversions.colored_cloud_message(XYZ, rgb, conversions.header(0, "lidar"))

    np.testing.assert_array_equal(decode_point_cloud2(message).xyz, XYZ)
    packed = np.frombuffer(message.data, np.uint32).reshape(-1, 4)[:, 3]
    np.testing.assert_array_equal((packed >> 16) & 255, rgb[:, 0])
    np.testing.assert_array_equal(packed & 255, rgb[:, 2])


def test_transform_comes_back_as_it_went() -> None:
    message = conversions.transform_message(T, "child", conversions.header(0, "parent"))

    assert (message.header.frame_id, message.child_frame_id) == ("parent", "child")
    np.testing.assert_allclose(conversions.transform_matrix(message), T, atol=1e-12)


def test_pose_has_its_covariance_row_by_row() -> None:
    covariance = np.arange(36.0).reshape(6, 6)
    message = conversions.pose_message(T, covariance, conversions.header(0, "lidar"))

    np.testing.assert_array_equal(message.pose.covariance, covariance.ravel())
    np.testing.assert_allclose([message.pose.pose.position.x, message.pose.pose.position.z], T[[0, 2], 3])


def test_pair_becomes_a_frame() -> None:
    image = conversions.image_message(PICTURE, conversions.header(STAMP_NS, "cam"))
    frame = conversions.frame_of(image, cloud(), CAMERA, "camera", "laser")

    np.testing.assert_array_equal(frame.image, PICTURE)
    np.testing.assert_array_equal(frame.xyz, XYZ)
    assert (frame.camera_frame_id, frame.lidar_frame_id) == ("camera", "laser")
    assert frame.image_stamp_ns == STAMP_NS


def test_image_of_another_size_than_the_camera_is_refused() -> None:
    image = conversions.image_message(PICTURE[:, :32], conversions.header(0, "cam"))

    with pytest.raises(FrameRejected, match="32x48"):
        conversions.frame_of(image, cloud(), CAMERA, "cam", "lidar")


def test_encoding_that_is_not_known_here_is_left_to_cv_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bridge:
        def imgmsg_to_cv2(self, message: Any, encoding: str) -> np.ndarray:
            assert encoding == "rgb8"
            if message.encoding != "nv24":
                raise RuntimeError("no conversion")
            return PICTURE

    image = conversions.image_message(PICTURE, conversions.header(0, "cam"))
    image.encoding = "nv24"
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    with pytest.raises(UnsupportedEncoding, match="nv24"):
        conversions.image_array(image)

    monkeypatch.setitem(sys.modules, "cv_bridge", SimpleNamespace(CvBridge=Bridge))
    np.testing.assert_array_equal(conversions.image_array(image), PICTURE)
    image.encoding = "nv42"
    with pytest.raises(CalibrationInputError, match="cv_bridge cannot convert it either: no conversion"):
        conversions.image_array(image)


def test_diagnostics_carry_level_name_and_values() -> None:
    status = Status("inputs", Level.WARN, "message", {"pairs": "3"})
    message = conversions.diagnostic_array("front/i2p_calib", [status], conversions.header(0, ""))

    (entry,) = message.status
    assert entry.level == DiagnosticStatus.WARN
    assert (entry.name, entry.message) == ("front/i2p_calib: inputs", "message")
    assert [(item.key, item.value) for item in entry.values] == [("pairs", "3")]
