"""What is said of a pose by weighted samples."""

from __future__ import annotations

import numpy as np
import pytest

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PosePrior


def around(x_m: float, sigma_m: float = 0.01) -> PosePosterior:
    prior = PosePrior.from_spread(se3.from_rotation_vector([x_m, 0, 0], [0, 0, 0]), 0.1, sigma_m)
    return PosePosterior.from_samples(prior.sample(np.random.default_rng(0), 4000), np.ones(4000))


def test_a_mixture_holds_what_its_parts_say_and_how_far_they_are_apart() -> None:
    mixed = PosePosterior.mixture([around(0.0), around(0.4)], np.log([3.0, 1.0]) - 700.0)
    assert mixed.T_mean[0, 3] == pytest.approx(0.1, abs=2e-3)
    assert mixed.translation_m == pytest.approx([0.4 * np.sqrt(0.75 * 0.25), 0.01, 0.01], rel=0.05)
    assert mixed.multimodal


def test_a_mixture_is_its_only_part_or_the_one_that_weighs_all() -> None:
    only = around(0.2)
    assert PosePosterior.mixture([only], np.array([-900.0])) is only
    sure = PosePosterior.mixture([around(0.4), only], np.array([0.0, 200.0]))
    np.testing.assert_allclose(sure.T_mean, only.T_mean, atol=1e-12)
    np.testing.assert_allclose(sure.covariance, only.covariance, atol=1e-12)
