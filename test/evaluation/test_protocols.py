"""The accuracy protocols on made-up trials and on a matcher that says what it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.evaluation import protocols
from i2p_calib_ros.evaluation.protocols import GlobalStart, StartError, run_protocol
from i2p_calib_ros.evaluation.trials import Trials
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.from_rotation_vector([0.1, -0.2, 0.3], [1.2, -1.2, 1.2])


def test_start_errors_fill_their_bounds_and_say_how_wide_they_are() -> None:
    rng = np.random.default_rng(0)
    priors = [StartError(6.0, 0.3).draw(T_TRUE, rng) for _ in range(500)]
    errors = [se3.pose_error(prior.T_mean, T_TRUE) for prior in priors]
    for values, bound in (
        (np.array([error.signed_rotation_deg for error in errors]), 6.0),
        (np.array([error.signed_translation_m for error in errors]), 0.3),
    ):
        assert (np.abs(values) <= bound + 1e-9).all()
        assert (np.abs(values).max(axis=0) > 0.95 * bound).all()
        np.testing.assert_allclose(values.std(axis=0), bound / np.sqrt(3), rtol=0.1)
    np.testing.assert_allclose(priors[0].sigma, [0.3 / np.sqrt(3)] * 3 + [np.deg2rad(6.0) / np.sqrt(3)] * 3)


def test_a_global_start_says_nothing() -> None:
    rng = np.random.default_rng(0)
    priors = [GlobalStart().draw(T_TRUE, rng) for _ in range(100)]
    errors = [se3.pose_error(prior.T_mean, T_TRUE) for prior in priors]
    assert max(e.rotation_deg for e in errors) > 170 and max(e.translation_m for e in errors) > 10
    assert np.rad2deg(priors[0].sigma[3:]).min() > 90 and priors[0].sigma[:3].min() > 5


def run_with(estimate: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, trials: int = 2) -> Trials:
    """Trials of single frames with a matcher whose `estimate` is given."""
    monkeypatch.setattr(protocols, "FrameMatcher", lambda *_: SimpleNamespace(estimate=estimate))
    engine: Any = None
    (result,) = run_protocol("local", [SequenceFolder(folder)], engine, trials=trials, start=StartError(2.0, 0.1))
    return result


def test_a_frame_that_cannot_be_used_is_replaced_and_counted(boxes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def estimate(_frame: Any, prior: PosePrior, *_: Any) -> Any:
        calls.append(prior)
        if len(calls) == 1:
            raise FrameRejected("too few points in view")
        return SimpleNamespace(posterior=SimpleNamespace(T_mean=prior.T_mean, covariance=np.eye(6)), seconds=0.1)

    result = run_with(estimate, boxes / "boxes", monkeypatch)
    assert result.failed == 1 and len(result.errors) == 2 and len(calls) == 3
    assert calls[0] is calls[1]


def test_a_single_frame_is_compensated_as_after_the_one_before(boxes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drives: list[list[int]] = []

    class Recorded(protocols.MotionCompensation):
        def __call__(self, frame: Frame) -> Frame:
            if self not in made:
                made.append(self)
                drives.append([])
            drives[-1].append(frame.image_stamp_ns)
            return super().__call__(frame)

    made: list[Recorded] = []
    used = []

    def estimate(frame: Frame, prior: PosePrior, *_: Any) -> Any:
        used.append(frame.image_stamp_ns)
        return SimpleNamespace(posterior=SimpleNamespace(T_mean=prior.T_mean, covariance=np.eye(6)), seconds=0.1)

    monkeypatch.setattr(protocols, "MotionCompensation", Recorded)
    run_with(estimate, boxes / "boxes", monkeypatch, trials=8)
    first, second = (SequenceFolder(boxes / "boxes").load(index).image_stamp_ns for index in (0, 1))
    assert drives == [[first] if stamp == first else [first, second] for stamp in used]
    assert {first, second} == set(used)


def test_a_sequence_without_usable_frame_gives_no_trial(boxes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimate(*_: Any) -> Any:
        raise FrameRejected("too few points in view")

    result = run_with(estimate, boxes / "boxes", monkeypatch)
    assert not result.errors and result.failed == 4


@pytest.mark.parametrize("protocol", ["local", "sequence"])
def test_processes_share_the_trials_of_one(protocol: str, boxes: Path, one_thread: None) -> None:
    engine = TorchEngine(load_model("vpp_tiny"), device="cpu")
    sequences = [SequenceFolder(boxes / "boxes"), SequenceFolder(boxes / "boxes")]
    progress: list[None] = []
    alone, shared = (
        run_protocol(
            protocol,
            sequences,
            engine,
            trials=3,
            start=StartError(2.0, 0.1),
            processes=processes,
            progress=lambda: progress.append(None),
        )
        for processes in (1, 2)
    )
    assert len(progress) == 6
    assert [len(result.errors) for result in alone] == [2, 1]
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(other.T_mean, one.T_mean, atol=1e-6)
        np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-3, atol=1e-9)
        assert [e.translation_m for e in other.starts] == [e.translation_m for e in one.starts]
        assert other.image_delay_s == pytest.approx(one.image_delay_s, abs=1e-6)


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
