from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.fusion.acceptance import AlignmentCheck, judge
from i2p_calib_ros.fusion.cloud_edges import find_edges
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera

CAMERA = Camera.validated("plumb_bob", [240, 0, 239.5, 0, 240, 134.5, 0, 0, 1], [], 480, 270)
T_TRUE = np.array([[0.0, -1, 0, 0.05], [0, 0, -1, -0.1], [1, 0, 0, -0.08], [0, 0, 0, 1]])
WALL_M, GROUND_M = 18.0, 1.6
SEQUENCES = ("kitti_2011_09_26_drive0009_cam2", "kitti_2011_09_26_sfnd", "pandaset_002_front")


def test_the_score_peaks_at_the_true_pose_and_falls_over_two_degrees() -> None:
    check, frames = AlignmentCheck(CAMERA), scenes(4)
    for axis in np.eye(3):
        poses = np.stack([turned(axis, deg) for deg in (-2.0, -1.0, 0.0, 1.0, 2.0)])
        score = np.mean([check.score(frame, poses) for frame in frames], axis=0)
        assert score[2] == max(score), score
        assert score[1] > score[0] and score[3] > score[4], score
        assert score[2] > 2.0


@pytest.mark.parametrize("beams", [16, 32, 128])
def test_depth_edges_lie_on_the_nearer_surface(beams: int) -> None:
    xyz, surface = scan(boxes(0), beams)
    edges = find_edges(xyz, None, forward=[1, 0, 0])
    nearest = cKDTree(xyz).query(edges.xyz)[1]
    assert len(edges.weight) > 30
    assert np.mean(surface[nearest] >= 2) > 0.99  # boxes; neither grazing ground nor wall
    np.testing.assert_allclose(np.einsum("ij,ij->i", edges.xyz, edges.across), 0, atol=1e-9)


def test_edges_do_not_depend_on_the_order_of_points() -> None:
    xyz, _ = scan(boxes(0), 64)
    shuffled = np.random.default_rng(0).permutation(xyz)
    one, other = (find_edges(cloud, None, forward=[1, 0, 0]) for cloud in (xyz, shuffled))
    assert {*map(tuple, one.xyz)} == {*map(tuple, other.xyz)}


def test_rings_give_the_same_edges() -> None:
    xyz, _ = scan(boxes(0), 32)
    ring = np.unique(np.round(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])), 3), return_inverse=True)[
        1
    ]
    one, other = (find_edges(xyz, None, [1, 0, 0], r) for r in (None, ring))
    shared = {*map(tuple, one.xyz)} & {*map(tuple, other.xyz)}
    assert len(shared) > 0.8 * max(len(one.weight), len(other.weight))


def test_paint_on_the_ground_is_an_edge() -> None:
    y, x = np.meshgrid(np.arange(-4, 4, 0.02), np.array([6.0, 7.0, 8.0]))
    xyz = np.stack([x, y, np.full_like(x, -GROUND_M)], axis=-1).reshape(-1, 3)
    intensity = np.where(np.abs(xyz[:, 1] - 1.0) < 0.1, 0.8, 0.1)
    assert len(find_edges(xyz, np.full(len(xyz), 0.1), [1, 0, 0]).weight) == 0
    edges = find_edges(xyz, intensity, [1, 0, 0])
    assert len(edges.weight) >= 6
    np.testing.assert_allclose(np.abs(edges.xyz[:, 1] - 1.0), 0.1, atol=0.08)


def test_a_better_candidate_converges_and_a_worse_one_is_rejected() -> None:
    frames, off = scenes(6), turned(np.array([0.6, 0.7, -0.4]), 2.0)
    better = judge(frames, T_TRUE, off)
    assert better.state == "converged" and better.improvement > 0 and better.frames == 6
    assert "aligns better" in better.reason and "2.0" in better.reason
    assert judge(frames, off, T_TRUE).state == "rejected"


def test_the_same_extrinsic_converges_as_it_was_right() -> None:
    verdict = judge(scenes(4), turned(np.array([0, 1.0, 0]), 0.1), T_TRUE)
    assert verdict.state == "converged"
    assert "initial extrinsic was right" in verdict.reason


