"""Rays through a place: Embree for the triangles, one acceleration structure for what stands and one a moving body.

A ray carries its own time. Rays that may meet a moving body are brought into the body's frame at their time, so that a
rolling sweep sees traffic where it was when each beam fired, and nothing is rebuilt from frame to frame.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.vectors import bounds, dot, unit

FloatArray = NDArray[np.float32]

NOTHING_M = np.float32(1e6)
"""Distance of a ray that meets nothing."""

KNOT_SPACING_S = 0.0125
"""A body that turns by a radian a second is off by a tenth of a millimetre at 5 m, half-way between knots."""


@dataclass(frozen=True, eq=False)
class Hits:
    """What n rays met first. distance_m (n,), NOTHING_M where nothing; the other rows are zero there, material -1.

    xyz (n, 3) world metres; normal (n, 3) unit shading normal in the world, on the side of the ray's origin;
    uv (n, 2) texture coordinates in metres; material (n,).
    """

    distance_m: FloatArray
    xyz: FloatArray
    normal: FloatArray
    uv: FloatArray
    material: NDArray[np.int32]

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Which rays met something (n,)."""
        return self.material >= 0

    def __getitem__(self, rows: NDArray[np.int64]) -> Hits:
        return Hits(*(field.take(rows, axis=0) for field in vars(self).values()))


