"""The accuracy protocols: many known start errors, the pose errors that are left, by sequence and overall.

`local`: single frames. `sequence`: the same starts, fused over a drive. Start errors are uniform about every axis
within the bounds, in the camera optical frame. `global`: single frames from no prior, as VP2P-Match was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.calibrator import Calibrator, FrameMatcher
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.evaluation.metrics import summarize_errors, summarize_registration, summarize_uncertainty
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.motion_compensation import MotionCompensation, Sweep
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray, PoseError
from i2p_calib_ros.network.spread import GLOBAL_SPREAD, GLOBAL_TRANSLATION_M, GLOBAL_YAW_DEG, random_global_error
from i2p_calib_ros.posterior.prior import PosePrior

PROTOCOLS = ("local", "sequence", "global")
_SEQUENCE_FRAMES = 50


@dataclass(frozen=True)
class StartError:
    """Bounds of the start error about and along every axis."""

    rotation_deg: float = 10.0
    translation_m: float = 0.5

    def draw(self, T_true: NDArray[np.float64], rng: np.random.Generator) -> PosePrior:
        """A wrong extrinsic, and as its spread the standard deviation of the uniform distribution it came from."""
        rotation = rng.uniform(-self.rotation_deg, self.rotation_deg, 3)
        translation = rng.uniform(-self.translation_m, self.translation_m, 3)
        T_start = se3.perturb(T_true, rotation, translation)
        return PosePrior.from_spread(T_start, self.rotation_deg / np.sqrt(3), self.translation_m / np.sqrt(3))

    def __str__(self) -> str:
        return f"±{self.rotation_deg:g}° / ±{100 * self.translation_m:g} cm about every axis"


@dataclass(frozen=True)
class GlobalStart:
    """No prior: any yaw, and up to 10 m in the ground plane."""

    def draw(self, T_true: NDArray[np.float64], rng: np.random.Generator) -> PosePrior:
        """A wrong extrinsic, with a spread that says next to nothing about any axis."""
        return PosePrior(random_global_error(rng) @ T_true, GLOBAL_SPREAD.sigma)

    def __str__(self) -> str:
        return f"±{GLOBAL_YAW_DEG:g}° about y and ±{GLOBAL_TRANSLATION_M:g} m along x and z"


@dataclass
class Trials:
    """Results of one sequence, a row a trial. T are `T_camera_lidar`."""

    name: str
    T_true: NDArray[np.float64]
    starts: list[PoseError] = field(default_factory=list)
    errors: list[PoseError] = field(default_factory=list)
    T_mean: list[NDArray[np.float64]] = field(default_factory=list)
    covariance: list[NDArray[np.float64]] = field(default_factory=list)
    seconds_a_frame: list[float] = field(default_factory=list)
    image_delay_s: list[float] = field(default_factory=list)
    """Of fused estimates only."""
    failed: int = 0

    def add(
        self,
        prior: PosePrior,
        T_mean: NDArray[np.float64],
        covariance: NDArray[np.float64],
        seconds_a_frame: Sequence[float],
    ) -> None:
        """Judge one estimate that started from `prior`."""
        self.starts.append(se3.pose_error(prior.T_mean, self.T_true))
        self.errors.append(se3.pose_error(T_mean, self.T_true))
        self.T_mean.append(T_mean)
        self.covariance.append(covariance)
        self.seconds_a_frame.extend(seconds_a_frame)


def run_protocol(
    protocol: str,
    sequences: Sequence[SequenceFolder],
    engine: TorchEngine,
    *,
    trials: int,
    start: StartError | GlobalStart,
    passes: int = 2,
    sweep: Sweep = "timed",
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> list[Trials]:
    """`trials` in all, dealt to the sequences in turn; `progress` is called after each.

    A frame that cannot be used is counted as failed and another one taken; a sequence without any usable frame gives
    no trial.
    """
    rng = np.random.default_rng(seed)
    results = [Trials(s.name, s.initial_extrinsic()) for s in sequences]
    matchers = [FrameMatcher(engine, s.camera, seed) for s in sequences]
    for trial in range(trials):
        which = trial % len(sequences)
        prior = start.draw(results[which].T_true, rng)
        if protocol == "sequence":
            _run_sequence(sequences[which], engine, prior, results[which], sweep)
        else:
            _run_single_frame(sequences[which], matchers[which], prior, results[which], passes, sweep, rng)
        progress()
    return results


def _run_single_frame(
    sequence: SequenceFolder,
    matcher: FrameMatcher,
    prior: PosePrior,
    result: Trials,
    passes: int,
    sweep: Sweep,
    rng: np.random.Generator,
) -> None:
    for index in rng.permutation(len(sequence)):
        try:
            estimate = matcher.estimate(_single_frame(sequence, int(index), sweep), prior, prior, passes)
        except FrameRejected:
            result.failed += 1
            continue
        result.add(prior, estimate.posterior.T_mean, estimate.posterior.covariance, [estimate.seconds])
        return


def _single_frame(sequence: SequenceFolder, index: int, sweep: Sweep) -> Frame:
    """One frame, compensated as if the drive had come to it."""
    compensate = MotionCompensation(sweep)
    if index > 0:
        with suppress(FrameRejected):
            compensate(sequence.load(index - 1))
    return compensate(sequence.load(index))


def _run_sequence(
    sequence: SequenceFolder, engine: TorchEngine, prior: PosePrior, result: Trials, sweep: Sweep
) -> None:
    calibrator = Calibrator(engine, sequence.camera, prior)
    compensate = MotionCompensation(sweep)
    seconds = []
    for index in range(min(len(sequence), _SEQUENCE_FRAMES)):
        try:
            step = calibrator.update(compensate(sequence.load(index)))
        except FrameRejected:
            result.failed += 1
            continue
        if step is not None:
            seconds.append(step.seconds)
    if calibrator.fused is not None:
        result.add(prior, calibrator.fused.T_mean, calibrator.fused.covariance, seconds)
        result.image_delay_s.append(calibrator.fused.image_delay.mean_s)


def summarize(results: Sequence[Trials]) -> dict[str, Any]:
    """`overall` and `by_sequence`: medians, signed means, success shares, honesty of the covariance, time."""
    used = [r for r in results if r.errors]
    return {"overall": _summary(used), "by_sequence": {r.name: _summary([r]) for r in used}}


def _summary(results: Sequence[Trials]) -> dict[str, Any]:
    errors = [e for r in results for e in r.errors]
    starts = [e for r in results for e in r.starts]
    summary = summarize_errors(errors, starts)
    T_mean = np.array([T for r in results for T in r.T_mean])
    T_true = np.array([r.T_true for r in results for _ in r.errors])
    uncertainty = summarize_uncertainty(T_mean, np.array([c for r in results for c in r.covariance]), T_true)
    worse = [
        e.rotation_deg > s.rotation_deg or e.translation_m > s.translation_m
        for e, s in zip(errors, starts, strict=True)
    ]
    seconds = [t for r in results for t in r.seconds_a_frame]
    delays_s = [d for r in results for d in r.image_delay_s]
    return {
        "trials": len(errors),
        "failed": sum(r.failed for r in results),
        "median_rotation_deg": summary.rotation_median_deg,
        "median_translation_m": summary.translation_median_m,
        "mean_signed": _axes(summary.mean_signed_rotation_deg, summary.mean_signed_translation_m),
        "std_signed": _axes(summary.std_signed_rotation_deg, summary.std_signed_translation_m),
        "within_2deg_5cm": summary.within_2deg_5cm,
        "within_1deg_2.5cm": summary.within_1deg_2_5cm,
        "registration": asdict(summarize_registration(T_mean, T_true)),
        "worse_than_start": float(np.mean(worse)),
        "start_median_rotation_deg": summary.start_rotation_median_deg,
        "start_median_translation_m": summary.start_translation_median_m,
        "nees_mean": uncertainty.nees_mean,
        "nees_median": uncertainty.nees_median,
        "coverage": {f"{100 * p:g}": share for p, share in uncertainty.coverage.items()},
        "image_delay_s": {"mean": float(np.mean(delays_s)), "std": float(np.std(delays_s))} if delays_s else None,
        "seconds_a_frame": {"p50": float(np.median(seconds)), "p95": float(np.percentile(seconds, 95))},
    }


def _axes(rotation_deg: FloatArray, translation_m: FloatArray) -> dict[str, dict[str, float]]:
    return {
        "rotation_deg": dict(zip("xyz", rotation_deg.tolist(), strict=True)),
        "translation_m": dict(zip("xyz", translation_m.tolist(), strict=True)),
    }
