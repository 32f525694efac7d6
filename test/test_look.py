"""How much one look at a frame says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from i2p_calib_ros.look import Look
from i2p_calib_ros.posterior.prior import PosePrior

WIDE = PosePrior(np.eye(4), np.ones(6))


def look(sigma_m: float, agreement: float = 0.0, effective_samples: float = 100.0) -> Look:
    """A look at the middle of a wide prior, sharp by `sigma_m` and a tenth of it in radians."""
    covariance = np.diag(np.repeat([sigma_m, sigma_m / 10], 3) ** 2)
    posterior: Any = SimpleNamespace(T_mean=np.eye(4), covariance=covariance, effective_sample_size=effective_samples)
    prior_nats = float(WIDE.log_density(np.eye(4)))
    likelihood: Any = SimpleNamespace(log_likelihood=lambda T: torch.where(T[:, 2, 3] < 0, 0.0, agreement - prior_nats))
    matches: Any = None
    return Look(matches, likelihood, WIDE, posterior)


def test_agreement_is_what_points_and_prior_say_against_no_point_in_view() -> None:
    assert look(0.05, agreement=80.0).agreement == pytest.approx(80.0, abs=1e-4)


def test_sharp_agreement_scores_higher_than_much_of_it() -> None:
    assert look(0.05, 50.0).score > look(0.3, 80.0).score
    assert look(0.05, 50.0).score - look(0.3, 50.0).score == pytest.approx(6.0 * np.log(6.0))
    assert look(0.05, 80.0).score > look(0.05, 50.0).score


def test_a_look_of_too_few_samples_scores_as_one_that_tells_nothing() -> None:
    assert look(0.01).score > look(0.1).score
    assert look(0.1).score > look(0.01, effective_samples=1.0).score == look(0.1, effective_samples=1.0).score


def test_what_a_look_found_is_where_the_next_one_looks_from() -> None:
    found = look(0.3)
    np.testing.assert_allclose(found.found.sigma, np.repeat([0.3, 0.03], 3))
    assert (found.spread.translation_m, found.spread.rotation_rad) == pytest.approx((0.3, 0.03))
