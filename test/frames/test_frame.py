from __future__ import annotations

import numpy as np
import pytest

from i2p_calib_ros.frames.frame import MIN_POINTS, Frame, FrameRejected
from i2p_calib_ros.geometry.camera import Camera

CAMERA = Camera.validated("plumb_bob", [[50, 0, 32], [0, 50, 24], [0, 0, 1]], [], 64, 48)


def create(xyz: np.ndarray, **changes: object) -> Frame:
    fields: dict = {
        "image": np.zeros((48, 64, 3), np.uint8),
        "xyz": xyz.astype(np.float32),
        "intensity": np.arange(len(xyz), dtype=np.float32),
        "camera": CAMERA,
        "image_stamp_ns": 1,
        "cloud_stamp_ns": 2,
        "camera_frame_id": "cam",
        "lidar_frame_id": "lidar",
    }
    return Frame.create(**(fields | changes))


def test_points_without_a_return_are_dropped_with_their_columns():
    xyz = np.ones((200, 3)) * np.arange(1, 201)[:, None]
    xyz[3] = np.nan
    xyz[5, 1] = np.inf
    xyz[7] = 0
    xyz[9, 2] = -np.inf
    frame = create(xyz, ring=np.arange(200, dtype=np.uint16), time_offset_s=np.arange(200, dtype=np.float32) / 1000)
    kept = np.delete(np.arange(200), [3, 5, 7, 9])
    assert frame.dropped_points == 4
    assert frame.xyz.dtype == np.float32
    np.testing.assert_array_equal(frame.xyz[:, 0], kept + 1)
    np.testing.assert_array_equal(frame.intensity, kept)
    np.testing.assert_array_equal(frame.ring, kept)
    np.testing.assert_allclose(frame.time_offset_s, kept / 1000, rtol=1e-6)


def test_absent_columns_stay_absent():
    frame = create(np.ones((200, 3)), intensity=None)
    assert frame.intensity is None and frame.ring is None and frame.time_offset_s is None


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (np.empty((0, 3)), "empty point cloud"),
        (np.full((500, 3), np.nan), "empty point cloud"),
        (np.zeros((500, 3)), "empty point cloud"),
        (np.ones((MIN_POINTS - 1, 3)), f"point cloud with fewer than {MIN_POINTS} valid points"),
    ],
)
def test_clouds_that_are_too_small_are_rejected(points: np.ndarray, reason: str):
    with pytest.raises(FrameRejected) as rejection:
        create(points)
    assert rejection.value.reason == reason


def test_an_image_of_another_size_than_the_camera_is_rejected():
    with pytest.raises(FrameRejected, match="image is 32x24 but the camera info says 64x48"):
        create(np.ones((200, 3)), image=np.zeros((24, 32, 3), np.uint8))
