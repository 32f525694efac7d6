"""Results of an accuracy protocol, and what is said of them: errors, shares within bounds, honesty, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.evaluation.metrics import summarize_errors, summarize_registration, summarize_uncertainty
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray, PoseError
from i2p_calib_ros.posterior.prior import PosePrior


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

    def extend(self, others: Trials) -> None:
        """Take in other trials of the same sequence."""
        self.starts += others.starts
        self.errors += others.errors
        self.T_mean += others.T_mean
        self.covariance += others.covariance
        self.seconds_a_frame += others.seconds_a_frame
        self.image_delay_s += others.image_delay_s
        self.failed += others.failed


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
