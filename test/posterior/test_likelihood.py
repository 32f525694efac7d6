"""A likelihood that knows only poses near an estimate."""

import numpy as np
import torch

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.amis import sample_posterior
from i2p_calib_ros.posterior.likelihood import NearbyLikelihood
from i2p_calib_ros.posterior.prior import PoseNeighbourhood, PosePrior

T_FOUND = se3.exp(np.array([0.1, -0.3, 0.2, 0.4, -1.1, 0.9]))
SIGMA = np.array([0.03, 0.03, 0.05, 0.006, 0.006, 0.004])
PRIOR = PosePrior.from_spread(se3.perturb(T_FOUND, [4.0, -5.0, 3.0], [0.2, -0.2, 0.1]), 5.8, 0.29)
AROUND = PoseNeighbourhood(T_FOUND, np.diag(SIGMA**2), 3.0, PRIOR)


class Window:
    """A Gaussian about a pose, and so many nats below its peak all poses are alike."""

    def __init__(self, T, sigma, nats):
        self.T, self.sigma, self.nats = T, sigma, nats

    def log_likelihood(self, T):
        squared = ((se3.log(T.double().numpy() @ se3.inverse(self.T)) / self.sigma) ** 2).sum(axis=-1)
        return torch.from_numpy(np.logaddexp(-0.5 * squared, -self.nats)).float()

    def thinned(self, points, T):
        return Window(self.T, self.sigma, self.nats)


def test_poses_that_the_windows_do_not_show_are_left_to_the_estimate():
    window = Window(se3.exp(SIGMA) @ T_FOUND, SIGMA, 8.0)
    alone = sample_posterior(window.log_likelihood, PRIOR)
    assert alone.rotation_deg.max() > 3.0  # so many poses are further off
    nearby = NearbyLikelihood(window, AROUND)
    for likelihood in (nearby, nearby.thinned(10, torch.eye(4)[None])):
        posterior = sample_posterior(likelihood.log_likelihood, PRIOR, start_poses=T_FOUND[None])
        assert posterior.rotation_deg.max() < 1.1
        assert (np.abs(se3.log(posterior.T_mean @ se3.inverse(window.T))) < SIGMA).all()


def test_its_distance_is_that_of_the_estimate_near_it_and_grows_up_to_a_right_angle():
    flat = NearbyLikelihood(Window(T_FOUND, SIGMA, 0.0), AROUND)
    near = se3.exp(np.random.default_rng(0).normal(0, 2 * SIGMA, (50, 6))) @ T_FOUND
    values = flat.log_likelihood(torch.from_numpy(near).float()) - flat.log_likelihood(
        torch.from_numpy(T_FOUND)[None].float()
    )
    inside = flat.inside.log_likelihood(torch.from_numpy(near).float()) - np.log(2.0)
    expected = -0.5 * (AROUND.whiten(near) ** 2).sum(axis=1)
    np.testing.assert_allclose(values - inside, expected, rtol=0.02, atol=0.01)
    turned = np.stack([se3.perturb(T_FOUND, [0.0, angle, 0.0], [0.0, 0.0, 0.0]) for angle in range(0, 91, 10)])
    assert (np.diff(flat.log_likelihood(torch.from_numpy(turned).float())) < 0.0).all()
