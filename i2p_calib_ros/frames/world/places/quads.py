"""Gathers many flat rectangles, of many materials, into one mesh: facades, roofs, racks are made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.vectors import length

FloatArray = NDArray[np.float64]

_FACES = np.array(
    [
        [(0, 2, 4), (1, 2, 4), (1, 2, 5), (0, 2, 5)],  # front
        [(1, 3, 4), (0, 3, 4), (0, 3, 5), (1, 3, 5)],  # back
        [(1, 2, 4), (1, 3, 4), (1, 3, 5), (1, 2, 5)],  # right
        [(0, 3, 4), (0, 2, 4), (0, 2, 5), (0, 3, 5)],  # left
        [(0, 2, 5), (1, 2, 5), (1, 3, 5), (0, 3, 5)],  # top
        [(0, 3, 4), (1, 3, 4), (1, 2, 4), (0, 2, 4)],  # bottom
    ]
)
"""Faces of a box, counter-clockwise seen from outside: for x, y and z of each corner which of the limits
x0, x1, y0, y1, z0, z1 it is."""


class Quads:
    """Rectangles along the axes, added many at a time: limits are numbers or arrays (n,), metres."""

    def __init__(self) -> None:
        self._corners: list[FloatArray] = []
        self._material: list[NDArray[np.int32]] = []

    def add(self, corners: ArrayLike, material: ArrayLike) -> None:
        """Any quads (n, 4, 3), counter-clockwise seen from outside, of one material or one each (n,)."""
        quads = np.asarray(corners, dtype=np.float64).reshape(-1, 4, 3)
        self._corners.append(quads)
        self._material.append(np.broadcast_to(np.asarray(material, dtype=np.int32), len(quads)))

    def front(
        self, x0: ArrayLike, x1: ArrayLike, z0: ArrayLike, z1: ArrayLike, y: ArrayLike, material: ArrayLike
    ) -> None:
        """Upright, seen from -y."""
        self._add((x0, x1, y, y, z0, z1), _FACES[:1], material)

    def level(
        self, x0: ArrayLike, x1: ArrayLike, y0: ArrayLike, y1: ArrayLike, z: ArrayLike, material: ArrayLike
    ) -> None:
        """Level, seen from above."""
        self._add((x0, x1, y0, y1, z, z), _FACES[4:5], material)

    def side(
        self, x: ArrayLike, y0: ArrayLike, y1: ArrayLike, z0: ArrayLike, z1: ArrayLike, material: ArrayLike
    ) -> None:
        """Upright, seen from +x."""
        self._add((x, x, y0, y1, z0, z1), _FACES[2:3], material)

    def block(
        self,
        x0: ArrayLike,
        x1: ArrayLike,
        y0: ArrayLike,
        y1: ArrayLike,
        z0: ArrayLike,
        z1: ArrayLike,
        material: ArrayLike,
    ) -> None:
        """Boxes with all six faces."""
        self._add((x0, x1, y0, y1, z0, z1), _FACES, material)

    def polygon(self, points: ArrayLike, material: int) -> None:
        """A flat convex polygon (n, 3), as a fan of triangles."""
        p = np.asarray(points, dtype=np.float64)
        fan = [(p[0], p[i], p[i + 1], p[i + 1]) for i in range(1, len(p) - 1)]
        self.add(np.array(fan), material)

    def mesh(self) -> Mesh:
        """All rectangles; texture coordinates are the world's axes, walls keep z as their second one."""
        if not self._corners:
            return Mesh.empty()
        quads, material = np.concatenate(self._corners), np.concatenate(self._material)
        mesh = Mesh.create(quads[:, [[0, 1, 2], [0, 2, 3]]], np.repeat(material, 2))
        return mesh[length(mesh.normals[:, 0]) > 0.5]  # without the second triangle of a triangle

    def _add(self, limits: tuple[ArrayLike, ...], faces: NDArray[np.int64], material: ArrayLike) -> None:
        """Some `faces` (k, 4, 3) of boxes: which of the six limits are the coordinates of their corners."""
        sizes = [np.size(limit) for limit in limits]
        boxes = np.empty((max(sizes) if min(sizes) else 0, len(limits)))
        for column, limit in enumerate(limits):
            boxes[:, column] = limit
        materials = np.empty((len(boxes), len(faces)), dtype=np.int32)
        materials[:] = np.asarray(material)[..., None]
        self._corners.append(boxes[:, faces].reshape(-1, 4, 3))
        self._material.append(materials.ravel())
