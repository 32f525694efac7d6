"""A vehicle drives and turns through a yard: what its LiDAR measures point after point is brought to one moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.frames.motion_compensation import MotionCompensation, delayed, frames_as_of_images
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera

TWIST_S = np.array([14.0, 0.3, 0.1, 0.02, -0.03, 0.4])  # m/s, rad/s of the LiDAR, in its own frame
CAMERA = Camera.validated("plumb_bob", [[50, 0, 32], [0, 50, 24], [0, 0, 1]], [0.0] * 4, 64, 48)


def yard(rng: np.random.Generator) -> np.ndarray:
    """Points (n, 3) on the ground, on two walls with niches and on posts: something holds every direction."""
    ground = np.c_[rng.uniform(-30, 60, 9000), rng.uniform(-12, 12, 9000), np.full(9000, -1.8)]
    x = rng.uniform(-30, 60, 9000)
    walls = np.c_[x, rng.choice([-12.0, 12.0], 9000) + 1.5 * (np.floor(x / 4) % 2), rng.uniform(-1.8, 6, 9000)]
    posts = np.repeat(rng.uniform([-25, -10], [55, 10], (40, 2)), 60, axis=0)
    posts = np.c_[posts + rng.normal(0, 0.05, posts.shape), rng.uniform(-1.8, 3, len(posts))]
    return np.vstack([ground, walls, posts])


def drive(frames: int = 3, period_s: float = 0.1, image_delay_s: float = 0.02) -> list[tuple[Frame, np.ndarray]]:
    """Frames as measured, and their clouds as of the moment of the image."""
    world = yard(np.random.default_rng(0))
    made = []
    for index in range(frames):
        stamp_s = index * period_s
        seen = se3.transform_points(se3.exp(-TWIST_S * stamp_s), world)
        offset_s = -np.arctan2(seen[:, 1], seen[:, 0]) / (2 * np.pi) * 0.1
        T_of_point = se3.exp(-TWIST_S * (stamp_s + offset_s)[:, None])
        measured = np.einsum("nij,nj->ni", T_of_point[:, :3, :3], world) + T_of_point[:, :3, 3]
        frame = Frame.create(
            image=np.zeros((48, 64, 3), np.uint8),
            xyz=measured,
            intensity=None,
            camera=CAMERA,
            image_stamp_ns=1_000_000_000 + round((stamp_s + image_delay_s) * 1e9),
            cloud_stamp_ns=1_000_000_000 + round(stamp_s * 1e9),
            camera_frame_id="camera",
            lidar_frame_id="lidar",
            time_offset_s=offset_s.astype(np.float32),
        )
        made.append((frame, se3.transform_points(se3.exp(-TWIST_S * (stamp_s + image_delay_s)), world)))
    return made


def errors_m(frame: Frame, true_xyz: np.ndarray) -> np.ndarray:
    return np.linalg.norm(frame.xyz - true_xyz, axis=1)


@pytest.mark.parametrize("period_s", [0.1, 0.3])
def test_points_come_to_where_they_are_at_the_moment_of_the_image(period_s):
    compensate = MotionCompensation()
    for index, (frame, true_xyz) in enumerate(drive(3, period_s)):
        raw_m = errors_m(frame, true_xyz)
        found = compensate(frame)
        if index == 0:
            assert found is frame, "one cloud says nothing of the motion"
            continue
        assert np.percentile(raw_m, 95) > 0.5
        assert np.percentile(errors_m(found, true_xyz), 95) < 0.05
        assert found.time_offset_s is None and found.cloud_stamp_ns == frame.image_stamp_ns


def test_without_times_the_azimuth_tells_them_if_one_says_how_the_lidar_turns():
    (first, _), (second, truth) = drive(2, image_delay_s=0.0)
    frames = [replace(first, time_offset_s=None), replace(second, time_offset_s=None, image_stamp_ns=0)]
    clockwise, timed, wrong = (MotionCompensation(s) for s in ("clockwise", "timed", "counterclockwise"))
    found = [[compensate(frame) for frame in frames][1] for compensate in (clockwise, timed, wrong)]
    # Stamps are not needed for it.
    assert np.percentile(errors_m(found[0], truth), 95) < 0.08
    assert found[1].xyz is frames[1].xyz
    assert np.percentile(errors_m(found[2], truth), 95) > 10 * np.percentile(errors_m(found[0], truth), 95)


def test_what_the_driver_has_compensated_is_moved_from_its_stamp_to_the_image():
    compensate = MotionCompensation("stamped")
    (_, first_xyz), (_, second_xyz) = drive(2, image_delay_s=0.0)
    (first, _), (second, truth) = drive(2, image_delay_s=0.04)
    compensate(replace(first, xyz=first_xyz.astype(np.float32)))
    compensated = replace(second, xyz=second_xyz.astype(np.float32))
    assert np.median(errors_m(compensated, truth)) > 0.4
    assert np.percentile(errors_m(compensate(compensated), truth), 95) < 0.05


def test_neither_times_nor_stamps_are_used_if_one_says_so():
    compensate = MotionCompensation("instant")
    for frame, _ in drive(2):
        assert compensate(frame).xyz is frame.xyz


def test_the_motion_is_told_and_brings_the_points_to_any_moment():
    compensate = MotionCompensation("instant")
    (first, first_xyz), (second, second_xyz) = drive(2, image_delay_s=0.0)
    assert delayed(compensate(replace(first, xyz=first_xyz.astype(np.float32))), 0.03).lidar_twist is None
    found = compensate(replace(second, xyz=second_xyz.astype(np.float32)))
    np.testing.assert_allclose(found.lidar_twist, TWIST_S, atol=0.02 * np.abs(TWIST_S).max())
    later = se3.transform_points(se3.exp(-TWIST_S * 0.03), second_xyz)
    assert np.median(errors_m(found, later)) > 0.3
    assert np.percentile(errors_m(delayed(found, 0.03), later), 95) < 0.02


def test_a_gap_a_jump_back_and_another_place_leave_the_frame_alone():
    (first, _), (second, _), (third, _) = drive(3)
    late = replace(second, cloud_stamp_ns=first.cloud_stamp_ns + 2_000_000_000)
    elsewhere = replace(second, xyz=np.random.default_rng(1).uniform(-40, 40, first.xyz.shape).astype(np.float32))
    for odd in (late, elsewhere, replace(second, cloud_stamp_ns=first.cloud_stamp_ns - 1)):
        compensate = MotionCompensation()
        compensate(first)
        assert compensate(odd) is odd
    compensate = MotionCompensation()
    assert [compensate(frame) is frame for frame in (first, late, second, third)] == [True, True, True, False]


def test_a_drive_is_brought_to_its_images_without_the_frames_that_cannot_be():
    frames, truths = zip(*drive(3, image_delay_s=0.02))
    unaware = [replace(frame, image_stamp_ns=frame.cloud_stamp_ns) for frame in frames]
    left_out: Counter[str] = Counter()
    found = list(frames_as_of_images(unaware, "timed", 0.02, left_out))
    assert len(found) == 2 and left_out == {"motion not known from the cloud before": 1}
    for frame, true_xyz in zip(found, truths[1:]):
        assert np.percentile(errors_m(frame, true_xyz), 95) < 0.05
    assert list(frames_as_of_images(frames, "instant", 0.0, left_out)) == list(frames), "nothing to be moved"
