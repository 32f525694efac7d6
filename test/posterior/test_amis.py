"""The sampler against posteriors with a known answer. Coordinates are prior standard deviations."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.amis import LikelihoodError, sample_posterior, search_again_if_sparse
from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PosePrior

PRIOR = PosePrior.from_spread(se3.from_rotation_vector([0.1, -0.2, 0.3], [1.2, -1.2, 1.2]), 5.0, 0.3)


class GaussianLikelihood:
    """A correlated Gaussian in whitened coordinates, with the posterior it gives under PRIOR."""

    def __init__(self, rng, width, reach=1.2):
        rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
        scales = width * np.exp(rng.uniform(-1.2, 1.2, 6))
        self.precision = rotation @ np.diag(scales**-2) @ rotation.T
        self.centre = rng.uniform(-reach, reach, 6)
        self.covariance = np.linalg.inv(self.precision + np.eye(6))
        self.mean = self.covariance @ self.precision @ self.centre

    def __call__(self, T):
        off = PRIOR.whiten(T.double().numpy()) - self.centre
        return torch.from_numpy(-0.5 * np.einsum("mi,ij,mj->m", off, self.precision, off))


def whitened_error(posterior, likelihood):
    """Squared distance of the sampled mean from the analytic one, in analytic standard deviations."""
    off = PRIOR.whiten(posterior.T_mean) - likelihood.mean
    return float(off @ np.linalg.solve(likelihood.covariance, off))


@pytest.mark.parametrize("width", [0.5, 0.2, 0.08])
def test_mean_and_covariance_of_gaussian_posteriors(width):
    for seed in range(8):
        likelihood = GaussianLikelihood(np.random.default_rng(seed), width)
        posterior = sample_posterior(likelihood, PRIOR, seed=seed)
        assert whitened_error(posterior, likelihood) < 0.5
        scale = np.diag(PRIOR.sigma)
        expected = scale @ likelihood.covariance @ scale
        ratio = np.linalg.eigvals(np.linalg.solve(expected, posterior.covariance)).real
        assert (ratio > 0.4).all() and (ratio < 2.0).all()
        assert posterior.effective_sample_size > 100
        assert not posterior.multimodal


def test_credible_regions_cover_the_truth_as_often_as_they_say():
    inside, trials = 0, 60
    for seed in range(trials):
        rng = np.random.default_rng(100 + seed)
        truth = rng.standard_normal(6)
        likelihood = GaussianLikelihood(rng, 0.15)
        likelihood.centre = truth + rng.multivariate_normal(np.zeros(6), np.linalg.inv(likelihood.precision))
        posterior = sample_posterior(likelihood, PRIOR, seed=seed)
        inside += float(posterior.mahalanobis(PRIOR.unwhiten(truth))) ** 2 < chi2.ppf(0.9, 6)
    assert 0.78 <= inside / trials <= 0.99


def test_a_flat_likelihood_gives_the_prior_back():
    posterior = sample_posterior(lambda T: torch.zeros(len(T)), PRIOR)
    np.testing.assert_allclose(PRIOR.whiten(posterior.T_mean), 0.0, atol=0.1)
    np.testing.assert_allclose(np.sqrt(np.diag(posterior.covariance)), PRIOR.sigma, rtol=0.15)


def test_two_modes_are_both_found_and_flagged():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        one = GaussianLikelihood(rng, 0.15, reach=0.5)
        one.precision = np.eye(6) / 0.15**2
        direction = rng.standard_normal(6)
        one.centre = 1.2 * direction / np.linalg.norm(direction)
        other = -one.centre  # equally likely under the prior

        def two(T, one=one, other=other):
            off = PRIOR.whiten(T.double().numpy()) - other
            return torch.logaddexp(one(T), torch.from_numpy(-0.5 * np.einsum("mi,ij,mj->m", off, one.precision, off)))

        posterior = sample_posterior(two, PRIOR, seed=seed)
        z = PRIOR.whiten(posterior.samples)
        nearer_one = np.linalg.norm(z - one.centre, axis=1) < np.linalg.norm(z - other, axis=1)
        assert posterior.multimodal
        assert 0.05 < posterior.weights[nearer_one].sum() < 0.95


def test_a_search_that_goes_on_keeps_a_narrow_mode_that_has_few_samples():
    """Far away all poses are alike, as with a network that matches nothing: far samples make the spread look wide."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        narrow = GaussianLikelihood(rng, 0.03)

        def above_a_floor(T, narrow=narrow):
            return torch.logaddexp(narrow(T) + 40.0, torch.zeros(len(T), dtype=torch.float64))

        found = rng.multivariate_normal(narrow.mean, narrow.covariance, 10)
        far = rng.standard_normal((3, 6))
        weights = np.repeat([0.08, 0.2 / 3], [10, 3])
        sparse = PosePosterior.from_samples(PRIOR.unwhiten(np.concatenate([found, far])), weights)
        posterior = search_again_if_sparse(sparse, above_a_floor, PRIOR, least_effective_samples=40.0)
        assert whitened_error(posterior, narrow) < 1.0
        assert posterior.effective_sample_size >= 40


def test_the_same_seed_gives_the_same_posterior_and_the_budget_is_kept():
    likelihood = GaussianLikelihood(np.random.default_rng(3), 0.2)
    evaluated = []

    def counted(T):
        evaluated.append(len(T))
        return likelihood(T)

    first = sample_posterior(counted, PRIOR, rounds=5, samples_per_round=256, seed=4)
    second = sample_posterior(likelihood, PRIOR, rounds=5, samples_per_round=256, seed=4)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert sum(evaluated) <= 5 * 256


def test_nan_and_impossible_likelihoods_are_errors_that_say_so():
    with pytest.raises(LikelihoodError, match="NaN"):
        sample_posterior(lambda T: torch.full((len(T),), float("nan")), PRIOR)
    with pytest.raises(LikelihoodError, match="zero everywhere"):
        sample_posterior(lambda T: torch.full((len(T),), -float("inf")), PRIOR)
