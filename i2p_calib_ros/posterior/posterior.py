"""What one frame, or several fused, says about the extrinsic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.modes import is_multimodal
from i2p_calib_ros.posterior.resampling import systematic_resampling

_KARCHER_ITERATIONS = 5


@dataclass(frozen=True)
class PosePosterior:
    """Distribution over `T_camera_lidar`, as weighted samples and as a Gaussian of the left perturbation.

    T_mean: (4, 4). covariance: (6, 6) of `xi` in `T_true = exp(xi) @ T_mean`, order x, y, z, rx, ry, rz (m, rad).
    samples: (m, 4, 4). weights: (m,), sum 1. effective_sample_size: 1 / sum(weights^2).
    """

    T_mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    samples: NDArray[np.float64]
    weights: NDArray[np.float64]
    effective_sample_size: float

    @classmethod
    def from_samples(cls, samples: NDArray[np.float64], weights: NDArray[np.float64]) -> PosePosterior:
        """Summary of weighted poses: samples (m, 4, 4), weights (m,) non-negative, any scale."""
        total = weights.sum()
        if len(samples) != len(weights) or not total > 0.0 or not np.isfinite(total):
            raise ValueError(f"need as many finite, not all zero weights as samples, got {weights} for {len(samples)}")
        weights = weights / total
        T_mean, twists = _karcher_mean(samples, weights)
        return cls(
            T_mean=T_mean,
            covariance=(twists * weights[:, None]).T @ twists,
            samples=samples,
            weights=weights,
            effective_sample_size=float(1.0 / np.sum(weights**2)),
        )

    @classmethod
    def mixture(cls, posteriors: Sequence[PosePosterior], log_weights: NDArray[np.float64]) -> PosePosterior:
        """Of one or more posteriors by their log weights (n,), up to a constant."""
        if len(posteriors) == 1:
            return posteriors[0]
        shares = np.exp(log_weights - log_weights.max())
        return cls.from_samples(
            np.concatenate([posterior.samples for posterior in posteriors]),
            np.concatenate([share * posterior.weights for share, posterior in zip(shares, posteriors, strict=True)]),
        )

    @property
    def guesses(self) -> NDArray[np.float64]:
        """Poses (2, 4, 4) near which it is dense, to search from: its mean, and the sample of the greatest weight."""
        return np.stack([self.T_mean, self.samples[np.argmax(self.weights)]])

    def draws(self, count: int) -> NDArray[np.float64]:
        """Samples by their weights, all alike: (count, 4, 4)."""
        return self.samples[systematic_resampling(self.weights, count)]

    @property
    def multimodal(self) -> bool:
        """Whether the samples fall into groups that one Gaussian does not describe (see `modes`); not kept."""
        return is_multimodal(_twists_from(self.T_mean, self.samples), self.weights)

    @property
    def translation_m(self) -> NDArray[np.float64]:
        """Standard deviation of the translation along the camera axes: (3,) metres."""
        return np.sqrt(np.diag(self.covariance)[:3])

    @property
    def rotation_deg(self) -> NDArray[np.float64]:
        """Standard deviation of the rotation about the camera axes: (3,) degrees."""
        return np.rad2deg(np.sqrt(np.diag(self.covariance)[3:]))

    def mahalanobis(self, T: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of poses (..., 4, 4) from the mean in standard deviations: (...); its square is chi-square(6)."""
        twist = se3.log(T @ se3.inverse(self.T_mean))
        solved = np.linalg.solve(self.covariance, twist[..., None])[..., 0]
        return np.sqrt(np.sum(twist * solved, axis=-1))


def _karcher_mean(
    samples: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean pose (4, 4), where the weighted mean twist vanishes, and the twists (m, 6) of the samples from it."""
    T_mean = samples[np.argmax(weights)]
    for _ in range(_KARCHER_ITERATIONS):
        step = weights @ _twists_from(T_mean, samples)
        T_mean = se3.exp(step) @ T_mean
        if np.abs(step).max() < 1e-9:
            break
    return T_mean, _twists_from(T_mean, samples)


def _twists_from(T_mean: NDArray[np.float64], samples: NDArray[np.float64]) -> NDArray[np.float64]:
    return se3.log(samples @ se3.inverse(T_mean))
