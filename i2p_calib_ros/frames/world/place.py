"""A place: everything that stands, everything that moves, and the way the vehicle takes through it.

World frame: x, y horizontal, z up, metres; the ground is near z = 0. Bodies have x forward, y left, z up, with their
origin on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material
from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.motion import Trajectory


@dataclass(frozen=True, eq=False)
class Actor:
    """A rigid thing that moves: its mesh in its body frame and its trajectory."""

    mesh: Mesh
    trajectory: Trajectory


@dataclass(frozen=True, eq=False)
class Place:
    """kind: name of the sort of place; lamps (n, 3): positions of lamps that shine at dusk and indoors, metres;
    texture_seed: which variant of every texture the place wears (few in number: each costs memory)."""

    kind: str
    static: Mesh
    actors: tuple[Actor, ...]
    materials: tuple[Material, ...]
    ego: Trajectory
    lamps: NDArray[np.float64]
    indoor: bool = False
    texture_seed: int = 0
