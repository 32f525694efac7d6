"""Accuracy and honesty of pose estimates: medians, signed means, shares within bounds, NEES and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray, PoseError

COVERAGE_LEVELS = (0.5, 0.9, 0.95)

_POSE_DOF = 6


@dataclass(frozen=True)
class ErrorSummary:
    """Pose errors of many trials in one row; degrees and metres, shares in 0..1.

    Signed means and standard deviations are vectors (3,) x, y, z in axes of the camera optical frame. A mean is a bias,
    the network's or the reference's, that averaging frames does not remove; a deviation says how well trials agree.
    """

    rotation_median_deg: float
    translation_median_m: float
    within_2deg_5cm: float
    within_1deg_2_5cm: float
    mean_signed_rotation_deg: FloatArray
    mean_signed_translation_m: FloatArray
    std_signed_rotation_deg: FloatArray
    std_signed_translation_m: FloatArray
    start_rotation_median_deg: float
    start_translation_median_m: float


def summarize_errors(errors: Sequence[PoseError], start: Sequence[PoseError]) -> ErrorSummary:
    """Summary of one error a trial; `start` are the errors before calibrating.

    Raises CalibrationInputError without any trial.
    """
    if not errors:
        raise CalibrationInputError("No trial to summarize. Check that the source holds usable frames.")
    rotation = np.array([error.rotation_deg for error in errors])
    signed_rotation_deg = np.array([error.signed_rotation_deg for error in errors])
    signed_translation_m = np.array([error.signed_translation_m for error in errors])
    translation = np.array([error.translation_m for error in errors])

    def share_within(degrees: float, metres: float) -> float:
        return float(np.mean((rotation < degrees) & (translation < metres)))

    return ErrorSummary(
        rotation_median_deg=float(np.median(rotation)),
        translation_median_m=float(np.median(translation)),
        within_2deg_5cm=share_within(2.0, 0.05),
        within_1deg_2_5cm=share_within(1.0, 0.025),
        mean_signed_rotation_deg=signed_rotation_deg.mean(axis=0),
        mean_signed_translation_m=signed_translation_m.mean(axis=0),
        std_signed_rotation_deg=signed_rotation_deg.std(axis=0),
        std_signed_translation_m=signed_translation_m.std(axis=0),
        start_rotation_median_deg=float(np.median([error.rotation_deg for error in start])),
        start_translation_median_m=float(np.median([error.translation_m for error in start])),
    )


@dataclass(frozen=True)
class RegistrationSummary:
    """The metrics of VP2P-Match: means over all trials, and the share with RTE < 2 m and RRE < 5 deg.

    With D = inv(T_est) T_true, RTE is the length of its translation, RRE the sum of its three absolute Euler angles
    (fixed axes x, z, y), which is at least the geodesic angle.
    """

    rte_mean_m: float
    rre_mean_deg: float
    within_2m_5deg: float


def summarize_registration(T_est: npt.ArrayLike, T_true: npt.ArrayLike) -> RegistrationSummary:
    """Over trials: T_est (n, 4, 4), T_true (n, 4, 4)."""
    difference = se3.inverse(T_est) @ np.asarray(T_true, dtype=np.float64)
    rte = np.linalg.norm(difference[:, :3, 3], axis=1)
    rre = np.abs(Rotation.from_matrix(difference[:, :3, :3]).as_euler("xzy", degrees=True)).sum(axis=1)
    return RegistrationSummary(float(rte.mean()), float(rre.mean()), float(np.mean((rte < 2.0) & (rre < 5.0))))


@dataclass(frozen=True)
class UncertaintySummary:
    """Whether the covariances are honest. An honest Gaussian has a mean NEES of 6 and `coverage[p]` = p.

    The normalized estimation error squared of a trial is `xi^T covariance^-1 xi` with `T_true = exp(xi) @ T_mean`:
    chi-square with 6 degrees of freedom when the covariance is honest (Bar-Shalom et al., "Estimation with
    Applications to Tracking and Navigation", 2001).
    """

    nees_mean: float
    nees_median: float
    coverage: dict[float, float]
    """Probability of the region (COVERAGE_LEVELS) -> share of trials whose truth lies in it."""


def summarize_uncertainty(
    T_mean: npt.ArrayLike, covariance: npt.ArrayLike, T_true: npt.ArrayLike
) -> UncertaintySummary:
    """NEES and coverage over trials: T_mean (n, 4, 4), covariance (n, 6, 6), T_true (n, 4, 4) or (4, 4)."""
    xi = se3.log(np.asarray(T_true, dtype=np.float64) @ se3.inverse(T_mean))
    solved = np.linalg.solve(np.asarray(covariance, dtype=np.float64), xi[..., None])[..., 0]
    nees = np.sum(xi * solved, axis=-1)
    return UncertaintySummary(
        nees_mean=float(nees.mean()),
        nees_median=float(np.median(nees)),
        coverage={level: float(np.mean(nees <= chi2.ppf(level, _POSE_DOF))) for level in COVERAGE_LEVELS},
    )
