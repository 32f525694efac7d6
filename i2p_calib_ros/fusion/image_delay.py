"""How much later than its stamp an image was taken, told by how what single frames find changes with the motion.

A camera whose images are late by tau sees the scene from where it is tau later: where the LiDAR moves with the twist v,
the extrinsic that fits the frame is T Exp(-tau v). While the vehicle stands that is T; at 15 m/s, 10 ms are 15 cm off.
Where the speed varies, T and tau can be told apart; where it does not, they cannot, and the covariance must say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import LEAST_SIGMA, PosePrior

FloatArray = NDArray[np.float64]

_STAMPS = student_t(df=3, scale=0.003)  # most stamps are right to a few milliseconds, some are off by tens
_DELAYS_S = np.linspace(-0.2, 0.2, 801)
_LOG_PRIOR = _STAMPS.logpdf(_DELAYS_S)
_FRAME_TAILS = 4.0  # degrees of freedom of the errors of frames: one that is lost counts for little
_LEAST_INFORMATION = 2.0  # of a posterior, in the prior's: below, what the frame says itself is chance
_ROUNDS = 6
_CERTAIN_SIGMAS = 3.0


@dataclass(frozen=True, eq=False)
class MovingFrame:
    """What one frame finds, T_camera_lidar (4, 4) with covariance (6, 6) under the prior, and how the LiDAR moved then.

    lidar_twist (6,): velocity of the LiDAR in its own frame, m/s and rad/s.
    """

    T_camera_lidar: FloatArray
    covariance: FloatArray
    lidar_twist: FloatArray


@dataclass(frozen=True, eq=False)
class ImageDelay:
    """The images were taken mean_s +- sigma_s after their stamps, by the clock of the clouds.

    moves (6,): how a longer delay moves the extrinsic that fits all frames, a left perturbation in m/s and rad/s.
    """

    mean_s: float = 0.0
    sigma_s: float = float(_STAMPS.std())
    moves: FloatArray = field(default_factory=lambda: np.zeros(6))

    def __str__(self) -> str:
        return f"{1e3 * self.mean_s:+.1f} ± {1e3 * self.sigma_s:.1f} ms"

    @property
    def certain(self) -> bool:
        """Whether the stamps are wrong for sure: by three standard deviations."""
        return abs(self.mean_s) > _CERTAIN_SIGMAS * self.sigma_s

    @property
    def covariance(self) -> FloatArray:
        """What not knowing the delay adds to the covariance (6, 6) of the extrinsic."""
        return self.sigma_s**2 * np.outer(self.moves, self.moves)

    def T_image_stamp(self, lidar_twist: FloatArray | None) -> FloatArray:
        """(4, 4), from the LiDAR's frame at the stamp to its frame as the image was taken; identity if its motion is
        not known."""
        return np.eye(4) if lidar_twist is None else se3.exp(-self.mean_s * lidar_twist)


def estimate_image_delay(frames: Sequence[MovingFrame], prior: PosePrior) -> ImageDelay:
    """The delay that all frames share.

    Least squares of what the frames find on their twists (Gauss-Newton, with Student's t weights for the frames). Each
    counts by its information less the prior's, which all of them have seen; the prior counts once.
    """
    if not frames:
        return ImageDelay()
    information, unshrunk = _without_prior(np.array([f.covariance for f in frames]), prior)
    poses, lidar_twists = np.array([f.T_camera_lidar for f in frames]), np.array([f.lidar_twist for f in frames])
    T, weights, mean_s = prior.T_mean, np.ones(len(frames)), 0.0
    for _ in range(_ROUNDS):
        from_prior = se3.log(prior.T_mean @ se3.inverse(T))
        found = from_prior + np.einsum("kij,kj->ki", unshrunk, se3.log(poses @ se3.inverse(T)) - from_prior)
        motion = lidar_twists @ se3.adjoint(T).T
        # Normal equations of found = xi - tau motion, for the change xi of T and the delay tau.
        W = weights[:, None, None] * information
        xi_xi = W.sum(axis=0) + np.diag(prior.sigma**-2.0)
        xi_right = np.einsum("kij,kj->i", W, found) + from_prior / prior.sigma**2
        xi_tau = -np.einsum("kij,kj->i", W, motion)
        tau_tau = np.einsum("ki,kij,kj->", motion, W, motion)
        tau_right = -np.einsum("ki,kij,kj->", motion, W, found)
        moves = -np.linalg.solve(xi_xi, xi_tau)
        mean_s, sigma_s = _delay(float(tau_tau + xi_tau @ moves), float(tau_right + xi_right @ moves))
        xi = np.linalg.solve(xi_xi, xi_right) + moves * mean_s
        left = found - xi + mean_s * motion
        weights = (_FRAME_TAILS + 6) / (_FRAME_TAILS + np.einsum("ki,kij,kj->k", left, information, left))
        T = se3.exp(xi) @ T
    return ImageDelay(mean_s, sigma_s, moves)


def _without_prior(covariance: FloatArray, prior: PosePrior) -> tuple[FloatArray, FloatArray]:
    """For posteriors with covariances (k, 6, 6): the information of the frames themselves (k, 6, 6), and the matrices
    (k, 6, 6) by which what they find is further from the prior's mean than the posterior's."""
    covariance = covariance + np.diag((LEAST_SIGMA * prior.sigma) ** 2)
    values, vectors = np.linalg.eigh(prior.sigma[:, None] * np.linalg.inv(covariance) * prior.sigma)
    gained = np.where(values > _LEAST_INFORMATION, values - 1.0, 0.0)
    factor = np.where(gained > 0.0, values / np.maximum(gained, 1.0), 1.0)
    information = np.einsum("kia,ka,kja->kij", vectors, gained, vectors) / np.outer(prior.sigma, prior.sigma)
    unshrunk = np.einsum("kia,ka,kja->kij", vectors, factor, vectors) * prior.sigma[:, None] / prior.sigma
    return information, unshrunk


def _delay(precision: float, right: float) -> tuple[float, float]:
    """Mean and standard deviation, seconds, of a delay t for which frames say -precision/2 t^2 + right t, in nats."""
    log_density = -0.5 * precision * _DELAYS_S**2 + right * _DELAYS_S + _LOG_PRIOR
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    mean_s = float(density @ _DELAYS_S)
    return mean_s, float(np.sqrt(density @ (_DELAYS_S - mean_s) ** 2))
