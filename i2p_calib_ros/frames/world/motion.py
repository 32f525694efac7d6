"""How things move on the ground: poses over time of a body with x forward, y left, z up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation, Slerp

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses at given times; between them positions are linear and rotations spherical, beyond them the body stands.

    times_s (n,) increasing, xyz (n, 3) metres and rotations of n poses `T_world_body`.
    """

    times_s: FloatArray
    xyz: FloatArray
    rotations: Rotation

    @classmethod
    def standing(cls, xyz: ArrayLike, yaw_rad: float = 0.0) -> Trajectory:
        """A body that does not move."""
        return cls.upright([0.0], np.asarray(xyz).reshape(1, 3), [yaw_rad])

    @classmethod
    def upright(cls, times_s: ArrayLike, xyz: ArrayLike, yaw_rad: ArrayLike) -> Trajectory:
        """A body that only turns about the vertical: yaw (n,) of its x axis from the world's."""
        yaw = np.asarray(yaw_rad, dtype=np.float64).reshape(-1, 1)
        return cls(
            np.asarray(times_s, dtype=np.float64), np.asarray(xyz, dtype=np.float64), Rotation.from_euler("z", yaw)
        )

    def position(self, times_s: ArrayLike) -> FloatArray:
        """Where the body's origin is (..., 3), metres in the world, at times (...)."""
        return np.stack([np.interp(times_s, self.times_s, along_axis) for along_axis in self.xyz.T], axis=-1)

    def pose(self, times_s: ArrayLike) -> FloatArray:
        """T_world_body (..., 4, 4) at times (...)."""
        times = np.clip(np.asarray(times_s, dtype=np.float64), self.times_s[0], self.times_s[-1])
        flat = times.ravel()
        T = np.zeros((flat.size, 4, 4))
        T[:, 3, 3] = 1.0
        T[:, :3, 3] = self.position(flat)
        if len(self.times_s) == 1:
            T[:, :3, :3] = self.rotations.as_matrix()
        else:
            T[:, :3, :3] = self._slerp(flat).as_matrix()
        return T.reshape(*times.shape, 4, 4)

    @cached_property
    def _slerp(self) -> Slerp:
        return Slerp(self.times_s, self.rotations)
