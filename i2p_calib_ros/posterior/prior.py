"""What is known about the extrinsic before a frame is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry import se3

_LOG_2PI = float(np.log(2.0 * np.pi))
LEAST_SIGMA = 0.01  # of the prior's: an estimate from few samples may be flat in some direction


@dataclass(frozen=True)
class PosePrior:
    """Gaussian belief over `T_camera_lidar`: `T = exp(xi) @ T_mean`, `xi ~ N(0, diag(sigma^2))`.

    T_mean: (4, 4). sigma: (6,) standard deviations of the left twist (x, y, z in metres, rx, ry, rz in radians),
    along the axes of the camera optical frame.

    Densities are with respect to the Lebesgue measure of the twist at `T_mean`, as everywhere in this package.
    """

    T_mean: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def __post_init__(self) -> None:
        T_mean = np.array(self.T_mean, dtype=np.float64)
        sigma = np.array(self.sigma, dtype=np.float64)
        if T_mean.shape != (4, 4) or not np.isfinite(T_mean).all():
            raise CalibrationInputError(f"a prior pose must be a finite 4x4 matrix, got shape {T_mean.shape}: {T_mean}")
        if sigma.shape != (6,) or not np.isfinite(sigma).all() or (sigma <= 0).any():
            raise CalibrationInputError(
                f"a prior needs six positive standard deviations (x, y, z in m, rx, ry, rz in rad), got {sigma}"
            )
        object.__setattr__(self, "T_mean", T_mean)
        object.__setattr__(self, "sigma", sigma)

    @classmethod
    def from_spread(cls, T_mean: ArrayLike, rotation_deg: ArrayLike, translation_m: ArrayLike) -> PosePrior:
        """Prior with the given standard deviations, each a scalar for all three axes or one value an axis."""
        sigma = np.concatenate(
            [
                np.broadcast_to(np.asarray(translation_m, dtype=np.float64), (3,)),
                np.deg2rad(np.broadcast_to(np.asarray(rotation_deg, dtype=np.float64), (3,))),
            ]
        )
        return cls(np.asarray(T_mean, dtype=np.float64), sigma)

    @property
    def covariance(self) -> NDArray[np.float64]:
        return np.diag(self.sigma**2)

    def whiten(self, T: NDArray[np.float64]) -> NDArray[np.float64]:
        """Twist of poses (..., 4, 4) from the prior mean in units of sigma: (..., 6), standard normal if so drawn."""
        return se3.log(T @ se3.inverse(self.T_mean)) / self.sigma

    def unwhiten(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses (..., 4, 4) of whitened twists (..., 6); inverse of `whiten`."""
        return se3.exp(z * self.sigma) @ self.T_mean

    def log_density(self, T: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normalised log density of poses (..., 4, 4): (...)."""
        z = self.whiten(np.asarray(T, dtype=np.float64))
        return -0.5 * np.sum(z**2, axis=-1) - 3.0 * _LOG_2PI - np.sum(np.log(self.sigma))

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Random poses: (count, 4, 4)."""
        return self.unwhiten(rng.standard_normal((count, 6)))


class PoseNeighbourhood:
    """Gaussian about an estimate, with correlated axes: where to look for poses, not what is believed of them.

    `whiten`, `unwhiten` and `log_density` are those of `PosePrior`.
    """

    def __init__(
        self, T_mean: NDArray[np.float64], covariance: NDArray[np.float64], sigmas: float, prior: PosePrior
    ) -> None:
        """`sigmas` standard deviations of an estimate under `prior`: T_mean (4, 4), covariance (6, 6) as everywhere."""
        self.T_mean = T_mean
        least = np.diag((LEAST_SIGMA * prior.sigma) ** 2)
        self._root = np.linalg.cholesky(sigmas**2 * (covariance + least))
        self.whitening = np.linalg.inv(self._root)
        """(6, 6), of a twist."""

    def whiten(self, T: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses (..., 4, 4) -> (..., 6)."""
        twist = se3.log(T @ se3.inverse(self.T_mean))
        return twist @ self.whitening.T

    def unwhiten(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 6) -> poses (..., 4, 4)."""
        return se3.exp(z @ self._root.T) @ self.T_mean

    def log_density(self, T: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normalised log density of poses (..., 4, 4): (...)."""
        return -0.5 * np.sum(self.whiten(T) ** 2, axis=-1) - 3.0 * _LOG_2PI - np.log(np.diag(self._root)).sum()
