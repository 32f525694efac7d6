"""How things move on the ground: poses over time of a body with x forward, y left, z up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from i2p_calib_ros.frames.world.vectors import dot

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses at given times; between them positions and quaternions are linear, beyond them the body stands.

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
        return self._at(times_s, self.xyz)

    def pose(self, times_s: ArrayLike) -> FloatArray:
        """T_world_body (..., 4, 4) at times (...)."""
        times = np.asarray(times_s, dtype=np.float64)
        flat = times.ravel()
        T = np.zeros((flat.size, 4, 4))
        T[:, 3, 3] = 1.0
        T[:, :3, :3] = Rotation.from_quat(self._at(flat, self._quaternions)).as_matrix()
        T[:, :3, 3] = self.position(flat)
        return T.reshape(*times.shape, 4, 4)

    @cached_property
    def _quaternions(self) -> FloatArray:
        """Of the poses (n, 4), each with the sign that brings it near the one before."""
        quaternions = self.rotations.as_quat()
        quaternions[1:] *= np.cumprod(np.where(dot(quaternions[1:], quaternions[:-1]) < 0, -1.0, 1.0))[:, None]
        return quaternions

    def _at(self, times_s: ArrayLike, values: FloatArray) -> FloatArray:
        times_s = np.asarray(times_s, dtype=np.float64)
        return np.stack([np.interp(times_s, self.times_s, column) for column in values.T], axis=-1)
