from __future__ import annotations

import numpy as np
import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.metrics import summarize_errors, summarize_registration, summarize_uncertainty
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import PoseError

T_TRUE = se3.from_rotation_vector([0.1, -0.2, 0.3], [1.2, -1.2, 1.2])


def errors_of(rotation_deg: list[float], translation_m: list[float]) -> list[PoseError]:
    """Errors about x and along z of the given sizes."""
    return [
        se3.pose_error(se3.perturb(T_TRUE, [r, 0, 0], [0, 0, t]), T_TRUE) for r, t in zip(rotation_deg, translation_m)
    ]


def test_summary_of_known_errors() -> None:
    summary = summarize_errors(
        errors_of([0.5, 1.5, 3.0, -0.7], [0.01, 0.04, 0.02, 0.03]),
        start=errors_of([8.0, 9.0, 10.0, 11.0], [0.5, 0.5, 0.5, 0.5]),
    )
    assert summary.rotation_median_deg == pytest.approx(1.1)
    assert summary.translation_median_m == pytest.approx(0.025)
    assert summary.within_2deg_5cm == pytest.approx(0.75)
    assert summary.within_1deg_2_5cm == pytest.approx(0.25)
    assert summary.start_rotation_median_deg == pytest.approx(9.5)
    assert summary.start_translation_median_m == pytest.approx(0.5)
    np.testing.assert_allclose(summary.mean_signed_rotation_deg, [4.3 / 4, 0, 0], atol=1e-9)
    np.testing.assert_allclose(summary.mean_signed_translation_m, [0, 0, 0.025], atol=1e-9)
    np.testing.assert_allclose(summary.std_signed_rotation_deg, [np.std([0.5, 1.5, 3.0, -0.7]), 0, 0], atol=1e-9)
    np.testing.assert_allclose(summary.std_signed_translation_m, [0, 0, np.std([0.01, 0.04, 0.02, 0.03])], atol=1e-9)


def test_no_trials_is_an_error_that_says_so() -> None:
    with pytest.raises(CalibrationInputError, match="No trial"):
        summarize_errors([], [])


def drawn_poses(count: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Estimates whose error has the returned covariance times `scale` squared."""
    rng = np.random.default_rng(7)
    root = rng.normal(size=(6, 6)) * np.array([0.02] * 3 + [0.004] * 3)[:, None]
    covariance = root @ root.T
    xi = scale * rng.normal(size=(count, 6)) @ root.T
    return se3.exp(-xi) @ T_TRUE, np.broadcast_to(covariance, (count, 6, 6))


def test_an_honest_covariance_has_a_nees_of_six_and_covers_what_it_says() -> None:
    summary = summarize_uncertainty(*drawn_poses(4000, scale=1.0), T_TRUE)
    assert summary.nees_mean == pytest.approx(6.0, abs=0.25)
    for level, share in summary.coverage.items():
        assert share == pytest.approx(level, abs=0.03)


def test_a_covariance_four_times_too_small_shows() -> None:
    summary = summarize_uncertainty(*drawn_poses(2000, scale=2.0), T_TRUE)
    assert summary.nees_mean == pytest.approx(24.0, rel=0.1)
    assert summary.coverage[0.95] < 0.6


def test_nees_of_one_axis_is_its_squared_number_of_sigmas() -> None:
    covariance = np.diag([0.01] * 3 + [0.002] * 3) ** 2
    T_mean = se3.exp([0, 0, -0.03, 0, 0, 0]) @ T_TRUE
    assert summarize_uncertainty(T_mean[None], covariance[None], T_TRUE).nees_mean == pytest.approx(9.0)


def test_registration_metrics_are_the_published_ones() -> None:
    T_true = np.stack([se3.exp(np.array([1.0, -2.0, 0.5, 0.3, -2.0, 0.1]))] * 2)
    off = se3.from_rotation_vector([[0.0, 0.0, 3.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.05, 0.0]])
    summary = summarize_registration(T_true @ se3.inverse(off), T_true)
    assert summary.rte_mean_m == pytest.approx(2.0)
    assert summary.rre_mean_deg == pytest.approx(np.rad2deg(0.05) / 2)
    assert summary.within_2m_5deg == 0.5
