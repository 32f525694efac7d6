"""Triangle meshes with texture coordinates, normals and a material a triangle; everything in the world is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.vectors import bounds, cross, dot, length, unit

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles as arrays with one row a triangle.

    corners (n, 3, 3) metres, counter-clockwise seen from outside; uv (n, 3, 2) texture coordinates in metres on the
    surface; normals (n, 3, 3) unit shading normals at the corners; material (n,) index into the place's materials.
    """

    corners: FloatArray
    uv: FloatArray
    normals: FloatArray
    material: NDArray[np.int32]

    @classmethod
    def create(
        cls,
        corners: ArrayLike,
        material: int | NDArray[np.int32],
        uv: ArrayLike | None = None,
        normals: ArrayLike | None = None,
    ) -> Mesh:
        """A mesh of one material, or of one a triangle (n,).

        Without `uv`, faces are unrolled by their dominant axis; without `normals`, flat.
        """
        corners = np.ascontiguousarray(corners, dtype=np.float32).reshape(-1, 3, 3)
        flat = face_normals(corners)
        corner_normals = np.repeat(flat[:, None], 3, axis=1) if normals is None else np.asarray(normals)
        texture = _planar_uv(corners, flat) if uv is None else np.asarray(uv)
        return cls(
            corners,
            np.ascontiguousarray(texture, dtype=np.float32).reshape(-1, 3, 2),
            np.ascontiguousarray(corner_normals, dtype=np.float32).reshape(-1, 3, 3),
            np.full(len(corners), material, dtype=np.int32),
        )

    @classmethod
    def empty(cls) -> Mesh:
        """No triangles."""
        return cls.create(np.zeros((0, 3, 3)), 0)

    @classmethod
    def merge(cls, meshes: Sequence[Mesh]) -> Mesh:
        """All triangles of the meshes."""
        if not meshes:
            return cls.empty()
        return cls(
            *(
                np.concatenate([getattr(mesh, name) for mesh in meshes])
                for name in ("corners", "uv", "normals", "material")
            )
        )

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, rows: NDArray[np.generic]) -> Mesh:
        """Some of the triangles, by their indices or by a mask (n,)."""
        return Mesh(self.corners[rows], self.uv[rows], self.normals[rows], self.material[rows])

    def transformed(self, T_target_source: ArrayLike) -> Mesh:
        """The mesh in another frame; T (4, 4) may scale uniformly or mirror."""
        T = np.asarray(T_target_source, dtype=np.float32)
        # One flat product: a stack of 3 x 3 products takes ten times as long.
        corners = (self.corners.reshape(-1, 3) @ T[:3, :3].T + T[:3, 3]).reshape(-1, 3, 3)
        normals = unit(self.normals.reshape(-1, 3) @ T[:3, :3].T).reshape(-1, 3, 3)
        if np.linalg.det(T[:3, :3]) < 0:  # keep the corners counter-clockwise
            order = [0, 2, 1]
            corners, normals, uv = (values.take(order, axis=1) for values in (corners, normals, self.uv))
            return replace(self, corners=corners, normals=normals, uv=uv)
        return replace(self, corners=corners, normals=normals)

    def translated(self, x: float, y: float, z: float = 0.0) -> Mesh:
        """The mesh moved by (x, y, z) metres."""
        return replace(self, corners=self.corners + np.array([x, y, z], dtype=np.float32))

    def placed(self, x: float, y: float, z: float = 0.0, yaw_rad: float = 0.0, scale: float = 1.0) -> Mesh:
        """The mesh scaled, turned about the vertical and moved: how objects are put on the ground."""
        c, s = scale * np.cos(yaw_rad), scale * np.sin(yaw_rad)
        return self.transformed([[c, -s, 0, x], [s, c, 0, y], [0, 0, scale, z], [0, 0, 0, 1]])

    def with_material(self, material: int) -> Mesh:
        """The same surface of another material."""
        return replace(self, material=np.full(len(self), material, dtype=np.int32))

    @cached_property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Least and greatest corner (3,), (3,)."""
        return bounds(self.corners)


def face_normals(corners: FloatArray) -> FloatArray:
    """Unit normals (n, 3) of triangles (n, 3, 3); zero for degenerate ones."""
    return unit(cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def grid_mesh(
    points: ArrayLike,
    material: int | NDArray[np.int32],
    uv: ArrayLike | None = None,
    smooth: bool = True,
    closed: bool = False,
) -> Mesh:
    """A surface of a grid of points (rows, columns, 3), seen from the side where columns x rows points to.

    material: one for all or one a quad (rows - 1, columns - 1), of which negative ones are left out as holes.
    uv (rows, columns, 2) metres; by default the arc lengths along columns and rows. `smooth` shades it as a curved
    surface, otherwise every quad is flat. `closed`: the last column repeats the first, without a seam in the shading.
    """
    grid = np.asarray(points, dtype=np.float64)
    rows, columns = grid.shape[:2]
    if uv is None:
        along_columns = np.zeros((rows, columns))
        along_columns[:, 1:] = np.cumsum(length(np.diff(grid, axis=1)), axis=1)
        along_rows = np.zeros((rows, columns))
        along_rows[1:] = np.cumsum(length(np.diff(grid, axis=0)), axis=0)
        uv = np.stack([along_columns, along_rows], axis=-1)
    at = _grid_triangles(rows, columns)

    def corners_of(values: ArrayLike) -> FloatArray:
        flat: FloatArray = np.asarray(values).reshape(rows * columns, -1).astype(np.float32)
        return flat.take(at, axis=0)

    corners = corners_of(grid)
    flat = face_normals(corners)
    normals = np.repeat(flat[:, None], 3, axis=1)
    if smooth:
        wrapped = np.concatenate([grid[:, -2:-1], grid, grid[:, 1:2]], axis=1) if closed else grid
        tangent_u, tangent_v = np.gradient(wrapped, axis=1), np.gradient(grid, axis=0)
        tangent_u = tangent_u[:, 1:-1] if closed else tangent_u
        curved = corners_of(unit(cross(tangent_u, tangent_v)))
        # Where rows or columns meet in a point or fold, the surface has no tangents: the face gives the normal.
        normals = np.where((dot(normals, curved) < 0.1)[..., None], normals, curved)
    quads = np.broadcast_to(np.asarray(material, dtype=np.int32), (rows - 1, columns - 1))
    mesh = Mesh(corners, corners_of(uv), normals, np.repeat(quads.ravel(), 2))
    return mesh[(length(flat) > 0.5) & (mesh.material >= 0)]


@cache
def _grid_triangles(rows: int, columns: int) -> NDArray[np.int64]:
    """Corners (n, 3) of two triangles for each quad of a grid, as indices of its points row by row."""
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def box(size: ArrayLike, material: int, centre: ArrayLike = (0.0, 0.0, 0.0)) -> Mesh:
    """An axis-aligned box of `size` (3,) metres around `centre` (3,)."""
    cube = _cube()
    half = np.asarray(size, dtype=np.float32) * np.float32(0.5)
    corners = cube.corners * half + np.asarray(centre, dtype=np.float32)
    return replace(cube.with_material(material), corners=corners, uv=_planar_uv(corners, cube.normals[:, 0]))


@cache
def _cube() -> Mesh:
    """A box of side 2 around the origin."""
    faces = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v, normal = np.zeros(3), np.zeros(3), np.zeros(3)
            u[(axis + 1) % 3], v[(axis + 2) % 3], normal[axis] = 1.0, sign, sign
            a, b, c, d = normal - u - v, normal + u - v, normal + u + v, normal - u + v
            faces += [[a, b, c], [a, c, d]]
    return Mesh.create(faces, 0)


def cylinder(
    radius_m: float, height_m: float, material: int, sides: int = 12, top_radius_m: float | None = None
) -> Mesh:
    """A capped (truncated) cone standing on the origin, axis up, smooth around."""
    top = radius_m if top_radius_m is None else top_radius_m
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def level(radius: float, z: float) -> NDArray[np.float64]:
        return np.column_stack([radius * ring, np.full(sides + 1, z)])

    side = grid_mesh([level(radius_m, 0.0), level(top, height_m)], material, closed=True)
    cap = [[(0, 0, height_m), level(top, height_m)[i], level(top, height_m)[i + 1]] for i in range(sides)]
    return Mesh.merge([side, Mesh.create(cap, material)]) if top > 0 else side


def extrude(outline: ArrayLike, height_m: float, side: int, top: int, base_z: float = 0.0) -> Mesh:
    """Walls and flat roof over a counter-clockwise, convex or star-shaped outline (n, 2), metres."""
    points = np.asarray(outline, dtype=np.float64)
    closed = np.vstack([points, points[:1]])
    walls = []
    start = 0.0
    for a, b in pairwise(closed):
        length = float(np.linalg.norm(b - a))
        quad = np.array([[*a, base_z], [*b, base_z], [*b, base_z + height_m], [*a, base_z + height_m]])
        uv = np.array([[start, 0], [start + length, 0], [start + length, height_m], [start, height_m]])
        walls.append(Mesh.create(quad[[[0, 1, 2], [0, 2, 3]]], side, uv[[[0, 1, 2], [0, 2, 3]]]))
        start += length
    centre = points.mean(axis=0)
    fan = [
        [(*centre, base_z + height_m), (*a, base_z + height_m), (*b, base_z + height_m)] for a, b in pairwise(closed)
    ]
    return Mesh.merge([*walls, Mesh.create(fan, top)])


def _planar_uv(corners: FloatArray, normals: FloatArray) -> FloatArray:
    """Texture coordinates by dropping the dominant axis of the normal; walls keep z as their second coordinate."""
    dominant = np.abs(normals).argmax(axis=1)
    first = np.where(dominant == 0, 1, 0)
    second = np.where(dominant == 2, 1, 2)
    rows = np.arange(len(corners))[:, None]
    columns = np.arange(3)[None]
    return np.stack([corners[rows, columns, first[:, None]], corners[rows, columns, second[:, None]]], axis=-1)