def test_a_tight_covariance_widens_what_is_the_same_but_a_broad_one_explains_nothing() -> None:
    frames, candidate = scenes(4), se3.perturb(T_TRUE, np.zeros(3), [0, 0, 0.08])
    assert judge(frames, candidate, T_TRUE).state == "inconclusive"
    tight = np.diag([0.08**2] * 3 + [np.deg2rad(0.3) ** 2] * 3)
    assert "was right" in judge(frames, candidate, T_TRUE, covariance=tight).reason
    assert judge(frames, candidate, T_TRUE, covariance=100 * tight).state == "inconclusive"


def test_an_axis_of_which_the_frames_tell_little_leaves_it_open() -> None:
    frames, off = scenes(6), turned(np.array([0.6, 0.7, -0.4]), 2.0)
    sigma_initial = np.repeat([0.29, np.deg2rad(5.8)], 3)
    sigma = np.array([0.03, 0.03, 0.13, 0.003, 0.003, 0.003])
    told, untold = (
        judge(frames, T_TRUE, off, covariance=np.diag(s) ** 2, sigma_initial=sigma_initial)
        for s in (sigma, sigma * [1, 1, 2, 1, 1, 1])
    )
    assert told.state == "converged"
    assert untold.state == "inconclusive" and "translation along z (± 26 cm)." in untold.reason
    assert "rotation" not in untold.reason and untold.improvement == told.improvement


def test_without_an_initial_extrinsic_it_must_align_and_be_known_well() -> None:
    tight = np.diag([0.03, 0.03, 0.03, 0.003, 0.003, 0.003]) ** 2
    found = judge(scenes(4), T_TRUE, None, covariance=tight)
    assert found.state == "converged" and found.improvement > 2.0 and not found.initial_was_right
    loose = judge(scenes(4), T_TRUE, None, covariance=tight * np.diag([1, 1, 100, 1, 1, 1]))
    assert loose.state == "inconclusive" and "not known well: translation along z (± 30 cm)." in loose.reason
    for unknown in (None, np.full((6, 6), np.nan)):
        assert judge(scenes(4), T_TRUE, None, covariance=unknown).state == "inconclusive"
    wrong = turned(np.array([0, 1.0, 0]), 60.0)
    assert judge(scenes(4), wrong, None, covariance=tight).state == "inconclusive"


def test_too_few_frames_or_nothing_to_see_is_inconclusive() -> None:
    frames, off = scenes(3), turned(np.array([0, 1.0, 0]), 2.0)
    few = judge(frames[:2], T_TRUE, off)
    assert few.state == "inconclusive" and "2 held-out frames" in few.reason
    assert judge([], T_TRUE, off).state == "inconclusive"
    dark = [frame_of(np.zeros_like(frame.image), frame.xyz) for frame in frames]
    assert judge(dark, T_TRUE, off).state == "inconclusive"
    assert judge(dark, T_TRUE, T_TRUE).state == "inconclusive"


def test_two_wrong_extrinsics_are_not_accepted_for_being_alike() -> None:
    wrong = turned(np.array([0.3, 1.0, 0.2]), 8.0)
    assert judge(scenes(5), wrong, wrong).state == "inconclusive"


