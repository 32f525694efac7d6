"""Buildings with facades, in their own frame: the front along x, seen from -y, on z = 0."""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box


def make_building(rng: np.random.Generator, palette: Palette, width_m: float, depth_m: float) -> Mesh:
    """A plain block, centred on x, its front at y = 0."""
    height = rng.uniform(6, 20)
    albedo = tuple(float(v) for v in rng.uniform(0.2, 0.7, 3))
    wall = palette.add(Material("wall", "plaster", albedo, lidar_reflectivity=0.5))
    return box([width_m, depth_m, height + 2], wall, [0, depth_m / 2, height / 2 - 1])
