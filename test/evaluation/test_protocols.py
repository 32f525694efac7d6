"""The accuracy protocols on made-up trials and on a matcher that says what it is told to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from i2p_calib_ros.evaluation import protocols
from i2p_calib_ros.evaluation.protocols import GlobalStart, StartError, Trials, run_protocol, summarize
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import PosePrior

T_TRUE = se3.from_rotation_vector([0.1, -0.2, 0.3], [1.2, -1.2, 1.2])
SIGMA = np.array([0.02, 0.02, 0.02, 0.01, 0.01, 0.01])


def start() -> PosePrior:
    return PosePrior.from_spread(se3.perturb(T_TRUE, [3, 0, 0], [0, 0, 0.2]), 2.0, 0.1)


def trials(name: str, estimates: list[tuple[float, float]]) -> Trials:
    """Estimates that are off by (degrees about x, metres along z), from starts 3 deg and 20 cm off."""
    result = Trials(name, T_TRUE)
    for degrees, metres in estimates:
        T_mean = se3.perturb(T_TRUE, [degrees, 0, 0], [0, 0, metres])
        result.add(start(), T_mean, np.diag(SIGMA**2), [0.1, 0.3])
    return result


def test_the_summary_counts_what_can_be_counted_by_hand() -> None:
    one, other = trials("one", [(0.5, 0.01), (-1.5, 0.03)]), trials("other", [(0.0, 0.5)])
    other.failed = 2
    one.image_delay_s.extend([0.01, 0.03])
    summary = summarize([one, other, Trials("never drawn", T_TRUE)])
    assert list(summary["by_sequence"]) == ["one", "other"]

    first = summary["by_sequence"]["one"]
    assert first["trials"] == 2 and first["failed"] == 0
    assert first["median_rotation_deg"] == pytest.approx(1.0)
    assert first["median_translation_m"] == pytest.approx(0.02)
    assert first["mean_signed"]["rotation_deg"] == pytest.approx({"x": -0.5, "y": 0, "z": 0}, abs=1e-9)
    assert first["mean_signed"]["translation_m"] == pytest.approx({"x": 0, "y": 0, "z": 0.02}, abs=1e-9)
    assert first["std_signed"]["rotation_deg"] == pytest.approx({"x": 1.0, "y": 0, "z": 0}, abs=1e-9)
    assert first["std_signed"]["translation_m"] == pytest.approx({"x": 0, "y": 0, "z": 0.01}, abs=1e-9)
    assert first["within_2deg_5cm"] == 1.0 and first["within_1deg_2.5cm"] == 0.5

    assert first["image_delay_s"] == pytest.approx({"mean": 0.02, "std": 0.01})
    assert summary["by_sequence"]["other"]["image_delay_s"] is None
    overall = summary["overall"]
    assert overall["trials"] == 3 and overall["failed"] == 2
    assert overall["within_2deg_5cm"] == pytest.approx(2 / 3)
    assert overall["worse_than_start"] == pytest.approx(1 / 3)
    assert overall["start_median_rotation_deg"] == pytest.approx(3.0)
    assert overall["start_median_translation_m"] == pytest.approx(0.2)
    assert overall["seconds_a_frame"]["p50"] == pytest.approx(0.2)
    # 50 cm at a sigma of 2 cm are 25 sigmas; the others lie within the 95 % region.
    assert summary["by_sequence"]["other"]["nees_mean"] == pytest.approx(625.0)
    assert overall["coverage"].keys() == {"50", "90", "95"}
    assert overall["coverage"]["95"] == pytest.approx(2 / 3)


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