def test_a_repeated_frame_adds_no_certainty() -> None:
    frame, off = scenes(1)[0], turned(np.array([0, 1.0, 0]), 0.3)
    few, many = (judge([frame] * n, T_TRUE, off, confidence=0.5) for n in (4, 16))
    error_few, error_many = (float(v.reason.split("+- ")[1].split()[0]) for v in (few, many))
    assert error_many > 0.8 * error_few


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_reference_of_real_sequences_wins(name: str) -> None:
    folder = Path(os.environ.get("I2P_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no real sequence at {folder}; set I2P_DATA")
    sequence = SequenceFolder(folder)
    truth = sequence.initial_extrinsic()
    frames = [sequence.load(int(i)) for i in np.linspace(0, len(sequence) - 1, 8)]
    check = AlignmentCheck(sequence.camera)
    rng = np.random.default_rng(7)

    def perturbed(deg: float) -> np.ndarray:
        axis = rng.normal(size=3)
        return se3.perturb(truth, deg * axis / np.linalg.norm(axis), np.zeros(3))

    states: dict[float, list[str]] = {}
    for deg in (2.0, 1.0, 0.2):
        verdicts = [judge(frames, truth, perturbed(deg), check=check) for _ in range(4)]
        states[deg] = [verdict.state for verdict in verdicts]
        assert "rejected" not in states[deg]
        if deg >= 1.0:
            assert all(verdict.improvement > 0 for verdict in verdicts)
    assert states[2.0].count("converged") >= 3
    assert states[1.0].count("converged") >= 2
    assert states[0.2].count("converged") == 4
    assert judge(frames, perturbed(2.0), truth, check=check).state != "converged"


def turned(axis: np.ndarray, deg: float) -> np.ndarray:
    """The true pose turned about an axis of the camera frame."""
    return se3.perturb(T_TRUE, deg * axis / np.linalg.norm(axis), np.zeros(3))


def scenes(count: int) -> list[Frame]:
    """Frames of boxes that stand elsewhere each time."""
    return [scene_frame(seed) for seed in range(count)]


@cache
def scene_frame(seed: int) -> Frame:
    scene = boxes(seed)
    camera_in_lidar = se3.inverse(T_TRUE)
    v, u = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(CAMERA.K).T
    rays = rays.reshape(-1, 3) @ camera_in_lidar[:3, :3].T
    _, surface = cast(camera_in_lidar[:3, 3], rays, scene)
    rng = np.random.default_rng(100 + seed)
    shade = np.concatenate([[90, 130], rng.choice([30, 60, 190, 230], len(scene))])
    grey = shade[surface] + rng.normal(0, 4, len(surface))
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, None], 3, axis=1)
    return frame_of(image.reshape(CAMERA.height, CAMERA.width, 3), scan(scene, 64)[0])


def frame_of(image: np.ndarray, xyz: np.ndarray) -> Frame:
    return Frame.create(
        image=image,
        xyz=xyz,
        intensity=None,
        camera=CAMERA,
        image_stamp_ns=0,
        cloud_stamp_ns=0,
        camera_frame_id="camera",
        lidar_frame_id="lidar",
    )


def boxes(seed: int) -> np.ndarray:
    """Lowest and highest corners (n, 2, 3) in the LiDAR frame of boxes between sensor and wall."""
    rng = np.random.default_rng(seed)
    low = np.stack([rng.uniform(5, 13, 9), np.linspace(-8, 7, 9) + rng.uniform(-0.5, 0.5, 9)], axis=-1)
    low = np.column_stack([low, rng.uniform(-GROUND_M, 0.3, 9)])
    return np.stack([low, low + rng.uniform(0.5, 1.3, (9, 3))], axis=1)


def scan(scene: np.ndarray, beams: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) of a scan forwards and the surface each lies on."""
    elevation, azimuth = np.deg2rad(
        np.meshgrid(np.linspace(-15, 12, beams) + 0.01, np.arange(-60, 60, 0.2) + 0.1, indexing="ij")
    )
    rays = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    ).reshape(-1, 3)
    distance, surface = cast(np.zeros(3), rays, scene)
    return (rays * distance[:, None]).astype(np.float32), surface


def cast(origin: np.ndarray, rays: np.ndarray, scene: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance along rays (n, 3) to the first surface, and which: 0 ground, 1 wall, from 2 on the boxes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = (-GROUND_M - origin[2]) / rays[:, 2]
        wall = (WALL_M - origin[0]) / rays[:, 0]
        distances = [np.where(d > 0, d, np.inf) for d in (ground, wall)]
        for low, high in scene:
            a, b = (low - origin) / rays, (high - origin) / rays
            enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
            distances.append(np.where((enter < leave) & (enter > 0), enter, np.inf))
    stacked = np.stack(distances)
    return stacked.min(axis=0), stacked.argmin(axis=0)
