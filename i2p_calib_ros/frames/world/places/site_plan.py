"""A place while it is being built: its ground, what stands on it already, and a stock of ready-made objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh, face_normals
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Actor, Place
from i2p_calib_ros.frames.world.places.ground import Terrain
from i2p_calib_ros.frames.world.vectors import dot

TEXTURE_VARIANTS = 4
"""Each costs a process 30 MB when it is first seen."""

SENSOR_M = 5.0
"""Sensors are nearer than this to the point of the way below them."""


class Site:
    """Collects meshes; `lamps` are the positions (3,) of lamps that shine at dusk."""

    def __init__(self, rng: np.random.Generator, terrain: Terrain) -> None:
        self.rng = rng
        self.terrain = terrain
        self.palette = Palette()
        self.lamps: list[NDArray[np.float64]] = []
        self._way: shapely.Geometry = shapely.Point()
        self._parts: list[Mesh] = []
        self._taken: list[shapely.Geometry] = []
        self._bounds: list[tuple[float, float, float, float]] = []
        self._stock: dict[str, list[Mesh]] = {}

    def from_stock(self, name: str, variants: int, make: Callable[..., Mesh], *arguments: object) -> Mesh:
        """One of a few objects of a name, made by make(rng, palette, *arguments) when first asked for.

        That is fast, and things in a street are as alike as series products.
        """
        shelf = self._stock.setdefault(name, [])
        if len(shelf) < variants:
            shelf.append(make(self.rng, self.palette, *arguments))
            return shelf[-1]
        return shelf[int(self.rng.integers(len(shelf)))]

    def add(self, mesh: Mesh, far: bool = False) -> None:
        """A mesh in the world frame, without asking whether there is room.

        `far`: a closed body so far from the way that its sides may be left out which face away from all of it: no
        sensor sees them.
        """
        self._parts.append(mesh[self._faces_way(mesh)] if far else mesh)

    def put(
        self,
        mesh: Mesh,
        x: float,
        y: float,
        yaw_rad: float = 0.0,
        z: float = 0.0,
        scale: float = 1.0,
        radius_m: float | None = None,
        far: bool = False,
    ) -> bool:
        """Stand the mesh upright on the ground, `z` above it, unless something is there; `far`: see `add`.

        The room it takes is a disc of `radius_m` (0: none), or else its bounding rectangle.
        """
        if radius_m != 0.0:
            low, high = mesh.bounds
            area = (
                shapely.Point(x, y).buffer(radius_m, quad_segs=2)
                if radius_m is not None
                else footprint(x, y, yaw_rad, low[:2] * scale, high[:2] * scale)
            )
            if not self.is_free(area):
                return False
            self.take(area)
        self.add(self.terrain.put(mesh, x, y, yaw_rad, scale, z), far)
        return True

    def is_free(self, area: shapely.Geometry) -> bool:
        """Whether nothing has taken a part of the area."""
        if not self._taken:
            return True
        x0, y0, x1, y1 = area.bounds
        bounds = np.array(self._bounds)
        near = (bounds[:, 0] < x1) & (bounds[:, 2] > x0) & (bounds[:, 1] < y1) & (bounds[:, 3] > y0)
        return not any(shapely.intersects(self._taken[i], area) for i in np.flatnonzero(near))

    def take(self, area: shapely.Geometry) -> None:
        """Keep the area free of what is put later."""
        if area.is_empty:
            return
        shapely.prepare(area)
        self._taken.append(area)
        self._bounds.append(area.bounds)

    def take_way(self, way: shapely.Geometry, clear_m: float) -> None:
        """Keep the way of the recording vehicle free, `clear_m` to either side."""
        self._way = way
        shapely.prepare(way)
        self.take(way.buffer(clear_m))

    def beside_way(self, x: float, y: float, within_m: float) -> bool:
        """Whether (x, y) is at most `within_m` from the way of the recording vehicle: what stands there is seen well.

        Everything is as long as no way is taken.
        """
        return self._way.is_empty or bool(shapely.dwithin(self._way, shapely.Point(x, y), within_m))

    def _faces_way(self, mesh: Mesh) -> NDArray[np.bool_]:
        """Which triangles (n,) face any sensor on the way."""
        xy = shapely.get_coordinates(self._way.simplify(0.5))
        sensors = np.column_stack([xy, self.terrain.height(xy)]).astype(np.float32)
        outward = face_normals(mesh.corners)
        reach: NDArray[np.floating] = (outward @ sensors.T).max(axis=1) - dot(outward, mesh.corners[:, 0])
        return reach > -SENSOR_M

    def finish(self, kind: str, actors: Sequence[Actor], ego: Trajectory, indoor: bool = False) -> Place:
        """The place, with everything that stands in one mesh."""
        return Place(
            kind=kind,
            static=Mesh.merge(self._parts),
            actors=tuple(actors),
            materials=tuple(self.palette.materials),
            ego=ego,
            lamps=np.array(self.lamps, dtype=np.float64).reshape(-1, 3),
            indoor=indoor,
            texture_seed=int(self.rng.integers(TEXTURE_VARIANTS)),
        )


def footprint(
    x: float, y: float, yaw_rad: float, low: NDArray[np.float32], high: NDArray[np.float32]
) -> shapely.Polygon:
    """The rectangle from `low` to `high` (2,) of a body at (x, y) turned by yaw."""
    corners = np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])], dtype=np.float64)
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return shapely.Polygon(corners @ np.array([[c, s], [-s, c]]) + (x, y))
