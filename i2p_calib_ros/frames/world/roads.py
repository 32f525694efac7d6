"""Ways through a place: smooth paths in the plane, and what is painted and laid along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]

STEP_M = 1.0


@dataclass(frozen=True, eq=False)
class Path:
    """A smooth line in the plane: points xy (n, 2), their distances s_m (n,) along it, and headings (n,) in radians.

    Offsets are measured to the left of the direction of travel, metres.
    """

    xy: FloatArray
    s_m: FloatArray
    heading_rad: FloatArray

    @classmethod
    def through(cls, points: ArrayLike) -> Path:
        """The path of densely given points (n, 2)."""
        xy = np.asarray(points, dtype=np.float64)
        steps = np.linalg.norm(np.diff(xy, axis=0), axis=1)
        tangent = np.gradient(xy, axis=0)
        return cls(
            xy, np.concatenate([[0.0], np.cumsum(steps)]), np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
        )

    @classmethod
    def winding(cls, rng: np.random.Generator, length_m: float, bend_rad_per_m: float = 0.0) -> Path:
        """A road that bends left and right with curvatures of about `bend_rad_per_m`, from the origin along x."""
        s = np.arange(0.0, length_m + STEP_M, STEP_M)
        knots = np.arange(0.0, length_m + 60.0, 60.0)
        curvature = np.interp(s, knots, rng.normal(0, 1, len(knots)) * bend_rad_per_m)
        curvature = np.convolve(np.pad(curvature, 15, mode="edge"), np.full(31, 1 / 31), mode="valid")
        heading = np.concatenate([[0.0], np.cumsum(curvature[1:] * STEP_M)])
        direction = np.stack([np.cos(heading), np.sin(heading)], axis=1)
        return cls.through(np.concatenate([[[0.0, 0.0]], np.cumsum(direction[1:] * STEP_M, axis=0)]))

    @property
    def length_m(self) -> float:
        return float(self.s_m[-1])

    def at(self, s_m: ArrayLike, offset_m: ArrayLike = 0.0) -> FloatArray:
        """Points (..., 2) at distances s (...) and offsets to the left (...)."""
        s = np.asarray(s_m, dtype=np.float64)
        heading = self.heading(s)
        offset = np.asarray(offset_m, dtype=np.float64)
        x = np.interp(s, self.s_m, self.xy[:, 0]) - offset * np.sin(heading)
        y = np.interp(s, self.s_m, self.xy[:, 1]) + offset * np.cos(heading)
        return np.stack([x, y], axis=-1)

    def heading(self, s_m: ArrayLike) -> FloatArray:
        """Direction of travel (...), radians, at distances (...)."""
        values: FloatArray = np.interp(s_m, self.s_m, self.heading_rad)
        return values

    def project(self, xy: ArrayLike) -> FloatArray:
        """Distance along and offset to the left (..., 2) of points (..., 2): also texture coordinates along a road."""
        points = np.asarray(xy, dtype=np.float64)
        nearest = cKDTree(self.xy).query(points)[1]
        away = points - self.xy[nearest]
        heading = self.heading_rad[nearest]
        c, s = np.cos(heading), np.sin(heading)
        along = self.s_m[nearest] + away[..., 0] * c + away[..., 1] * s
        return np.stack([along, away[..., 1] * c - away[..., 0] * s], axis=-1)

    def line(self, offset_m: float = 0.0, start_m: float = 0.0, end_m: float | None = None) -> FloatArray:
        """Points (n, 2) of the parallel line."""
        end = self.length_m if end_m is None else end_m
        count = max(2, int(np.ceil((end - start_m) / STEP_M)) + 1)
        return self.at(np.linspace(start_m, end, count), offset_m)

    def band(self, right_m: float, left_m: float, start_m: float = 0.0, end_m: float | None = None) -> shapely.Polygon:
        """The area between two offsets, `right_m` < `left_m`."""
        return shapely.Polygon(
            np.concatenate([self.line(right_m, start_m, end_m), self.line(left_m, start_m, end_m)[::-1]])
        )

    def parallel(self, offset_m: float) -> Path:
        """The path beside this one."""
        return Path.through(self.line(offset_m))

    def reversed(self) -> Path:
        """The same line travelled the other way."""
        return Path.through(self.xy[::-1])


def dashes(
    path: Path, offset_m: float, width_m: float, dash_m: float, gap_m: float, start_m: float = 0.0, end_m: float | None = None
) -> shapely.Geometry:
    """A broken line; `gap_m` 0 makes it whole."""
    end = path.length_m if end_m is None else end_m
    right, left = offset_m - width_m / 2, offset_m + width_m / 2
    if gap_m == 0:
        return path.band(right, left, start_m, end)
    starts = np.arange(start_m, end - dash_m, dash_m + gap_m)
    return shapely.MultiPolygon([path.band(right, left, s, s + dash_m) for s in starts])