class Tracer:
    """Answers rays through one place."""

    def __init__(self, place: Place) -> None:
        self._bodies = [_Body(place.static, None)] + [_Body(a.mesh, a.trajectory) for a in place.actors]

    def moving(self, time_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres (n, 3) and radii (n,) of spheres around the moving bodies at one time, in the order of the place."""
        moving = [(body.trajectory.position(time_s), body.radius) for body in self._bodies if body.trajectory]
        return np.array([centre for centre, _ in moving]).reshape(-1, 3), np.array([radius for _, radius in moving])

    def at(self, time_s: float, which: NDArray[np.bool_] | None = None) -> Tracer:
        """The place with everything stopped at one time, for the many rays of an image.

        `which` (n,): the moving bodies that matter; the others are left out.
        """
        stopped = copy(self)
        bodies = self._bodies[1:]
        kept = bodies if which is None else [bodies[i] for i in np.flatnonzero(which)]
        stopped._bodies = [self._bodies[0], _Body(Mesh.merge([body.stopped(time_s) for body in kept]), None)]
        return stopped

    def trace(self, origins: ArrayLike, directions: ArrayLike, times_s: ArrayLike = 0.0) -> Hits:
        """First hits of rays in the world frame: origins (n, 3) or (3,), unit directions (n, 3), times (n,) or ()."""
        o, d, t = _rays(origins, directions, times_s)
        n = len(d)
        distance = np.full(n, NOTHING_M, dtype=np.float32)
        normal, uv = (np.zeros((n, width), dtype=np.float32) for width in (3, 2))
        material = np.full(n, -1, dtype=np.int32)
        bundle = _Bundle(o, d, t)
        for body in self._bodies:
            rows, poses = body.candidates(bundle, distance)
            if rows.size == 0:
                continue
            nearer, found = body.trace(*bundle.of(rows), poses, distance.take(rows))
            rows = rows.take(nearer)
            distance[rows], normal[rows], uv[rows], material[rows] = found
        xyz = (o + d * distance[:, None]) * (material >= 0)[:, None]
        normal *= np.where(dot(normal, d) > 0, np.float32(-1), np.float32(1))[:, None]
        return Hits(distance, xyz, normal, uv, material)

    def occluded(
        self, origins: ArrayLike, directions: ArrayLike, times_s: ArrayLike = 0.0, reach_m: ArrayLike = 200.0
    ) -> NDArray[np.bool_]:
        """Which rays meet anything within `reach_m`, (n,) or (): shadows."""
        o, d, t = _rays(origins, directions, times_s)
        reach = np.broadcast_to(np.asarray(reach_m, dtype=np.float32), (len(d),))
        blocked = np.zeros(len(d), dtype=bool)
        bundle = _Bundle(o, d, t)
        for body in self._bodies:
            rows, poses = body.candidates(bundle, np.where(blocked, np.float32(0), reach))
            if rows.size:
                blocked[rows] = body.meets(*bundle.of(rows), poses, reach.take(rows))
        return blocked


class _Bundle:
    """Rays that are asked together: origins o (n, 3), directions d (n, 3), times t (n,)."""

    def __init__(self, o: FloatArray, d: FloatArray, t: NDArray[np.float64]) -> None:
        self.o, self.d, self.t = o, d, t

    def of(self, rows: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Origins and directions of the rays `rows` (m,), which ascend."""
        if rows.size == len(self.d):
            return self.o, self.d
        return self.o.take(rows, axis=0), self.d.take(rows, axis=0)

    @cached_property
    def origins(self) -> tuple[NDArray[np.float64], float]:
        """Centre and radius of a sphere around all origins."""
        low, high = (limit.astype(np.float64) for limit in bounds(self.o))
        return (low + high) / 2, float(np.linalg.norm(high - low)) / 2

    @cached_property
    def knots_s(self) -> NDArray[np.float64]:
        """A few times over the span of the rays', between which bodies move in straight lines."""
        first, last = float(self.t.min()), float(self.t.max())
        return np.linspace(first, last, 1 + int(np.ceil((last - first) / KNOT_SPACING_S)))

    def towards(self, centre: NDArray[np.float64], radius: float, reach: FloatArray) -> NDArray[np.int64]:
        """Rows of the rays that meet a sphere, nearer than `reach` (n,)."""
        middle, spread = self.origins
        away = centre - middle
        distance = float(np.linalg.norm(away))
        rows = np.arange(len(self.d))
        if distance > radius + spread:  # a cone leaves few rays to look at closely
            cosine = np.sqrt(1 - ((radius + spread) / distance) ** 2)
            rows = np.flatnonzero(self.d @ (away / distance).astype(np.float32) > np.float32(cosine - 1e-5))
        o, d = self.of(rows)
        to_body = centre.astype(np.float32) - o
        along = dot(to_body, d)
        beside = dot(to_body, to_body) - along**2
        return rows[(beside < radius**2) & (along > -radius) & (along - radius < reach.take(rows))]


class _Body:
    """One rigid mesh with its acceleration structure; `trajectory` None: it is the world itself."""

    def __init__(self, mesh: Mesh, trajectory: Trajectory | None) -> None:
        self.mesh = mesh
        self.trajectory = trajectory
        self._scene = EmbreeScene(robust=False)
        if len(mesh):
            TriangleMesh(self._scene, mesh.corners.astype(np.float64))  # which it reads faster
        # Normals and texture coordinates side by side: where a ray ends is far from where its neighbour in memory does,
        # and fetching from memory takes long. Out of order, NumPy would copy all of it for every fetch.
        self._at_corners = np.ascontiguousarray(np.concatenate([mesh.normals, mesh.uv], axis=2))
        self.radius = float(np.linalg.norm(mesh.corners, axis=-1).max(initial=0.0))

    def stopped(self, time_s: float) -> Mesh:
        """The mesh of a moving body in the world at one time."""
        assert self.trajectory is not None
        return self.mesh.transformed(self.trajectory.pose(time_s))

    def candidates(
        self, bundle: _Bundle, reach: FloatArray
    ) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
        """Rows of the rays that may meet this body nearer than `reach`, and the body's pose at their times."""
        if not len(self.mesh) or not len(bundle.d):
            return np.zeros(0, dtype=np.int64), None
        if self.trajectory is None:
            return np.flatnonzero(reach > 0), None
        centres = self.trajectory.position(bundle.knots_s)
        middle = centres.mean(axis=0)
        radius = self.radius + float(np.linalg.norm(centres - middle, axis=1).max())
        rows = bundle.towards(middle, radius, reach)
        if rows.size == 0:
            return rows, None
        return rows, _between_knots(self.trajectory.pose(bundle.knots_s), bundle.knots_s, bundle.t[rows])

    def trace(
        self, o: FloatArray, d: FloatArray, poses: NDArray[np.float64] | None, reach_m: FloatArray
    ) -> tuple[NDArray[np.int64], tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int32]]]:
        """Which rays (n,) meet the body nearer than `reach_m` (n,), and at what distance, normal, uv and material."""
        answer = self._scene.run(*self._in_body(o, d, poses), dists=reach_m, output=1)
        nearer = np.flatnonzero(answer["primID"] >= 0)
        triangle, second, third, distance = (answer[name].take(nearer) for name in ("primID", "u", "v", "tfar"))
        shares = np.stack([1 - second - third, second, third], axis=1)
        there = np.einsum("ij,ijk->ik", shares, self._at_corners.take(triangle, axis=0))
        normal, uv = there[:, :3], there[:, 3:]
        if poses is not None:
            normal = np.einsum("nij,nj->ni", poses[nearer, :3, :3], normal)
        return nearer, (distance, unit(normal), uv, self.mesh.material.take(triangle))

    def meets(
        self, o: FloatArray, d: FloatArray, poses: NDArray[np.float64] | None, reach_m: FloatArray
    ) -> NDArray[np.bool_]:
        """Which rays meet the body within `reach_m` (n,)."""
        occluder = self._scene.run(*self._in_body(o, d, poses), dists=reach_m, query="OCCLUDED")
        within: NDArray[np.bool_] = occluder >= 0
        return within

    @staticmethod
    def _in_body(o: FloatArray, d: FloatArray, poses: NDArray[np.float64] | None) -> tuple[FloatArray, FloatArray]:
        if poses is None:
            return np.ascontiguousarray(o), np.ascontiguousarray(d)
        R = poses[:, :3, :3]
        return (
            np.ascontiguousarray(np.einsum("nji,nj->ni", R, o - poses[:, :3, 3]), dtype=np.float32),
            np.ascontiguousarray(np.einsum("nji,nj->ni", R, d), dtype=np.float32),
        )


def _between_knots(
    T_knots: NDArray[np.float64], knots_s: NDArray[np.float64], times_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Poses (n, 4, 4) at times (n,) between those of the knots. They lie so close that turning is linear, too."""
    if len(knots_s) == 1:
        return np.broadcast_to(T_knots[0], (len(times_s), 4, 4))
    place = (times_s - knots_s[0]) / (knots_s[1] - knots_s[0])
    before = np.clip(place.astype(np.int64), 0, len(knots_s) - 2)
    return T_knots[before] + (place - before)[:, None, None] * np.diff(T_knots, axis=0)[before]


def _rays(
    origins: ArrayLike, directions: ArrayLike, times_s: ArrayLike
) -> tuple[FloatArray, FloatArray, NDArray[np.float64]]:
    d = np.ascontiguousarray(directions, dtype=np.float32).reshape(-1, 3)
    o = np.ascontiguousarray(np.broadcast_to(np.asarray(origins, dtype=np.float32), d.shape))
    return o, d, np.broadcast_to(np.asarray(times_s, dtype=np.float64), (len(d),))
