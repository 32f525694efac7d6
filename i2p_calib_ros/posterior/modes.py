"""Does a weighted sample have one mode or several?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.posterior.resampling import systematic_resampling

# A normal sample cut in half by its best plane has separation 2.65, a uniform one 3.46: above 4.5 there is a real gap.
SEPARATION_THRESHOLD = 4.5
MINOR_MASS_THRESHOLD = 0.04
_ITERATIONS = 12
_RESAMPLED = 400


def is_multimodal(points: NDArray[np.float64], weights: NDArray[np.float64]) -> bool:
    """True when the sample falls into two groups that are far apart for their own width.

    points: (m, d); weights: (m,), sum 1. Weighted 2-means in a metric that is refined with the covariance inside
    the groups, from several starting splits. The groups' distance along the line through their means, in units
    of their root-mean-square width on that line (Ashman's D), must exceed `SEPARATION_THRESHOLD`, the smaller group
    must hold `MINOR_MASS_THRESHOLD` of the mass, and not by a handful of heavy samples (each group needs an
    effective size of 4).
    """
    dimension = points.shape[1]
    kept, copies = np.unique(systematic_resampling(weights, _RESAMPLED), return_counts=True)
    points, weights = points[kept], copies / _RESAMPLED
    if len(points) < 4 * dimension:
        return False
    centred = points - weights @ points
    y = _whiten(centred, (centred * weights[:, None]).T @ centred)
    for side in _starting_splits(y):
        separation, minor_mass, smallest_effective_size = _two_means(y, weights, side)
        if (
            separation > SEPARATION_THRESHOLD
            and minor_mass > MINOR_MASS_THRESHOLD
            and smallest_effective_size > 4.0
        ):
            return True
    return False


def _starting_splits(y: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Halves of the sample along the axes and some fixed oblique directions."""
    oblique = np.random.default_rng(0).standard_normal((10, y.shape[1]))
    directions = np.concatenate([np.eye(y.shape[1]), oblique])
    projections = y @ directions.T
    return list((projections > 0.0).T)


def _two_means(
    y: NDArray[np.float64], weights: NDArray[np.float64], side: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Separation, mass of the smaller group, and smaller effective size after 2-means from the split `side`."""
    for _ in range(_ITERATIONS):
        groups = [(y[part], weights[part]) for part in (side, ~side)]
        masses = [w.sum() for _, w in groups]
        if min(masses) < 1e-3 or min(len(w) for _, w in groups) < 3:
            return 0.0, 0.0, 0.0
        means = [w @ p / mass for (p, w), mass in zip(groups, masses, strict=True)]
        residual = y - np.where(side[:, None], means[0], means[1])
        y = _whiten(y, (residual * weights[:, None]).T @ residual)
        means = [weights[part] @ y[part] / mass for part, mass in zip((side, ~side), masses, strict=True)]
        new_side = np.sum((y - means[0]) ** 2, axis=1) < np.sum((y - means[1]) ** 2, axis=1)
        if (new_side == side).all():
            break
        side = new_side
    axis = means[0] - means[1]
    distance = float(np.linalg.norm(axis))
    if distance == 0.0:
        return 0.0, 0.0, 0.0
    along = y @ (axis / distance)
    variances, sizes, masses = [], [], []
    for part in (side, ~side):
        w = weights[part]
        if len(w) == 0:
            return 0.0, 0.0, 0.0
        mean = w @ along[part] / w.sum()
        variances.append(w @ (along[part] - mean) ** 2 / w.sum())
        sizes.append(w.sum() ** 2 / np.sum(w**2))
        masses.append(w.sum())
    width = np.sqrt(np.mean(variances)) + 1e-12
    return distance / float(width), float(min(masses)), float(min(sizes))


def _whiten(points: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in coordinates where `covariance` is the identity (directions without spread are left out)."""
    values, vectors = np.linalg.eigh(covariance)
    keep = values > 1e-9 * values[-1]
    return points @ (vectors[:, keep] / np.sqrt(values[keep]))
