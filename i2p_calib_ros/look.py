"""One look at a frame from somewhere: what the network matched, the posterior that leads to, and how much it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from i2p_calib_ros.engines.match_fields import FrameMatches
from i2p_calib_ros.network.spread import PriorSpread
from i2p_calib_ros.posterior.amis import FOUND_SIGMAS
from i2p_calib_ros.posterior.likelihood import PoseLikelihood
from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PoseNeighbourhood, PosePrior

LEAST_EFFECTIVE_SAMPLES = 20.0
"""A covariance of fewer, 21 numbers, is chance."""

_AWAY_M = 1e4  # behind the camera
_AGREEMENT_PER_NAT = 16.0  # then scores are as sure as they are right: models/EXPERIMENTS.md, 53


@dataclass(frozen=True)
class Look:
    """The matches of one look at a frame, what they say of poses, and the posterior under the prior."""

    matches: FrameMatches
    likelihood: PoseLikelihood
    prior: PosePrior
    posterior: PosePosterior

    @property
    def found(self) -> PosePrior:
        """The pose found, to be looked from next."""
        return PosePrior(self.posterior.T_mean, np.sqrt(np.diag(self.posterior.covariance)))

    @property
    def spread(self) -> PriorSpread:
        """Of the pose found."""
        return spread_of(self.found)

    @property
    def neighbourhood(self) -> PoseNeighbourhood:
        """Of the pose found, to be searched next."""
        return PoseNeighbourhood(self.posterior.T_mean, self.posterior.covariance, FOUND_SIGMAS, self.prior)

    @property
    def agreement(self) -> float:
        """By how much, in nats, points and prior speak for the mean pose, against none of the points being in view."""
        T = self.posterior.T_mean
        T_away = T.copy()
        T_away[2, 3] = -_AWAY_M
        here, away = self.likelihood.log_likelihood(torch.from_numpy(np.stack([T, T_away])).float())
        return float(here - away) + float(self.prior.log_density(T))

    @property
    def score(self) -> float:
        """How much speaks for the pose found against those of looks from elsewhere, in nats.

        By the agreement, and more by the entropy: a wrong pose may show more points that agree somehow, but seldom as
        sharply.
        """
        return self.agreement / _AGREEMENT_PER_NAT - self.entropy

    @property
    def entropy(self) -> float:
        """What stays open of the pose, in nats: the posterior's as a Gaussian, with too few samples the prior's."""
        covariance = (self.prior if has_too_few_samples(self.posterior) else self.posterior).covariance
        return 0.5 * float(np.linalg.slogdet(2.0 * np.pi * np.e * covariance)[1])


def has_too_few_samples(posterior: PosePosterior) -> bool:
    """Whether the covariance of a posterior is chance."""
    return posterior.effective_sample_size < LEAST_EFFECTIVE_SAMPLES


def spread_of(prior: PosePrior) -> PriorSpread:
    """Rotation and translation spread of a prior, each the root mean square over the axes."""
    return PriorSpread(
        rotation_rad=float(np.sqrt(np.mean(prior.sigma[3:] ** 2))),
        translation_m=float(np.sqrt(np.mean(prior.sigma[:3] ** 2))),
    )
