"""Rays through a place: Embree for the triangles, one acceleration structure for what stands and one a moving body.

A ray carries its own time. Rays that may meet a moving body are brought into the body's frame at their time, so that a
rolling sweep sees traffic where it was when each beam fired, and nothing is rebuilt from frame to frame.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Place

FloatArray = NDArray[np.float32]

NOTHING_M = np.float32(1e6)
"""Distance of a ray that meets nothing."""


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
        return Hits(self.distance_m[rows], self.xyz[rows], self.normal[rows], self.uv[rows], self.material[rows])


class Tracer:
    """Answers rays through one place."""

    def __init__(self, place: Place) -> None:
        self._bodies = [_Body(place.static, None)] + [_Body(a.mesh, a.trajectory) for a in place.actors]

    def moving(self, time_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres (n, 3) and radii (n,) of spheres around the moving bodies at one time, in the order of the place."""
        bodies = self._bodies[1:]
        return np.array([b.centre(time_s) for b in bodies]).reshape(-1, 3), np.array([b.radius for b in bodies])

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
        xyz, normal, uv = (np.zeros((n, width), dtype=np.float32) for width in (3, 3, 2))
        hits = Hits(distance, xyz, normal, uv, np.full(n, -1, dtype=np.int32))
        for body in self._bodies:
            rows, poses = body.candidates(o, d, t, distance)
            if rows.size == 0:
                continue
            if rows.size == n:
                body.trace(o, d, poses, rows, hits)
            else:
                body.trace(o[rows], d[rows], poses, rows, hits)
        np.multiply(d, distance[:, None], out=xyz)
        np.add(xyz, o, out=xyz)
        xyz[~hits.hit] = 0.0
        facing_away = np.flatnonzero(np.einsum("ij,ij->i", normal, d) > 0)
        normal[facing_away] *= -1
        return hits

    def occluded(
        self, origins: ArrayLike, directions: ArrayLike, times_s: ArrayLike = 0.0, reach_m: float = 200.0
    ) -> NDArray[np.bool_]:
        """Which rays meet anything within `reach_m`: shadows."""
        o, d, t = _rays(origins, directions, times_s)
        blocked = np.zeros(len(d), dtype=bool)
        for body in self._bodies:
            distance = np.where(blocked, 0.0, reach_m).astype(np.float32)
            rows, poses = body.candidates(o, d, t, distance)
            if rows.size:
                blocked[rows] |= body.meets(o[rows], d[rows], poses, reach_m)
        return blocked


class _Body:
    """One rigid mesh with its acceleration structure; `trajectory` None: it is the world itself."""

    def __init__(self, mesh: Mesh, trajectory: Trajectory | None) -> None:
        self.mesh = mesh
        self.trajectory = trajectory
        self._scene = EmbreeScene()
        if len(mesh):
            TriangleMesh(self._scene, np.ascontiguousarray(mesh.corners))
        self._middle, self.radius = np.zeros(3), 0.0
        if len(mesh) and trajectory is not None:
            low, high = mesh.bounds
            self._middle = (low + high).astype(np.float64) / 2
            self.radius = float(np.linalg.norm(high - low)) / 2

    def centre(self, times_s: ArrayLike) -> NDArray[np.float64]:
        """Centre (..., 3) of the sphere around a moving body, in the world."""
        assert self.trajectory is not None
        return (self.trajectory.pose(times_s) @ np.append(self._middle, 1.0))[..., :3]

    def stopped(self, time_s: float) -> Mesh:
        """The mesh of a moving body in the world at one time."""
        assert self.trajectory is not None
        return self.mesh.transformed(self.trajectory.pose(time_s))

    def candidates(
        self, o: FloatArray, d: FloatArray, t: NDArray[np.float64], reach: FloatArray
    ) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
        """Rows of the rays that may meet this body nearer than `reach`, and the body's pose at their times."""
        if not len(self.mesh) or not len(d):
            return np.zeros(0, dtype=np.int64), None
        if self.trajectory is None:
            return np.arange(len(d)), None
        # A sweep lasts a tenth of a second: poses at a few times are enough to find the rays that come near.
        times = np.unique(np.linspace(t.min(), t.max(), 5))
        centres = self.centre(times)
        middle = centres.mean(axis=0)
        radius = self.radius + float(np.linalg.norm(centres - middle, axis=1).max())
        to_body = middle.astype(np.float32) - o
        along = np.einsum("ij,ij->i", to_body, d)
        beside = np.einsum("ij,ij->i", to_body, to_body) - along**2
        rows = np.flatnonzero((beside < radius**2) & (along > -radius) & (along - radius < reach))
        return rows, self._poses(t[rows]) if rows.size else None

    def trace(
        self, o: FloatArray, d: FloatArray, poses: NDArray[np.float64] | None, rows: NDArray[np.int64], hits: Hits
    ) -> None:
        """Enter into `hits` what is nearer than what they hold; the rays are those of `rows`."""
        answer = self._scene.run(*self._in_body(o, d, poses), dists=hits.distance_m[rows], output=1)
        nearer = np.flatnonzero(answer["primID"] >= 0)
        triangle, target = answer["primID"][nearer], rows[nearer]
        second, third = answer["u"][nearer], answer["v"][nearer]
        shares = np.stack([1 - second - third, second, third], axis=1)
        normal = np.einsum("ij,ijk->ik", shares, self.mesh.normals[triangle])
        if poses is not None:
            normal = np.einsum("nij,nj->ni", poses[nearer, :3, :3], normal)
        hits.distance_m[target] = answer["tfar"][nearer]
        length = np.sqrt(np.einsum("ij,ij->i", normal, normal))
        hits.normal[target] = normal / np.maximum(length, 1e-9)[:, None]
        hits.uv[target] = np.einsum("ij,ijk->ik", shares, self.mesh.uv[triangle])
        hits.material[target] = self.mesh.material[triangle]

    def meets(
        self, o: FloatArray, d: FloatArray, poses: NDArray[np.float64] | None, reach_m: float
    ) -> NDArray[np.bool_]:
        """Which rays meet the body within `reach_m`."""
        reach = np.full(len(d), reach_m, dtype=np.float32)
        occluder = self._scene.run(*self._in_body(o, d, poses), dists=reach, query="OCCLUDED")
        within: NDArray[np.bool_] = occluder >= 0
        return within

    def _poses(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.trajectory is not None
        if times_s.size and times_s.min() == times_s.max():
            return np.broadcast_to(self.trajectory.pose(times_s[0]), (len(times_s), 4, 4))
        return self.trajectory.pose(times_s)

    @staticmethod
    def _in_body(o: FloatArray, d: FloatArray, poses: NDArray[np.float64] | None) -> tuple[FloatArray, FloatArray]:
        if poses is None:
            return np.ascontiguousarray(o), np.ascontiguousarray(d)
        R = poses[:, :3, :3]
        return (
            np.ascontiguousarray(np.einsum("nji,nj->ni", R, o - poses[:, :3, 3]), dtype=np.float32),
            np.ascontiguousarray(np.einsum("nji,nj->ni", R, d), dtype=np.float32),
        )


def _rays(
    origins: ArrayLike, directions: ArrayLike, times_s: ArrayLike
) -> tuple[FloatArray, FloatArray, NDArray[np.float64]]:
    d = np.ascontiguousarray(directions, dtype=np.float32).reshape(-1, 3)
    o = np.ascontiguousarray(np.broadcast_to(np.asarray(origins, dtype=np.float32), d.shape))
    return o, d, np.broadcast_to(np.asarray(times_s, dtype=np.float64), (len(d),))
