"""Where to look around an estimate: a Gaussian whose axes are correlated."""

import numpy as np
from scipy.stats import multivariate_normal

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import PoseNeighbourhood, PosePrior


def test_neighbourhood_is_the_gaussian_of_the_estimate_widened():
    rng = np.random.default_rng(0)
    T_mean = se3.exp(rng.normal(0, 0.5, 6))
    root = 0.05 * rng.normal(size=(6, 6))
    covariance = root @ root.T + 1e-4 * np.eye(6)
    around = PoseNeighbourhood(T_mean, covariance, 2.0, PosePrior(T_mean, np.full(6, 1e-3)))

    poses = around.unwhiten(rng.standard_normal((20, 6)))
    np.testing.assert_allclose(around.unwhiten(around.whiten(poses)), poses, atol=1e-9)
    twists = se3.log(poses @ se3.inverse(T_mean))
    expected = multivariate_normal(np.zeros(6), 4.0 * covariance).logpdf(twists)
    np.testing.assert_allclose(around.log_density(poses), expected, atol=1e-4)


def test_neighbourhood_of_a_flat_estimate_is_not_flat():
    prior = PosePrior.from_spread(np.eye(4), 5.0, 0.3)
    around = PoseNeighbourhood(np.eye(4), np.zeros((6, 6)), 1.0, prior)
    twists = se3.log(around.unwhiten(np.eye(6)))
    np.testing.assert_allclose(np.diag(twists), 0.01 * prior.sigma, rtol=1e-6)
