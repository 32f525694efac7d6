"""Gathers many flat rectangles, of many materials, into one mesh: facades, roofs, racks are made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.vectors import length

FloatArray = NDArray[np.float64]


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
        self._add([(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)], material)

    def level(
        self, x0: ArrayLike, x1: ArrayLike, y0: ArrayLike, y1: ArrayLike, z: ArrayLike, material: ArrayLike
    ) -> None:
        """Level, seen from above."""
        self._add([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], material)

    def side(
        self, x: ArrayLike, y0: ArrayLike, y1: ArrayLike, z0: ArrayLike, z1: ArrayLike, material: ArrayLike
    ) -> None:
        """Upright, seen from +x."""
        self._add([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)], material)

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
        self.front(x0, x1, z0, z1, y0, material)
        self.front(x1, x0, z0, z1, y1, material)
        self.side(x1, y0, y1, z0, z1, material)
        self.side(x0, y1, y0, z0, z1, material)
        self.level(x0, x1, y0, y1, z1, material)
        self.level(x0, x1, y1, y0, z0, material)

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

    def _add(self, corners: list[tuple[ArrayLike, ArrayLike, ArrayLike]], material: ArrayLike) -> None:
        values = [np.asarray(v, dtype=np.float64) for corner in corners for v in corner]
        sizes = [v.size for v in values]
        quads = np.empty((max(sizes) if min(sizes) else 0, 12))
        for column, value in enumerate(values):
            quads[:, column] = value
        self.add(quads, material)
