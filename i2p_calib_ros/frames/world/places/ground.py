"""The ground of a place: a height field, and flat regions (asphalt, paint, grass) laid on it without overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.mesh import Mesh

FloatArray = NDArray[np.float64]
UvOf = Callable[[FloatArray], FloatArray]

TILE_M = 5.0
"""Side of a tile of the terrain; the waves of the land are at least five times as long."""

GRID_M = 1e-4
"""Outlines are rounded to this, which makes cutting them robust."""
SLIVER_M = 5e-4
"""Narrower triangles have no direction in single precision."""


@dataclass(frozen=True, eq=False)
class Terrain:
    """Heights on a square lattice, bilinear in each tile, so that surfaces cut at the tile borders meet without gaps.

    origin_xy (2,) metres of heights_m[0, 0]; heights_m (rows along y, columns along x); outside, the border's height.
    """

    origin_xy: FloatArray
    tile_m: float
    heights_m: FloatArray

    @classmethod
    def sampled(
        cls, height_of: Callable[[FloatArray], FloatArray], bounds: ArrayLike, tile_m: float = TILE_M
    ) -> Terrain:
        """The lattice over bounds (x_min, y_min, x_max, y_max) of a function of points (..., 2) metres."""
        x_min, y_min, x_max, y_max = np.asarray(bounds, dtype=np.float64)
        x = np.arange(x_min, x_max + tile_m, tile_m)
        y = np.arange(y_min, y_max + tile_m, tile_m)
        lattice = np.stack(np.meshgrid(x, y), axis=-1)
        return cls(np.array([x_min, y_min]), tile_m, height_of(lattice))

    @property
    def polygon(self) -> shapely.Polygon:
        """The rectangle that the lattice covers."""
        rows, columns = self.heights_m.shape
        low = self.origin_xy
        high = low + self.tile_m * np.array([columns - 1, rows - 1])
        return shapely.box(low[0], low[1], high[0], high[1])

    def height(self, xy: ArrayLike) -> FloatArray:
        """Height (...) at points (..., 2), metres."""
        return self._bilinear(self.heights_m, np.asarray(xy, dtype=np.float64))

    def gradient(self, xy: ArrayLike) -> FloatArray:
        """Slope (..., 2) at points (..., 2), continuous from tile to tile."""
        along_y, along_x = (np.asarray(g) for g in np.gradient(self.heights_m, self.tile_m))
        points = np.asarray(xy, dtype=np.float64)
        return np.stack([self._bilinear(along_x, points), self._bilinear(along_y, points)], axis=-1)

    def drape(self, mesh: Mesh) -> Mesh:
        """The mesh, modelled on level ground, bent to follow this one."""
        if not len(mesh):
            return mesh
        xy = mesh.corners[..., :2].astype(np.float64)
        corners = mesh.corners.copy()
        corners[..., 2] += self.height(xy)
        normals = mesh.normals.copy()
        normals[..., :2] -= self.gradient(xy) * normals[..., 2:]
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        return replace(mesh, corners=corners, normals=normals.astype(np.float32))

    def put(self, mesh: Mesh, x: float, y: float, yaw_rad: float = 0.0, scale: float = 1.0, z: float = 0.0) -> Mesh:
        """The mesh standing upright on the ground at (x, y), `z` above it."""
        return mesh.placed(x, y, float(self.height([x, y])) + z, yaw_rad, scale)

    def _bilinear(self, values: FloatArray, xy: FloatArray) -> FloatArray:
        rows, columns = values.shape
        place = np.clip((xy - self.origin_xy) / self.tile_m, 0, [columns - 1, rows - 1])
        corner = np.minimum(place.astype(np.int64), [columns - 2, rows - 2])
        u, v = np.moveaxis(place - corner, -1, 0)
        column, row = np.moveaxis(corner, -1, 0)
        low = values[row, column] * (1 - u) + values[row, column + 1] * u
        high = values[row + 1, column] * (1 - u) + values[row + 1, column + 1] * u
        return low * (1 - v) + high * v


def undulation(
    rng: np.random.Generator, slope: float = 0.01, wavelengths_m: tuple[float, float] = (25.0, 150.0), waves: int = 8
) -> Callable[[FloatArray], FloatArray]:
    """A random smooth height function of points (..., 2), metres, of about the root-mean-square `slope`."""
    wavelength = np.exp(rng.uniform(np.log(wavelengths_m[0]), np.log(wavelengths_m[1]), waves))
    direction = rng.uniform(0, 2 * np.pi, waves)
    phase = rng.uniform(0, 2 * np.pi, waves)
    number = 2 * np.pi / wavelength[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    amplitude = slope * wavelength / (2 * np.pi) * np.sqrt(2 / waves)

    def height(xy: FloatArray) -> FloatArray:
        values: FloatArray = np.sin(xy @ number.T + phase) @ amplitude
        return values

    return height


def blotches(rng: np.random.Generator, bounds: ArrayLike, count: int, size_m: tuple[float, float]) -> shapely.Geometry:
    """Irregular spots anywhere within bounds (x_min, y_min, x_max, y_max): bare soil, dry grass, stains."""
    low, high = np.asarray(bounds, dtype=np.float64).reshape(2, 2)
    angle = np.arange(12) * 2 * np.pi / 12
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    spots = []
    for centre in rng.uniform(low, high, (count, 2)):
        stretch = rng.uniform(*size_m) * np.array([1.0, rng.uniform(0.3, 1.0)]) / 2
        turn = rng.uniform(0, np.pi)
        c, s = np.cos(turn), np.sin(turn)
        rim = circle * stretch * rng.uniform(0.7, 1.3, (12, 1))
        spots.append(shapely.Polygon(rim @ np.array([[c, s], [-s, c]]) + centre))
    return shapely.union_all(spots) if spots else shapely.Polygon()


@dataclass(frozen=True, eq=False)
class Region:
    """A flat area: a shapely polygon or several, its material, its height over the terrain, and texture coordinates.

    uv_of maps points (n, 2) to texture coordinates (n, 2) in metres; by default world x, y.
    """

    area: shapely.Geometry
    material: int
    z: float = 0.0
    uv_of: UvOf | None = None


def lay(regions: Sequence[Region], terrain: Terrain) -> Mesh:
    """The regions on the terrain; where they overlap, the earlier one is seen and the later one is cut out."""
    meshes = []
    covered = free = shapely.Polygon()
    for region in regions:
        covered = _polygons(shapely.union(covered, free, grid_size=GRID_M))
        inside = shapely.intersection(_polygons(region.area), terrain.polygon, grid_size=GRID_M)
        free = _polygons(shapely.difference(_polygons(inside), covered, grid_size=GRID_M))
        triangles = _triangles(free, terrain)
        if not len(triangles):
            continue
        corners = np.concatenate([triangles, np.full((*triangles.shape[:2], 1), region.z)], axis=-1)
        uv = None if region.uv_of is None else region.uv_of(triangles.reshape(-1, 2)).reshape(-1, 3, 2)
        meshes.append(Mesh.create(corners, region.material, uv))
    return terrain.drape(Mesh.merge(meshes))


def upright_band(lines: shapely.Geometry, z_low: float, z_high: float, material: int, terrain: Terrain) -> Mesh:
    """A vertical face along lines, seen from their left and right alike: kerbs, low walls. Metres over the terrain."""
    quads = []
    texture = []
    for line in shapely.get_parts(shapely.segmentize(lines, terrain.tile_m / 2)):
        xy = shapely.get_coordinates(line)
        start = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(xy, axis=0), axis=1))])
        a, b = xy[:-1], xy[1:]
        low_a, low_b = (np.column_stack([p, np.full(len(p), z_low)]) for p in (a, b))
        high_a, high_b = (np.column_stack([p, np.full(len(p), z_high)]) for p in (a, b))
        quads += [np.stack([low_a, low_b, high_b], axis=1), np.stack([low_a, high_b, high_a], axis=1)]
        u_a, u_b = start[:-1], start[1:]
        low, high = np.full(len(a), z_low), np.full(len(a), z_high)
        corner = [np.stack(pair, axis=1) for pair in ((u_a, low), (u_b, low), (u_b, high), (u_a, high))]
        texture += [
            np.stack([corner[0], corner[1], corner[2]], axis=1),
            np.stack([corner[0], corner[2], corner[3]], axis=1),
        ]
    if not quads:
        return Mesh.empty()
    return terrain.drape(Mesh.create(np.concatenate(quads), material, np.concatenate(texture)))


def _polygons(geometry: shapely.Geometry) -> shapely.Geometry:
    """The areas of a geometry, without the points and lines that cutting leaves where outlines touch."""
    if geometry.geom_type != "GeometryCollection":
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.union_all(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON], grid_size=GRID_M)


def _triangles(area: shapely.Geometry, terrain: Terrain) -> FloatArray:
    """Triangles (n, 3, 2), counter-clockwise, of an area cut along the tiles of the terrain."""
    if area.is_empty:
        return np.zeros((0, 3, 2))
    t = terrain.tile_m
    low = np.floor((np.array(area.bounds[:2]) - terrain.origin_xy) / t).astype(int)
    high = np.ceil((np.array(area.bounds[2:]) - terrain.origin_xy) / t).astype(int)
    x, y = np.meshgrid(*(terrain.origin_xy[i] + np.arange(low[i], high[i]) * t for i in range(2)))
    tiles = shapely.box(x, y, x + t, y + t)
    shapely.prepare(area)
    whole = shapely.contains_properly(area, tiles)
    cut = ~whole & shapely.intersects(area, tiles)

    def rows(part: shapely.Geometry, first: int, count: int) -> shapely.Geometry:
        south = y[first, 0]
        return shapely.intersection(part, shapely.box(area.bounds[0] - 1, south, area.bounds[2] + 1, south + count * t))

    # In two steps, because cutting an area takes as long as its outline has corners.
    wide = int(np.ceil(np.sqrt(len(tiles))))
    pieces = [np.zeros(0, dtype=object)]
    for row, its_cut in enumerate(cut):
        if row % wide == 0:
            band = rows(area, row, wide)
        if its_cut.any():
            pieces.append(shapely.intersection(rows(band, row, 1), tiles[row, its_cut]))
    corner = np.stack([x[whole], y[whole]], axis=-1)[:, None]
    square = np.array([[0, 0], [t, 0], [t, t], [0, t]])
    full = np.concatenate([corner + square[[0, 1, 2]], corner + square[[0, 2, 3]]])
    return np.concatenate([full, _constrained_triangles(np.concatenate(pieces))])


def _constrained_triangles(areas: NDArray[np.object_]) -> FloatArray:
    polygons = shapely.get_parts(areas)
    polygons = polygons[(shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON) & (shapely.area(polygons) > 0)]
    if not len(polygons):
        return np.zeros((0, 3, 2))
    faces = shapely.get_parts(shapely.constrained_delaunay_triangles(polygons))
    xy = shapely.get_coordinates(faces).reshape(-1, 4, 2)[:, :3]
    first, second = xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0]
    doubled_area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    xy[doubled_area < 0] = xy[doubled_area < 0][:, ::-1]
    longest = np.linalg.norm(xy - np.roll(xy, 1, axis=1), axis=-1).max(axis=1)
    return xy[np.abs(doubled_area) > SLIVER_M * longest]
