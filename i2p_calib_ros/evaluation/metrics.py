"""Accuracy and honesty of pose estimates: medians, signed means, shares within bounds, NEES and coverage."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray, PoseError

COVERAGE_LEVELS = (0.5, 0.9, 0.95)
BOOTSTRAP_RESAMPLES = 2000
CONFIDENCE = 0.95

_POSE_DOF = 6


@dataclass(frozen=True)
class Estimate:
    """A statistic of a sample with its bootstrap confidence interval (`CONFIDENCE`, percentile method)."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """As {"value", "low", "high"}."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class ErrorSummary:
    """Pose errors of many trials in one row; degrees and metres, shares in 0..1.

    Signed means are vectors (3,) x, y, z in axes of the camera optical frame: what stays there is a bias that
    averaging frames does not remove.
    """

    count: int
    rotation_median_deg: Estimate
    translation_median_m: Estimate
    within_2deg_5cm: Estimate
    within_1deg_2_5cm: Estimate
    mean_signed_rotation_deg: FloatArray
    mean_signed_translation_m: FloatArray
    start_rotation_median_deg: float | None
    start_translation_median_m: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists under the names of the attributes."""
        return {
            "count": self.count,
            "rotation_median_deg": self.rotation_median_deg.to_json(),
            "translation_median_m": self.translation_median_m.to_json(),
            "within_2deg_5cm": self.within_2deg_5cm.to_json(),
            "within_1deg_2_5cm": self.within_1deg_2_5cm.to_json(),
            "mean_signed_rotation_deg": self.mean_signed_rotation_deg.tolist(),
            "mean_signed_translation_m": self.mean_signed_translation_m.tolist(),
            "start_rotation_median_deg": self.start_rotation_median_deg,
            "start_translation_median_m": self.start_translation_median_m,
        }


def summarize_errors(
    errors: Sequence[PoseError],
    *,
    start: Sequence[PoseError] | None = None,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> ErrorSummary:
    """Summary of one error a trial; `start` are the errors before calibrating.

    `groups` names the sequence of each trial: frames of one sequence look alike, so the confidence intervals
    then come from resampling whole sequences. Raises CalibrationInputError without any trial or when the
    lengths differ.
    """
    if not errors:
        raise CalibrationInputError("No trial to summarize. Check that the source holds usable frames.")
    for name, other in (("start errors", start), ("groups", groups)):
        if other is not None and len(other) != len(errors):
            raise CalibrationInputError(f"Expected as many {name} as errors, {len(errors)}, got {len(other)}.")

    rotation = np.array([error.rotation_deg for error in errors])
    translation = np.array([error.translation_m for error in errors])
    draws = _bootstrap_indices(groups if groups is not None else range(len(errors)), seed)

    def estimate(values: FloatArray, statistic: Any) -> Estimate:
        resampled = [statistic(values[draw]) for draw in draws]
        low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return Estimate(float(statistic(values)), float(low), float(high))

    def share_within(degrees: float, metres: float) -> Estimate:
        return estimate(((rotation < degrees) & (translation < metres)).astype(np.float64), np.mean)

    def start_median(name: str) -> float | None:
        return None if start is None else float(np.median([getattr(error, name) for error in start]))

    return ErrorSummary(
        count=len(errors),
        rotation_median_deg=estimate(rotation, np.median),
        translation_median_m=estimate(translation, np.median),
        within_2deg_5cm=share_within(2.0, 0.05),
        within_1deg_2_5cm=share_within(1.0, 0.025),
        mean_signed_rotation_deg=np.mean([error.signed_rotation_deg for error in errors], axis=0),
        mean_signed_translation_m=np.mean([error.signed_translation_m for error in errors], axis=0),
        start_rotation_median_deg=start_median("rotation_deg"),
        start_translation_median_m=start_median("translation_m"),
    )


@dataclass(frozen=True)
class UncertaintySummary:
    """Whether the covariances are honest. An honest Gaussian has a mean NEES of 6 and `coverage[p]` = p."""

    count: int
    nees_mean: float
    nees_median: float
    coverage: dict[float, float]
    """Probability of the region -> share of trials whose truth lies in it."""
    normalized_rms: FloatArray
    """(6,) root mean square of error / standard deviation along x, y, z and about x, y, z; 1 expected."""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists; the coverage keyed by the percentage, such as "90"."""
        return {
            "count": self.count,
            "nees_mean": self.nees_mean,
            "nees_median": self.nees_median,
            "nees_expected": _POSE_DOF,
            "coverage": {f"{100 * level:g}": share for level, share in self.coverage.items()},
            "normalized_rms": self.normalized_rms.tolist(),
        }


def nees(T_mean: npt.ArrayLike, covariance: npt.ArrayLike, T_true: npt.ArrayLike) -> FloatArray:
    """Normalized estimation error squared (...) of poses (..., 4, 4) with covariances (..., 6, 6).

    `xi^T covariance^-1 xi` with `T_true = exp(xi) @ T_mean`: chi-square with 6 degrees of freedom when the
    covariance is honest (Bar-Shalom et al., "Estimation with Applications to Tracking and Navigation", 2001).
    """
    return _squared_mahalanobis(_twist_to(T_true, T_mean), np.asarray(covariance, dtype=np.float64))


def summarize_uncertainty(
    T_mean: npt.ArrayLike,
    covariance: npt.ArrayLike,
    T_true: npt.ArrayLike,
    levels: Sequence[float] = COVERAGE_LEVELS,
) -> UncertaintySummary:
    """NEES and coverage over trials: T_mean (n, 4, 4), covariance (n, 6, 6), T_true (n, 4, 4) or (4, 4)."""
    T_mean, covariance = np.asarray(T_mean, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    if T_mean.ndim != 3 or not len(T_mean):
        raise CalibrationInputError(
            f"Expected poses of shape (n, 4, 4) with n > 0 to judge covariances, got {T_mean.shape}."
        )
    xi = _twist_to(T_true, T_mean)
    squared = _squared_mahalanobis(xi, covariance)
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    return UncertaintySummary(
        count=len(T_mean),
        nees_mean=float(squared.mean()),
        nees_median=float(np.median(squared)),
        coverage={level: float(np.mean(squared <= chi2.ppf(level, _POSE_DOF))) for level in levels},
        normalized_rms=np.sqrt(np.mean(xi**2 / variance, axis=0)),
    )


def _twist_to(T_true: npt.ArrayLike, T_mean: npt.ArrayLike) -> FloatArray:
    """`xi` (..., 6) with `T_true = exp(xi) @ T_mean`."""
    return se3.log(np.asarray(T_true, dtype=np.float64) @ se3.inverse(T_mean))


def _squared_mahalanobis(xi: FloatArray, covariance: FloatArray) -> FloatArray:
    solved = np.linalg.solve(covariance, xi[..., None])[..., 0]
    return np.sum(xi * solved, axis=-1)


def _bootstrap_indices(groups: Sequence[Hashable], seed: int) -> list[npt.NDArray[np.intp]]:
    """For every resample, the indices of the trials in it: as many groups as there are, with replacement."""
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    blocks = [np.array(indices, dtype=np.intp) for indices in members.values()]
    picks = np.random.default_rng(seed).integers(len(blocks), size=(BOOTSTRAP_RESAMPLES, len(blocks)))
    return [np.concatenate([blocks[pick] for pick in row]) for row in picks]
