"""Ways through a place: smooth paths in the plane, and what is painted and laid along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
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
        return cls(xy, np.concatenate([[0.0], np.cumsum(steps)]), np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0])))

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

    @classmethod
    def smooth(cls, points: ArrayLike, radius_m: float) -> Path:
        """A path near a few points (n, 2), with corners rounded to about `radius_m`."""
        corners = np.asarray(points, dtype=np.float64)
        s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
        dense = np.arange(0.0, s[-1], STEP_M / 2)
        xy = np.column_stack([np.interp(dense, s, corners[:, axis]) for axis in range(2)])
        return cls.through(gaussian_filter1d(xy, radius_m, axis=0, mode="nearest")[:: max(1, round(radius_m / 4))])

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
        values: FloatArray = np.interp(np.asarray(s_m, dtype=np.float64), self.s_m, self.heading_rad)
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
        area = shapely.Polygon(
            np.concatenate([self.line(right_m, start_m, end_m), self.line(left_m, start_m, end_m)[::-1]])
        )
        if area.is_valid:
            return area
        middle = shapely.LineString(self.line((right_m + left_m) / 2, start_m, end_m))  # the inner edge has a loop
        return middle.buffer((left_m - right_m) / 2, cap_style="flat")

    def parallel(self, offset_m: float) -> Path:
        """The path beside this one."""
        return Path.through(self.line(offset_m))

    def reversed(self) -> Path:
        """The same line travelled the other way."""
        return Path.through(self.xy[::-1])


def dashes(path: Path, offset_m: float, width_m: float, dash_m: float, gap_m: float) -> shapely.Geometry:
    """A broken line along the whole path; `gap_m` 0 makes it whole."""
    right, left = offset_m - width_m / 2, offset_m + width_m / 2
    if gap_m == 0:
        return path.band(right, left)
    starts = np.arange(0.0, path.length_m - dash_m, dash_m + gap_m)
    return shapely.MultiPolygon([path.band(right, left, s, s + dash_m) for s in starts])


@dataclass(frozen=True)
class Section:
    """A road across, metres; the same on both sides but for the numbers of lanes.

    lanes_ahead and lanes_back: lanes in the direction of the path (right of its middle) and against it; parking_m,
    shoulder_m: strips of asphalt beside the lanes; verge_m: strip of green or paving beyond the kerb; pavement_m: 0
    where there is none; kerb_m: height of the kerb, 0 for none; centre: dashed | solid | double | none; edge_lines:
    painted or not; yellow: colour of the centre line.
    """

    lanes_ahead: int = 1
    lanes_back: int = 1
    lane_m: float = 3.2
    median_m: float = 0.0
    parking_m: float = 0.0
    shoulder_m: float = 0.3
    verge_m: float = 0.0
    pavement_m: float = 2.5
    kerb_m: float = 0.12
    centre: str = "dashed"
    edge_lines: bool = False
    yellow: bool = False
    line_m: float = 0.12
    dash_m: float = 3.0
    gap_m: float = 6.0

    @property
    def right_m(self) -> float:
        """Distance of the right kerb from the middle."""
        return self.median_m / 2 + self.lanes_ahead * self.lane_m + self.parking_m + self.shoulder_m

    @property
    def left_m(self) -> float:
        """Distance of the left kerb from the middle."""
        return self.median_m / 2 + self.lanes_back * self.lane_m + self.parking_m + self.shoulder_m

    @property
    def outer_m(self) -> float:
        """What lies between the kerb and the land beside the road."""
        return self.verge_m + self.pavement_m

    def lane_offset(self, lane: int, back: bool = False) -> float:
        """Offset of the middle of a lane, counted from the middle of the road."""
        offset = self.median_m / 2 + (lane + 0.5) * self.lane_m
        return offset if back else -offset


@dataclass(frozen=True, eq=False)
class Road:
    """A path with a section."""

    path: Path
    section: Section

    def kerb_offset(self, side: int) -> float:
        """Offset of the kerb of the left (side 1) or right (-1)."""
        return self.section.left_m if side > 0 else -self.section.right_m

    @property
    def carriageway(self) -> shapely.Polygon:
        return self.path.band(-self.section.right_m, self.section.left_m)

    @property
    def median(self) -> shapely.Geometry:
        if self.section.median_m < 0.5:
            return shapely.Polygon()
        return self.path.band(-self.section.median_m / 2, self.section.median_m / 2)

    @property
    def reserve(self) -> shapely.Polygon:
        """Everything between the outer edges of the pavements."""
        outer = self.section.outer_m
        return self.path.band(-self.section.right_m - outer, self.section.left_m + outer)

    def white_lines(self) -> shapely.Geometry:
        """Lane dividers, edge lines, and the centre line unless it is yellow."""
        s = self.section
        lines = [] if s.yellow else [self.centre_line()]
        for lanes, sign in ((s.lanes_ahead, -1), (s.lanes_back, 1)):
            for lane in range(1, lanes):
                lines.append(dashes(self.path, sign * (s.median_m / 2 + lane * s.lane_m), s.line_m, s.dash_m, s.gap_m))
            if s.edge_lines and lanes:
                lines.append(dashes(self.path, sign * (s.median_m / 2 + lanes * s.lane_m), s.line_m * 1.3, 1.0, 0.0))
                if s.median_m > 0.5:
                    lines.append(dashes(self.path, sign * (s.median_m / 2 + 0.25), s.line_m * 1.3, 1.0, 0.0))
            elif s.parking_m and not s.edge_lines:
                lines.append(self._parking_bays(sign, lanes))
        return shapely.union_all(lines)

    def centre_line(self) -> shapely.Geometry:
        s = self.section
        if s.centre == "none" or s.median_m > 0.5 or s.lanes_back == 0:
            return shapely.Polygon()
        if s.centre == "double":
            return shapely.union_all([dashes(self.path, d, s.line_m, 1.0, 0.0) for d in (-s.line_m, s.line_m)])
        return dashes(self.path, 0.0, s.line_m, s.dash_m, 0.0 if s.centre == "solid" else s.gap_m)

    def _parking_bays(self, sign: int, lanes: int) -> shapely.Geometry:
        inner = self.section.median_m / 2 + lanes * self.section.lane_m
        ends = sign * inner, sign * (inner + self.section.parking_m)
        starts = np.arange(3.0, self.path.length_m, 5.8)
        return shapely.MultiPolygon([self.path.band(min(ends), max(ends), s, s + 0.1) for s in starts])


def stop_line(road: Road, at_m: float, back: bool = False) -> shapely.Polygon:
    """A bar across the lanes of one direction."""
    s = road.section
    inner, outer = s.median_m / 2 + 0.15, s.median_m / 2 + (s.lanes_back if back else s.lanes_ahead) * s.lane_m
    return road.path.band(inner, outer, at_m, at_m + 0.4) if back else road.path.band(-outer, -inner, at_m, at_m + 0.4)


def zebra(road: Road, at_m: float, long_m: float = 3.0, ladder: bool = True) -> shapely.Geometry:
    """A crossing for people: bars along the road, or two lines across it."""
    right, left = -road.section.right_m + 0.3, road.section.left_m - 0.3
    if not ladder:
        return shapely.union_all([road.path.band(right, left, at_m + d, at_m + d + 0.25) for d in (0.0, long_m - 0.25)])
    bars = [road.path.band(d, min(d + 0.5, left), at_m, at_m + long_m) for d in np.arange(right, left - 0.2, 1.0)]
    return shapely.MultiPolygon(bars)


def arrow(road: Road, at_m: float, offset_m: float, back: bool = False) -> shapely.Geometry:
    """An arrow on a lane that shows straight on; none (an empty area) where the road ends under it."""
    shape = np.array([(0, -0.08), (2.6, -0.08), (2.6, -0.35), (4.2, 0), (2.6, 0.35), (2.6, 0.08), (0, 0.08)])
    s_m = at_m - shape[:, 0] if back else at_m + shape[:, 0]
    if s_m.min() < 0 or s_m.max() > road.path.length_m:
        return shapely.Polygon()
    return shapely.Polygon(road.path.at(s_m, offset_m + shape[:, 1]))


def cracks(rng: np.random.Generator, path: Path, right_m: float, left_m: float, per_100_m: float) -> shapely.Geometry:
    """Wandering cracks, sealed with bitumen a few centimetres wide: along the road, across it, and anyhow."""
    lines = []
    for _ in range(rng.poisson(per_100_m * path.length_m / 100)):
        start = np.array([rng.uniform(2, path.length_m - 2), rng.uniform(right_m, left_m)])
        along = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)], p=[0.4, 0.35, 0.25])
        steps = int(rng.integers(5, 40))
        heading = along + np.cumsum(rng.normal(0, 0.25, steps))
        walk = start + np.cumsum(0.35 * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
        walk = walk[(walk[:, 1] > right_m) & (walk[:, 1] < left_m)]
        if len(walk) > 2:
            lines.append(
                shapely.LineString(path.at(walk[:, 0], walk[:, 1])).buffer(rng.uniform(0.008, 0.03), quad_segs=1)
            )
    return shapely.union_all(lines) if lines else shapely.Polygon()


def patches(rng: np.random.Generator, path: Path, right_m: float, left_m: float, per_100_m: float) -> shapely.Geometry:
    """Mended places: rectangles and trenches."""
    areas = []
    for _ in range(rng.poisson(per_100_m * path.length_m / 100)):
        long, wide = (rng.uniform(0.5, 6), rng.uniform(0.5, 2.5)) if rng.random() < 0.6 else (rng.uniform(8, 40), 0.7)
        if rng.random() < 0.25:
            long, wide = 0.8, left_m - right_m
        start, offset = rng.uniform(0, path.length_m - 1), rng.uniform(right_m, max(right_m, left_m - wide))
        areas.append(path.band(offset, min(offset + wide, left_m), start, min(start + long, path.length_m)))
    return shapely.union_all(areas) if areas else shapely.Polygon()


def manholes(rng: np.random.Generator, path: Path, right_m: float, left_m: float, spacing_m: float) -> shapely.Geometry:
    """Round covers in the lanes and square drains at the kerbs."""
    s = np.arange(rng.uniform(0, spacing_m), path.length_m, spacing_m)
    covers = shapely.buffer(shapely.points(path.at(s, rng.uniform(right_m + 1, left_m - 1, len(s)))), 0.32, quad_segs=4)
    drains = [path.band(right_m + 0.05, right_m + 0.4, a, a + 0.5) for a in s[:-1] + spacing_m / 2]
    drains += [path.band(left_m - 0.4, left_m - 0.05, a, a + 0.5) for a in s[:-1] + spacing_m / 3]
    return shapely.union_all([*covers, *drains])
