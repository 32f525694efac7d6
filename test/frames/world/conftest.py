"""A small place whose distances are known without tracing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from i2p_calib_ros.frames.world.materials import Material
from i2p_calib_ros.frames.world.mesh import Mesh, box
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Actor, Place

GROUND, WALL, GLASS, SIGN = range(4)
MATERIALS = (
    Material("ground", lidar_reflectivity=0.2),
    Material("wall", "brick", lidar_reflectivity=0.5),
    Material("pane", transparent=True, lidar_reflectivity=0.05),
    Material("sign", lidar_reflectivity=0.8, retro=40.0),
)


def place_of(*meshes: Mesh, actors: tuple[Actor, ...] = (), ego: Trajectory | None = None) -> Place:
    """The meshes on a flat ground of 400 m x 400 m."""
    ground = box([400, 400, 1], GROUND, [0, 0, -0.5])
    ego = ego or Trajectory.standing([0, 0, 0])
    return Place("test field", Mesh.merge([ground, *meshes]), actors, MATERIALS, ego, np.zeros((0, 3)))


@pytest.fixture
def field() -> Callable[..., Place]:
    """`field(*meshes, actors=, ego=)` makes a place of material indices GROUND, WALL, GLASS, SIGN = 0, 1, 2, 3."""
    return place_of


@pytest.fixture
def yard() -> Place:
    """Walls, boxes and a moving box around a vehicle that drives along x at 8 m/s and turns to the left."""
    rng = np.random.default_rng(3)
    times_s = np.linspace(0, 12, 60)
    yaw = 0.03 * times_s
    speed_mps = 8.0 * np.column_stack([np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)])
    xyz = np.cumsum(speed_mps * np.gradient(times_s)[:, None], axis=0)
    boxes = [
        box(rng.uniform(0.5, 3, 3), WALL).placed(x, y, rng.uniform(0, 2), rng.uniform(0, 3))
        for x, y in rng.uniform([-30, -18], [60, 18], (60, 2))
        if abs(y) > 3.5
    ]
    walls = [box([120, 0.3, 6], WALL, [10, y, 3]) for y in (-20, 22)] + [box([0.3, 44, 8], WALL, [70, 0, 4])]
    other = Actor(box([4, 1.8, 1.5], WALL, [0, 0, 0.8]), Trajectory.upright([0, 12], [[20, 3, 0], [60, 3, 0]], [0, 0]))
    return place_of(*boxes, *walls, actors=(other,), ego=Trajectory.upright(times_s, xyz, yaw))
