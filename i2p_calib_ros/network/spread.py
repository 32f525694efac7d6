"""How wrong a start may be: what networks are told, and the ranges that they are trained for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.geometry import se3


@dataclass(frozen=True)
class PriorSpread:
    """Standard deviation of the prior about each axis: what the network is told of how wrong the start may be."""

    rotation_rad: float
    translation_m: float

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Of a `PosePrior` of this spread: (6,), x, y, z in metres, rx, ry, rz in radians."""
        return np.repeat([self.translation_m, self.rotation_rad], 3)


@dataclass(frozen=True)
class StartRange:
    """Least and greatest bounds of a start error, which is uniform within plus and minus the bound about every axis."""

    rotation_deg: tuple[float, float]
    translation_m: tuple[float, float]

    def bounds_at(self, rotation: float, translation: float) -> tuple[float, float]:
        """Bounds in degrees and metres at places 0..1 of the range, on a log scale."""
        (low_deg, high_deg), (low_m, high_m) = self.rotation_deg, self.translation_m
        return low_deg * (high_deg / low_deg) ** rotation, low_m * (high_m / low_m) ** translation

    def clip(self, spread: PriorSpread) -> PriorSpread:
        """The nearest spread in the range."""
        least, greatest = (spread_of_bounds(r, t) for r, t in zip(self.rotation_deg, self.translation_m, strict=True))
        return PriorSpread(
            float(np.clip(spread.rotation_rad, least.rotation_rad, greatest.rotation_rad)),
            float(np.clip(spread.translation_m, least.translation_m, greatest.translation_m)),
        )

    def reaches(self, spread: PriorSpread) -> bool:
        """Whether the spread is no wider than the range."""
        widest = spread_of_bounds(self.rotation_deg[1], self.translation_m[1])
        return spread.rotation_rad <= widest.rotation_rad and spread.translation_m <= widest.translation_m


def spread_of_bounds(rotation_deg: float, translation_m: float) -> PriorSpread:
    """Standard deviations of errors that are uniform within plus and minus the bounds."""
    return PriorSpread(float(np.deg2rad(rotation_deg) / np.sqrt(3.0)), float(translation_m / np.sqrt(3.0)))


COARSE_STARTS = StartRange(rotation_deg=(0.5, 10.0), translation_m=(0.02, 0.5))
CLOSE_STARTS = StartRange(rotation_deg=(0.5, 3.0), translation_m=(0.02, 0.5))
"""Of a look from nearby, at a view of more pixels."""
FINE_STARTS = StartRange(rotation_deg=(0.15, 1.5), translation_m=(0.015, 0.15))
"""Of the fine stage, which starts where the coarse one ends."""

GLOBAL_YAW_DEG, GLOBAL_TRANSLATION_M = 180.0, 10.0
"""Bounds of the start errors of VP2P-Match's protocol: about y, and along x and z, of the camera optical frame."""

GLOBAL_SPREAD = spread_of_bounds(GLOBAL_YAW_DEG, GLOBAL_TRANSLATION_M)
"""Of a prior that says nothing but that the sensors are near each other."""


def random_global_error(rng: np.random.Generator) -> NDArray[np.float64]:
    """T_start_true (4, 4) of VP2P-Match's protocol: any yaw, and a shift in the ground plane."""
    x, z = rng.uniform(-GLOBAL_TRANSLATION_M, GLOBAL_TRANSLATION_M, 2)
    yaw = np.deg2rad(rng.uniform(-GLOBAL_YAW_DEG, GLOBAL_YAW_DEG))
    return se3.from_rotation_vector([x, 0.0, z], [0.0, yaw, 0.0])
