"""A session over a calibrator that does as it is told: order of events, resets, a change of camera, the check."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from i2p_calib_ros.calibrator import CalibrationStep
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.fusion.acceptance import Verdict
from i2p_calib_ros.fusion.temporal import FusedEstimate
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.ros.session import Session
from i2p_calib_ros.ros.state import KnownExtrinsic

MOVED = se3.perturb(np.eye(4), [5.0, 0.0, 0.0], [0.2, 0.0, 0.0])
BETTER = Verdict("converged", "better", 3.0, 10)


@dataclass
class ScriptedCalibrator:
    """Answers with `fused` and `verdict_given`; keeps what it was asked."""

    camera: Camera
    prior: PosePrior
    fused: FusedEstimate | None = None
    verdict_given: Verdict = BETTER
    keyframe: bool = True
    compared_with: list[Any] = field(default_factory=list)
    during_update: Callable[[], object] | None = None
    rejects: bool = False

    def update(self, frame: Frame) -> CalibrationStep | None:
        if self.rejects:
            raise FrameRejected("too few points in view")
        if self.during_update is not None:
            self.during_update()
        self.fused = FusedEstimate(MOVED, 1e-4 * np.eye(6), 1, 0, False, False)
        return CalibrationStep(None, self.fused, 0.1) if self.keyframe else None

    def verdict(self, T_trusted: np.ndarray | None = None) -> Verdict:
        self.compared_with.append(T_trusted)
        return self.verdict_given


class Factory:
    def __init__(self) -> None:
        self.made: list[ScriptedCalibrator] = []
        self.rejects = False

    def __call__(self, camera: Camera, prior: PosePrior) -> ScriptedCalibrator:
        self.made.append(ScriptedCalibrator(camera, prior, rejects=self.rejects))
        return self.made[-1]


def session(factory: Factory, period_s: float = 0.0) -> Session:
    made = Session(factory, "accepted", rotation_sigma_deg=4.0, translation_sigma_m=0.15, check_period_s=period_s)
    made.start(np.eye(4), None)
    return made


def frame(width: int = 64) -> Frame:
    K = np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]])
    return Frame.create(
        image=np.zeros((48, width, 3), np.uint8),
        xyz=np.random.default_rng(0).uniform(1, 9, (200, 3)),
        intensity=None,
        camera=Camera.validated("plumb_bob", K, [], width, 48),
        image_stamp_ns=1,
        cloud_stamp_ns=1,
        camera_frame_id="cam",
        lidar_frame_id="lidar",
    )


def test_keyframe_gives_an_estimate_and_the_check_makes_it_trusted() -> None:
    factory = Factory()
    running = session(factory)

    assert running.update(frame()) is not None
    assert running.snapshot().state == "calibrating"
    assert running.check()
    snapshot = running.snapshot()
    assert snapshot.state == "converged"
    np.testing.assert_array_equal(snapshot.published.T_camera_lidar, MOVED)


def test_first_check_is_against_the_initial_extrinsic_later_ones_against_the_trusted() -> None:
    factory = Factory()
    running = session(factory)
    for _ in range(2):
        running.update(frame())
        running.check()

    first, second = factory.made[0].compared_with
    assert first is None
    np.testing.assert_array_equal(second, MOVED)


def test_check_waits_for_its_period_and_for_a_new_keyframe() -> None:
    factory = Factory()
    running = session(factory)
    running.update(frame())
    running.check()
    assert not running.check()
    running.check_period_s = 1000.0
    running.update(frame())
    assert not running.check()

    assert len(factory.made[0].compared_with) == 1


def test_frame_between_keyframes_changes_nothing() -> None:
    factory = Factory()
    running = session(factory)
    running.update(frame())
    factory.made[0].keyframe = False
    before = running.snapshot().reason

    assert running.update(frame()) is None
    assert running.snapshot().reason == before


def test_another_image_size_makes_a_new_calibrator_around_what_is_trusted() -> None:
    factory = Factory()
    running = session(factory)
    running.update(frame())
    running.check()
    running.update(frame(width=32))

    assert len(factory.made) == 2
    np.testing.assert_array_equal(factory.made[1].prior.T_mean, MOVED)


def test_change_of_the_camera_is_the_reason_until_the_next_estimate() -> None:
    factory = Factory()
    running = session(factory)
    running.update(frame())
    factory.rejects = True
    with pytest.raises(FrameRejected):
        running.update(frame(width=32))

    snapshot = running.snapshot()
    assert (snapshot.state, snapshot.estimate) == ("calibrating", None)
    assert snapshot.reason == "the camera changed from 64x48 to 32x48: starting again"


def test_after_a_reset_it_starts_from_the_initial_extrinsic() -> None:
    factory = Factory()
    running = session(factory)
    running.update(frame())
    running.check()
    running.reset()
    running.update(frame())

    np.testing.assert_array_equal(factory.made[1].prior.T_mean, np.eye(4))


def test_reset_during_an_update_discards_its_result() -> None:
    factory = Factory()
    running = session(factory)
    running.update(frame())
    started, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        go_on.wait(30.0)

    factory.made[0].during_update = wait
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(running.update(frame())))
    thread.start()
    assert started.wait(30.0)
    running.reset()
    go_on.set()
    thread.join(30.0)

    assert results == [None]
    assert running.snapshot().estimate is None
    np.testing.assert_array_equal(running.snapshot().published.T_camera_lidar, np.eye(4))


def test_starts_from_what_was_accepted_before() -> None:
    factory = Factory()
    running = session(factory)
    running.start(np.eye(4), KnownExtrinsic(MOVED))
    running.update(frame())

    np.testing.assert_array_equal(factory.made[0].prior.T_mean, MOVED)
    np.testing.assert_array_equal(running.snapshot().initial.T_camera_lidar, np.eye(4))
