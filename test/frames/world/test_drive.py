"""Drives: what the cloud says agrees with what the camera sees, everything follows from the seed, files read back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.replay import initial_prior, replay_source, resolve_extrinsic
from i2p_calib_ros.frames.bag import BagSource
from i2p_calib_ros.frames.motion_compensation import MotionCompensation
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.frames.source import FrameSource
from i2p_calib_ros.frames.world.camera.camera_image import depth_image
from i2p_calib_ros.frames.world.camera.pixel_rays import pixel_rays
from i2p_calib_ros.frames.world.drive import Decalibration, SyntheticDrive
from i2p_calib_ros.frames.world.lidar.patterns import PATTERNS
from i2p_calib_ros.frames.world.lidar.sweep import Lidar
from i2p_calib_ros.frames.world.rig import Rig, random_camera, random_rig
from i2p_calib_ros.frames.world.world_files import (
    NothingSeen,
    WorldSettings,
    make_world,
    write_drive_bag,
    write_drive_folder,
)
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera, inside_image

SMALL = (320, 192)


def rig_that(wanted) -> Rig:
    return next(r for s in range(200) if wanted(r := random_rig(np.random.default_rng(s), size=SMALL)))


def front_rig(pattern="HDL-64E") -> Rig:
    rig = random_rig(np.random.default_rng(0), size=SMALL)
    K = [[200.0, 0, 159.5], [0, 200, 95.5], [0, 0, 1]]
    camera = Camera("plumb_bob", np.array(K), np.zeros(5), *SMALL)
    T_body_camera, T_body_lidar = np.eye(4), np.eye(4)
    T_body_camera[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    T_body_camera[:3, 3], T_body_lidar[:3, 3] = [0.6, 0.1, 1.5], [0.2, 0, 1.9]
    return replace(
        rig, camera=camera, lidar=Lidar.exact(PATTERNS[pattern]), T_body_camera=T_body_camera,
        T_body_lidar=T_body_lidar, own_boxes=np.zeros((0, 2, 3)), time_offset_s=0.0, compensated=True,
    )  # fmt: skip


def still(place):
    """The place without what moves: a sweep and an image then see one and the same world."""
    return replace(place, actors=())


@pytest.mark.parametrize("seed", range(6))
def test_projected_depth_equals_ray_traced_depth_at_the_pixel(yard, seed):
    """For random rigs: any lens, any heading, a moving vehicle. Occlusion may hide a point, but never the reverse."""
    rig = random_rig(np.random.default_rng(seed), size=SMALL)
    rig = replace(rig, lidar=Lidar.exact(rig.lidar.pattern), time_offset_s=0.0, compensated=True)
    drive = SyntheticDrive(seed, 5, rig=rig, place=still(yard))
    frame = drive.load(3)
    time_s = 3 / drive.rate_hz
    traced_m = depth_image(drive.tracer, drive.camera, drive.T_world_camera(time_s), 0.0)

    xyz = se3.transform_points(drive.T_camera_lidar_true(time_s), frame.xyz)
    pixels, valid = drive.camera.project(xyz)
    seen = valid & inside_image(np.nan_to_num(pixels, nan=-9.0), *SMALL) & (xyz[:, 2] > 1)
    column, row = np.round(pixels[seen]).astype(int).T
    points_m = xyz[seen, 2]
    # The neighbouring pixels' depths bound that of a surface inside a pixel.
    padded = np.pad(traced_m, 1, mode="edge")
    around = np.stack([padded[row + dr, column + dc] for dr in range(3) for dc in range(3)])
    nearest, farthest = np.nanmin(around, axis=0), np.nanmax(around, axis=0)
    assert seen.sum() > 50
    assert (points_m > nearest - 0.03).mean() > 0.998, "a LiDAR point in front of what the camera sees there"
    agree = points_m < farthest + 0.03
    assert agree.mean() > 0.8, "more than occlusion can explain"
    smooth = agree & (farthest - nearest < 0.1) & ~np.isnan(around).any(axis=0)
    np.testing.assert_allclose(points_m[smooth], traced_m[row, column][smooth], atol=0.1)


def test_a_drive_is_a_frame_source_with_plausible_stamps(yard):
    rig = replace(front_rig(), time_offset_s=0.004, compensated=False)
    drive = SyntheticDrive(3, 4, rate_hz=5.0, rig=rig, place=yard)
    assert isinstance(drive, FrameSource)
    frames = list(drive)
    assert len(frames) == len(drive) == 4
    assert [f.image_stamp_ns - frames[0].image_stamp_ns for f in frames] == [0, 200_000_000, 400_000_000, 600_000_000]
    assert {f.image_stamp_ns - f.cloud_stamp_ns for f in frames} == {4_000_000}
    frame = frames[2]
    ahead = np.abs(frame.xyz[:, 1]) < 0.05 * frame.xyz[:, 0]
    assert np.abs(frame.time_offset_s[ahead]).max() < 0.002, "the beam passes the heading of the camera at the stamp"


def test_a_raw_sweep_is_compensated_to_what_a_driver_that_knows_the_motion_gives(yard):
    rigs = [replace(front_rig(), compensated=compensated) for compensated in (False, True)]
    raw, truth = (list(SyntheticDrive(3, 3, rate_hz=10.0, rig=rig, place=still(yard))) for rig in rigs)
    compensate = MotionCompensation()
    for index, (frame, true) in enumerate(zip(raw, truth, strict=True)):
        found = compensate(frame)
        if index > 0:
            distorted_m, left_m = (np.linalg.norm(xyz - true.xyz, axis=1) for xyz in (frame.xyz, found.xyz))
            assert np.percentile(distorted_m, 95) > 0.05
            assert np.percentile(left_m, 95) < 0.25 * np.percentile(distorted_m, 95)


def test_a_sector_keeps_what_lies_around_the_heading_of_the_camera(yard):
    rig = rig_that(lambda r: abs(r.T_body_camera[1, 2]) > 0.9 and r.lidar.pattern.half_angle_deg == 180)
    whole, sector = (SyntheticDrive(1, 1, rig=rig, place=yard, sector_deg=s).load(0).xyz for s in (180.0, 60.0))
    heading = se3.inverse(rig.T_camera_lidar)[:3, 2]

    def azimuth_deg(xyz):
        turned = np.arctan2(xyz[:, 1], xyz[:, 0]) - np.arctan2(heading[1], heading[0])
        return np.abs(np.rad2deg((turned + np.pi) % (2 * np.pi) - np.pi))

    assert azimuth_deg(whole).max() > 150 and azimuth_deg(sector).max() < 66
    assert len(sector) == pytest.approx((azimuth_deg(whole) < 60).sum(), rel=0.02)


def test_the_same_seed_gives_the_same_drive_and_another_seed_another():
    one, two = (SyntheticDrive(1, 3, kind="hall", size=(160, 96)) for _ in range(2))
    other = SyntheticDrive(2, 3, kind="hall", size=(160, 96))
    assert one.camera == two.camera and one.name == two.name
    last_first = two.load(2)  # frames do not depend on the order in which they are made
    for frame, again in ((one.load(0), two.load(0)), (one.load(2), last_first)):
        np.testing.assert_array_equal(frame.image, again.image)
        np.testing.assert_array_equal(frame.xyz, again.xyz)
        np.testing.assert_array_equal(frame.intensity, again.intensity)
    assert not np.array_equal(one.load(0).image, one.load(2).image)
    assert one.camera != other.camera and not np.allclose(one.initial_extrinsic(), other.initial_extrinsic())


def test_decalibrations_are_constant_drift_or_come_at_once():
    size = {"rotation_deg": (0.0, 3.0, 0.0), "translation_m": (0.0, 0.0, 0.3)}
    T = se3.from_rotation_vector([0.1, 0.2, 0.3], [0.4, -0.5, 0.6])

    def errors(decalibration, times_s):
        return [se3.pose_error(decalibration.moved(T, t), T) for t in times_s]

    for error in errors(Decalibration(**size), (0.0, 5.0)):
        np.testing.assert_allclose(error.signed_rotation_deg, [0, 3, 0], atol=1e-6)
        np.testing.assert_allclose(error.signed_translation_m, [0, 0, 0.3], atol=1e-9)
    drifting = Decalibration(**size, from_s=2.0, until_s=6.0)
    assert [e.rotation_deg for e in errors(drifting, (1, 4, 9))] == pytest.approx([0, 1.5, 3])
    bump = Decalibration(**size, from_s=4.0, until_s=4.0)
    assert [e.translation_m for e in errors(bump, (3.99, 4.0, 9))] == pytest.approx([0, 0.3, 0.3])
    assert Decalibration(**size).constant and not drifting.constant and not bump.constant


@given(st.integers(0, 10**6), st.floats(0.1, 20), st.floats(0.01, 1))
def test_a_random_decalibration_has_exactly_the_size_asked_for(seed, rotation_deg, translation_m):
    moved = Decalibration.random(np.random.default_rng(seed), rotation_deg, translation_m).moved(np.eye(4), 0.0)
    error = se3.pose_error(moved, np.eye(4))
    assert error.rotation_deg == pytest.approx(rotation_deg) and error.translation_m == pytest.approx(translation_m)


def test_a_bump_moves_the_picture_and_not_the_cloud(yard):
    bump = Decalibration((0.0, 5.0, 0.0), (0.0, 0.0, 0.0), 0.15, 0.15)
    plain, bumped = (SyntheticDrive(1, 3, rig=front_rig(), place=yard, decalibration=d) for d in (None, bump))
    for index, same in ((1, True), (2, False)):
        before, after = plain.load(index), bumped.load(index)
        np.testing.assert_array_equal(before.xyz, after.xyz)
        assert np.array_equal(before.image, after.image) == same
    np.testing.assert_array_equal(bumped.initial_extrinsic(), plain.initial_extrinsic())
    assert se3.pose_error(bumped.T_camera_lidar_true(0.2), bumped.initial_extrinsic()).rotation_deg == pytest.approx(5)


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_a_random_camera_sees_through_every_pixel(seed):
    rays = pixel_rays(random_camera(np.random.default_rng(seed), SMALL))
    assert rays.valid.all()
    left, right = rays.directions[SMALL[1] // 2, [0, -1]]
    assert 35 < np.rad2deg(np.arccos(left @ right)) < 170


def test_random_rigs_cover_vehicles_lenses_headings_and_sensors():
    rigs = [random_rig(np.random.default_rng(s)) for s in range(150)]
    assert {r.vehicle for r in rigs} == {"car", "van", "truck", "robot"}
    assert {r.camera.model for r in rigs} == {"plumb_bob", "rational_polynomial", "equidistant"}
    assert {r.lidar.pattern.name for r in rigs} == set(PATTERNS)
    heading_deg = np.array([np.rad2deg(np.arctan2(r.T_body_camera[1, 2], r.T_body_camera[0, 2])) for r in rigs])
    assert (np.abs(heading_deg) < 20).mean() > 0.4
    assert (np.abs(heading_deg) > 150).any() and ((heading_deg > 70) & (heading_deg < 120)).any()
    for rig in rigs:
        baseline_m = np.linalg.norm(rig.T_camera_lidar[:3, 3])
        assert baseline_m < 4 and abs(np.linalg.det(rig.T_camera_lidar[:3, :3]) - 1) < 1e-9
        down = rig.T_body_lidar[:3, :3].T @ np.array([0, 0, -1.0])
        assert not rig.sees(down.astype(np.float32)), "straight below the LiDAR is its vehicle"
        assert rig.sees(-down.astype(np.float32))


def test_a_sequence_folder_reads_back_with_the_exact_extrinsic(yard, tmp_path):
    drive = SyntheticDrive(5, 3, rate_hz=5.0, rig=replace(front_rig(), time_offset_s=0.003), place=yard)
    assert write_drive_folder(drive, tmp_path / "drive") == 3
    sequence = SequenceFolder(tmp_path / "drive")
    assert sequence.camera == drive.camera and len(sequence) == 3 and not list(tmp_path.glob(".*"))
    np.testing.assert_array_equal(sequence.initial_extrinsic(), drive.T_camera_lidar_true(0.0))
    for made, read in zip(drive, sequence):
        assert (made.image_stamp_ns, made.cloud_stamp_ns) == (read.image_stamp_ns, read.cloud_stamp_ns)
        np.testing.assert_allclose(read.xyz, made.xyz, atol=0.0026)
        np.testing.assert_allclose(read.intensity, made.intensity, atol=1e-6)
        assert np.abs(read.image.astype(int) - made.image).mean() < 4
    with pytest.raises(CalibrationInputError, match="exists already"):
        write_drive_folder(drive, tmp_path / "drive")
    bump = Decalibration((1, 0, 0), (0, 0, 0), 0.1, 0.1)
    moving = SyntheticDrive(5, 3, rig=front_rig(), place=yard, decalibration=bump)
    with pytest.raises(CalibrationInputError, match="bag"):
        write_drive_folder(moving, tmp_path / "moving")


def test_a_drive_whose_lidar_sees_nothing_is_left_out(yard, tmp_path, monkeypatch):
    blind = replace(front_rig(), lidar=replace(front_rig().lidar, dark_range_m=0.0))
    drive = SyntheticDrive(1, 2, rig=blind, place=yard)
    with pytest.raises(NothingSeen, match="no usable frame"):
        write_drive_folder(drive, tmp_path / "drive")
    monkeypatch.setattr(WorldSettings, "drive", lambda *_: drive)
    assert sum(make_world(WorldSettings(2, 1), tmp_path / "world", processes=1)) == 2
    assert [p.name for p in (tmp_path / "world").iterdir()] == ["world.json"]


def test_a_world_is_the_same_for_any_number_of_processes_and_goes_on_after_a_stop(tmp_path):
    world = WorldSettings(frames=3, seed=7, frames_per_drive=2, size=(160, 96), kind="tunnel")
    assert sum(make_world(world, tmp_path / "one", processes=1)) == 3
    made = make_world(world, tmp_path / "two", processes=1)
    next(made)
    made.close()
    assert sum(make_world(world, tmp_path / "two", processes=2)) == 3

    def content(folder):
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    one = content(tmp_path / "one")
    assert len([name for name in one if name.endswith(".npz")]) == 3
    assert one == content(tmp_path / "two")
    with pytest.raises(CalibrationInputError, match="other settings"):
        next(make_world(replace(world, seed=8), tmp_path / "one", processes=1))


def test_a_named_lidar_is_on_all_rigs_and_changes_nothing_before_it(tmp_path):
    for seed in range(8):
        rng, same = (np.random.default_rng(seed) for _ in range(2))
        named, random = random_rig(rng, size=SMALL, lidar="Mid-40"), random_rig(same, size=SMALL)
        assert named.lidar.pattern is PATTERNS["Mid-40"]
        np.testing.assert_array_equal(named.T_body_camera, random.T_body_camera)
        np.testing.assert_array_equal(named.camera.K, random.camera.K)
    world = WorldSettings(frames=1, seed=7, size=(160, 96), kind="tunnel", lidar="VLP-16")
    assert sum(make_world(world, tmp_path / "world", processes=1)) == 1
    about = json.loads(next((tmp_path / "world").glob("*/sequence.json")).read_text())
    assert about["lidar"] == "VLP-16"


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"kind": "moon"}, "moon"),
        ({"lidar": "HAL-9000"}, "VLP-16"),
        ({"decalibration": "sudden"}, "bump"),
        ({"rotation_deg": 3.0}, "--bag"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(changes, complaint, tmp_path):
    with pytest.raises(CalibrationInputError, match=complaint):
        next(make_world(replace(WorldSettings(1, 1), **changes), tmp_path / "world", processes=1))


def test_a_bag_of_a_decalibrated_drive_passes_through_replay(yard, tmp_path):
    bump = Decalibration.random(np.random.default_rng(1), 3.0, 0.1, from_s=0.1, until_s=0.1)
    rig = replace(front_rig(), compensated=False)
    drive = SyntheticDrive(2, 3, rig=rig, place=yard, decalibration=bump)
    path = tmp_path / "drive.mcap"
    assert write_drive_bag(drive, path) == 3

    source = BagSource(path)
    np.testing.assert_allclose(source.initial_extrinsic(), drive.rig.T_camera_lidar, atol=1e-9)
    T_truth = resolve_extrinsic(str(tmp_path / "drive.truth.json"), source)
    np.testing.assert_allclose(T_truth, drive.T_camera_lidar_true(0.2), atol=1e-9)
    by_time = json.loads((tmp_path / "drive.truth.json").read_text())["by_time"]
    first, second, _ = (np.array(row["T_camera_lidar"]) for row in by_time)
    assert se3.pose_error(second, first).rotation_deg == pytest.approx(3)

    prior = initial_prior(source.initial_extrinsic(), (4.0, 0.15), None, 0)
    result = replay_source(source, TorchEngine(load_model("vpp_real")), prior, T_truth=T_truth)
    assert result.frames_used + result.frames_between == 3 and not result.rejected
    assert result.frames_compensated == 2, "all but the first"
    error = result.error(result.T_start)
    assert error is not None and error.rotation_deg == pytest.approx(3, abs=1e-4)
    assert np.isfinite(result.T_final).all() and np.linalg.eigvalsh(result.covariance_final).min() > 0
