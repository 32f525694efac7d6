"""States and reasons, and what is trusted and published in each mode."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from i2p_calib_ros.fusion.acceptance import MIN_FRAMES, Verdict
from i2p_calib_ros.fusion.temporal import FusedEstimate
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.state import CalibrationState, KnownExtrinsic, PublishMode

MODES: tuple[PublishMode, ...] = get_args(PublishMode)
INITIAL = np.eye(4)
MOVED = se3.perturb(INITIAL, [5.0, 0.0, 0.0], [0.2, 0.0, 0.0])
BETTER = Verdict("converged", "the new one aligns better", 3.0, 10)
SAME = Verdict("converged", "the trusted one was right", 0.0, 10, initial_was_right=True)
WORSE = Verdict("rejected", "the trusted one aligns better", -2.0, 10)
UNCLEAR = Verdict.inconclusive("neither is better", frames=10)
TOO_FEW = Verdict.inconclusive("too few frames", frames=MIN_FRAMES - 1)


def estimate(
    T: np.ndarray = MOVED, *, sigma: float = 0.01, jumped: bool = False, multimodal: bool = False
) -> FusedEstimate:
    return FusedEstimate(T, sigma**2 * np.eye(6), 5, 1, jumped, multimodal)


def running(mode: PublishMode, fused: FusedEstimate | None = None) -> CalibrationState:
    state = CalibrationState(mode)
    state.start(KnownExtrinsic(INITIAL))
    if fused is not None:
        state.estimated(fused)
    return state


def test_waits_with_the_reason_that_was_given_last_and_publishes_nothing() -> None:
    state = CalibrationState("continuous")
    state.wait("no camera info")

    assert (state.state, state.reason, state.published) == ("waiting", "no camera info", None)


def test_a_running_calibration_does_not_go_back_to_waiting() -> None:
    state = running("accepted", estimate())
    state.wait("no camera info")

    assert state.state == "calibrating"
    assert "5 keyframes used, 1 disagree" in state.reason


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [("monitor", None, None), ("accepted", INITIAL, MOVED), ("continuous", MOVED, MOVED)],
)
def test_what_tf_says_before_and_after_the_check_accepts(
    mode: PublishMode, before: np.ndarray | None, after: np.ndarray | None
) -> None:
    state = running(mode, estimate())
    published = [state.published]
    state.judged(BETTER, estimate())
    published.append(state.published)

    for known, expected in zip(published, (before, after)):
        if expected is None:
            assert known is None
        else:
            np.testing.assert_array_equal(known.T_camera_lidar, expected)


@pytest.mark.parametrize("mode", MODES)
def test_better_estimate_means_converged_or_in_monitor_mode_decalibrated(mode: PublishMode) -> None:
    state = running(mode, estimate())

    assert state.judged(BETTER, estimate()) == (mode != "monitor")
    assert state.state == ("decalibrated" if mode == "monitor" else "converged")
    assert "the new one aligns better" in state.reason
    if mode == "monitor":
        assert "5.0 deg and 20 cm off" in state.reason


@pytest.mark.parametrize("mode", MODES)
def test_confirmed_initial_extrinsic_is_converged_in_every_mode(mode: PublishMode) -> None:
    state = running(mode, estimate(INITIAL))
    state.judged(SAME, estimate(INITIAL))

    assert state.state == "converged"


def test_confirmation_replaces_what_is_trusted_only_by_something_more_certain() -> None:
    state = running("accepted", estimate())
    state.judged(BETTER, estimate(MOVED, sigma=0.01))
    near = se3.perturb(MOVED, [0.1, 0.0, 0.0], [0.0, 0.0, 0.0])

    assert not state.judged(SAME, estimate(near, sigma=0.02))
    np.testing.assert_array_equal(state.trusted.T_camera_lidar, MOVED)
    assert state.judged(SAME, estimate(near, sigma=0.005))
    np.testing.assert_array_equal(state.trusted.T_camera_lidar, near)


@pytest.mark.parametrize("verdict", [WORSE, UNCLEAR])
def test_a_check_that_does_not_tell_or_refuses_is_inconclusive_and_changes_nothing(verdict: Verdict) -> None:
    state = running("accepted", estimate())

    assert not state.judged(verdict, estimate())
    assert (state.state, state.reason) == ("inconclusive", verdict.reason)
    np.testing.assert_array_equal(state.published.T_camera_lidar, INITIAL)


def test_too_few_frames_are_no_verdict() -> None:
    state = running("accepted", estimate())
    state.judged(TOO_FEW, estimate())

    assert (state.state, state.reason) == ("calibrating", TOO_FEW.reason)


def test_several_poses_that_explain_the_frames_are_inconclusive_however_few_frames() -> None:
    state = running("accepted", estimate())
    state.judged(TOO_FEW, estimate(multimodal=True))

    assert state.state == "inconclusive"


def test_jump_of_the_mount_decalibrates_until_the_check_accepts_again() -> None:
    state = running("accepted", estimate())
    state.judged(BETTER, estimate())
    bumped = se3.perturb(MOVED, [0.0, 2.0, 0.0], [0.0, 0.0, 0.0])
    state.estimated(estimate(bumped, jumped=True))

    assert state.state == "decalibrated"
    assert "2.0 deg" in state.reason
    state.judged(TOO_FEW, estimate(bumped))
    assert state.state == "decalibrated"
    state.judged(BETTER, estimate(bumped))
    assert state.state == "converged"
    np.testing.assert_array_equal(state.published.T_camera_lidar, bumped)


def test_jump_to_the_trusted_extrinsic_is_no_decalibration() -> None:
    state = running("accepted", estimate())
    state.judged(BETTER, estimate())
    state.estimated(estimate(MOVED, jumped=True))

    assert state.state == "converged"


def test_by_hand_an_estimate_is_trusted_but_not_in_monitor_mode_nor_without_one() -> None:
    without = running("accepted")
    assert "no estimate" in without.accept()
    monitor = running("monitor", estimate())
    assert "monitor" in monitor.accept()
    accepted = running("accepted", estimate())
    assert accepted.accept() is None
    np.testing.assert_array_equal(accepted.published.T_camera_lidar, MOVED)
    assert accepted.state == "converged"


def test_an_extrinsic_accepted_before_is_trusted_from_the_start_and_survives_a_restart() -> None:
    state = CalibrationState("accepted")
    state.start(KnownExtrinsic(INITIAL), KnownExtrinsic(MOVED))
    state.restart("the camera changed")

    np.testing.assert_array_equal(state.published.T_camera_lidar, MOVED)
    np.testing.assert_array_equal(state.initial.T_camera_lidar, INITIAL)
    assert (state.state, state.reason) == ("calibrating", "the camera changed")
