"""Elliptical proposal densities and the local Gaussian model of a log density, for importance sampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

# Per adaptation step a local Gaussian may widen to twice and narrow to a quarter of its width on each axis.
_CURVATURE_LIMITS = (0.25, 16.0)
_LARGEST_STEP = 2.5
_LEAST_NEIGHBOURS = 48.0
_RIDGE = 1e-4
_LARGEST_REACH = 5.0  # squared, in the width of the model: a fit further out is not local
_TOO_FEW_NEIGHBOURS = 24.0


@dataclass(frozen=True)
class Ellipse:
    """Multivariate Student-t density (normal for `dof` infinite). mean: (d,); scale: (d, d) positive definite."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    dof: float = np.inf

    @cached_property
    def _factor(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.cholesky(self.scale), dtype=np.float64)

    @cached_property
    def _whitening(self) -> NDArray[np.float64]:
        # An explicit inverse: triangular solvers of threaded BLAS libraries cost milliseconds for a 6x6 factor.
        return np.asarray(np.linalg.inv(self._factor).T, dtype=np.float64)

    @cached_property
    def _log_density_at_mean(self) -> float:
        d = len(self.mean)
        half_log_det = np.sum(np.log(np.diag(self._factor)))
        if not np.isfinite(self.dof):
            return float(-0.5 * d * np.log(2.0 * np.pi) - half_log_det)
        constant = gammaln(0.5 * (self.dof + d)) - gammaln(0.5 * self.dof) - 0.5 * d * np.log(self.dof * np.pi)
        return float(constant - half_log_det)

    def whiten(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (m, d) in coordinates where the density is centred and round."""
        return (z - self.mean) @ self._whitening

    def draw(self, uniform_like: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Points (m, d) of the density from standard normal points (m, d)."""
        spread = uniform_like @ self._factor.T
        if np.isfinite(self.dof):
            spread *= np.sqrt(self.dof / rng.chisquare(self.dof, len(spread)))[:, None]
        return self.mean + spread

    def log_density(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log density at points (m, d): (m,)."""
        distance = np.sum(self.whiten(z) ** 2, axis=1)
        if not np.isfinite(self.dof):
            return self._log_density_at_mean - 0.5 * distance
        return self._log_density_at_mean - 0.5 * (self.dof + len(self.mean)) * np.log1p(distance / self.dof)


def tempering_exponent(log_base: NDArray[np.float64], log_factor: NDArray[np.float64], target_size: float) -> float:
    """Largest beta in (0, 1] for which weights exp(log_base + beta * log_factor) keep the effective size `target_size`.

    When even a tiny beta does not reach the target, the tiny beta.
    """

    def enough(beta: float) -> bool:
        return effective_size(normalised_weights(log_base + beta * log_factor)) >= target_size

    if enough(1.0):
        return 1.0
    low, high = -16.0, 0.0
    for _ in range(18):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if enough(float(np.exp(middle))) else (low, middle)
    return float(np.exp(low))


def normalised_weights(log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(log_weights) scaled to sum 1."""
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def effective_size(weights: NDArray[np.float64]) -> float:
    """1 / sum(w^2) of weights that sum to 1."""
    return float(1.0 / np.sum(weights**2))


def improve_local_model(
    model: Ellipse, z: NDArray[np.float64], log_target: NDArray[np.float64]
) -> tuple[Ellipse, bool]:
    """One trust-region step of a local Gaussian towards the log density, from evaluated points around it.

    A quadratic is fitted to `log_target` (m,) at the points z (m, d) near the model, the higher values counting more
    (stochastic linear regression, Salimans and Knowles, Bayesian Analysis 2013); its optimum and curvature are the
    next model. Returns the model and whether it hardly changed.
    """
    y = model.whiten(z)
    distance = np.sum(y**2, axis=1)
    reach = 2.0
    log_kernel = -0.5 * distance / reach
    while effective_size(normalised_weights(log_kernel)) < _LEAST_NEIGHBOURS:
        reach *= 1.5
        if reach > _LARGEST_REACH:
            break
        log_kernel = -0.5 * distance / reach
    around = float(np.count_nonzero(log_kernel > -4.0))
    if min(effective_size(normalised_weights(log_kernel)), around) < _TOO_FEW_NEIGHBOURS:
        return model, False
    near = log_kernel > log_kernel.max() - 14.0
    y, value, log_kernel = y[near], log_target[near], log_kernel[near]
    value = value - value.max()
    beta = tempering_exponent(log_kernel, value, min(_LEAST_NEIGHBOURS, 0.5 * len(value)))
    gradient, curvature = _fit_quadratic(y, value, normalised_weights(log_kernel + beta * value))

    curvatures, axes = np.linalg.eigh(-curvature)
    bounded = np.clip(curvatures, *_CURVATURE_LIMITS)
    step = (axes.T @ gradient) / np.maximum(curvatures, _CURVATURE_LIMITS[0])
    length = float(np.linalg.norm(step))
    step *= min(1.0, _LARGEST_STEP / max(length, 1e-12))
    factor = np.linalg.cholesky(model.scale)
    half = factor @ axes
    settled = length < 0.3 and bool((curvatures > 0.6).all() and (curvatures < 1.7).all())
    return Ellipse(model.mean + half @ step, (half / bounded) @ half.T, model.dof), settled


def _fit_quadratic(
    y: NDArray[np.float64], value: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient (d,) and second derivative (d, d) at the origin of a weighted least-squares quadratic."""
    d = y.shape[1]
    rows, columns = np.triu_indices(d)
    products = y[:, rows] * y[:, columns] * np.where(rows == columns, 0.5, 1.0)
    design = np.concatenate([np.ones((len(y), 1)), y, products], axis=1)
    weighted = design * weights[:, None]
    normal = design.T @ weighted
    penalty = np.concatenate([np.full(1 + d, 1e-9), np.full(len(rows), _RIDGE)])
    scale = np.maximum(np.diag(normal), 1e-12)
    coefficients = np.linalg.solve(normal + np.diag(penalty * scale), weighted.T @ value).astype(np.float64)
    curvature = np.zeros((d, d))
    curvature[rows, columns] = coefficients[1 + d :]
    curvature[columns, rows] = coefficients[1 + d :]
    return coefficients[1 : 1 + d], curvature
