"""Starting without an extrinsic: the headings that are tried, the vote of the first frames, and the whole of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2p_calib_ros.calibrator import Calibrator, FrameMatcher
from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.evaluation.protocols import GlobalStart
from i2p_calib_ros.evaluation.replay import NoUsableFrame, replay_source
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.heading_search import HeadingVotes, found_at, headings, leaves_heading_open, unknown_extrinsic
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.from_rotation_vector([0.2, -0.3, -0.4], [1.2, -1.2, 1.2])


def turned(yaw_deg: float) -> PosePrior:
    return found_at(se3.from_rotation_vector(np.zeros(3), [0.0, np.deg2rad(yaw_deg), 0.0]) @ T_TRUE)


def test_only_priors_that_say_nothing_of_the_heading_leave_it_open() -> None:
    assert leaves_heading_open(unknown_extrinsic())
    assert leaves_heading_open(GlobalStart().draw(T_TRUE, np.random.default_rng(0)))
    assert not leaves_heading_open(PosePrior.from_spread(T_TRUE, 10.0, 0.5))


@given(st.integers(0, 2**32 - 1))
def test_one_heading_is_near_the_truth_wherever_the_start_is(seed: int) -> None:
    start = GlobalStart().draw(T_TRUE, np.random.default_rng(seed))
    errors = [se3.pose_error(heading.T_mean, T_TRUE) for heading in headings(start)]
    nearest = min(errors, key=lambda error: error.rotation_deg)
    assert nearest.rotation_deg <= 10.0 + 1e-6
    # Only the true distance from the LiDAR's vertical axis is left of up to 14 m.
    assert nearest.translation_m <= np.linalg.norm(T_TRUE[[0, 2], 3]) + 0.01


def test_a_heading_wins_with_three_votes_and_the_majority() -> None:
    votes = HeadingVotes()
    assert [votes.add(t, turned(yaw)) for t, yaw in enumerate([0.0, 120.0, 4.0, 125.0])] == [None] * 4
    winner = turned(-3.0)
    assert votes.add(4.0, winner) is winner
    split = HeadingVotes()
    assert [split.add(t, turned(yaw)) for t, yaw in enumerate([0, 90, 180, 270, 45, 0, 0])] == [None] * 7


def test_frames_that_look_alike_have_one_vote() -> None:
    votes = HeadingVotes()
    assert votes.wants(10.0)
    votes.add(10.0, turned(0.0))
    assert not votes.wants(10.2) and votes.wants(10.6) and votes.wants(2.0)


@pytest.fixture(scope="module")
def hall() -> Any:
    drive_module = pytest.importorskip("i2p_calib_ros.frames.world.drive")
    return drive_module.SyntheticDrive(1, 5, rate_hz=1.5, kind="hall", size=(320, 160))


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine(load_model("vpp_synth"), "cpu")


def test_the_weights_find_the_heading_from_nothing(hall: Any, engine: TorchEngine) -> None:
    T_true = hall.initial_extrinsic()
    start = PosePrior(GlobalStart().draw(T_true, np.random.default_rng(1)).T_mean, unknown_extrinsic().sigma)
    assert se3.pose_error(start.T_mean, T_true).rotation_deg > 45
    estimate = FrameMatcher(engine, hall.camera).estimate(hall.load(0), start, start)
    left = se3.pose_error(estimate.posterior.T_mean, T_true)
    assert left.rotation_deg < 5 and left.translation_m < 0.5


def test_the_calibrator_waits_for_the_vote_and_goes_on_from_the_winner(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    T_true = hall.initial_extrinsic()
    calibrator = Calibrator(engine, hall.camera, unknown_extrinsic())
    found = iter([found_at(se3.perturb(T_true, [0, yaw, 0], [0, 0, 0])) for yaw in (1.0, 170.0, -2.0, 0.5)])
    monkeypatch.setattr(calibrator.matcher, "look_around", lambda *_: next(found))
    frames = [hall.load(i) for i in range(5)]
    assert [calibrator.update(frame) for frame in frames[:4]] == [None] * 4
    assert not calibrator.searching
    assert se3.pose_error(calibrator.prior.T_mean, T_true).rotation_deg == pytest.approx(0.5)
    assert calibrator.update(frames[4]) is not None


def test_frames_that_never_agree_end_in_an_error_that_says_what_to_give(
    hall: Any, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([turned(yaw) for yaw in (0.0, 60.0, 120.0, 180.0, 240.0)])
    monkeypatch.setattr(FrameMatcher, "look_around", lambda *_: next(found))
    with pytest.raises(NoUsableFrame, match="--initial"):
        replay_source(hall, engine, unknown_extrinsic())


def test_a_cloud_that_no_heading_shows_is_rejected(hall: Any, engine: TorchEngine) -> None:
    frame = hall.load(0)
    empty: Any = SimpleNamespace(image=frame.image, xyz=frame.xyz[:5], intensity=None)
    with pytest.raises(FrameRejected, match="no heading"):
        FrameMatcher(engine, hall.camera).look_around(empty, unknown_extrinsic())
