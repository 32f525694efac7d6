"""Places to drive through: each kind puts roads, buildings, objects and traffic together."""

from __future__ import annotations

import numpy as np
import shapely

from i2p_calib_ros.frames.world.buildings import make_building
from i2p_calib_ros.frames.world.ground import Region, Terrain, lay, undulation, upright_band
from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Actor, Place
from i2p_calib_ros.frames.world.roads import Path, dashes

PLACE_KINDS = ("city street",)


def make_place(rng: np.random.Generator, kind: str | None = None, duration_s: float = 10.0) -> Place:
    """A random place of a kind of PLACE_KINDS (None: any), with a drive of `duration_s` through it."""
    palette = Palette()
    speed = rng.uniform(4, 14)
    start = 80.0
    path = Path.winding(rng, start + speed * duration_s + 130.0, rng.uniform(0, 0.008))
    half = 3.25
    road = path.band(-half - 2.2, half + 2.2)
    pavement = shapely.difference(path.band(-half - 5.5, half + 5.5), road)
    bounds = np.array(road.bounds) + [-60, -60, 60, 60]
    terrain = Terrain.sampled(undulation(rng), bounds, 2.5)
    asphalt = palette.add(Material("asphalt", "asphalt", (0.09, 0.09, 0.09), lidar_reflectivity=0.12))
    paint = palette.add(Material("road paint", "paint", (0.6, 0.6, 0.58), lidar_reflectivity=0.6, retro=2.0))
    paving = palette.add(Material("paving", "paving", (0.3, 0.29, 0.27), lidar_reflectivity=0.3))
    grass = palette.add(Material("grass", "grass", (0.08, 0.14, 0.04), lidar_reflectivity=0.45))
    kerb = palette.add(Material("kerb", "concrete", (0.4, 0.4, 0.38), lidar_reflectivity=0.35))
    car = palette.add(Material("car", "plain", (0.3, 0.05, 0.05), gloss=0.05, lidar_reflectivity=0.2))
    meshes = [
        lay(
            [
                Region(dashes(path, 0.0, 0.15, 3.0, 6.0), paint),
                Region(road, asphalt),
                Region(pavement, paving, 0.12, path.project),
                Region(terrain.polygon, grass, 0.1),
            ],
            terrain,
        ),
        upright_band(shapely.boundary(road), 0.0, 0.12, kerb, terrain),
    ]
    kinds = ("old town", "apartments", "brick terrace", "shop")
    for side in (-1, 1):
        s = 5.0
        while s < path.length_m - 20:
            width = rng.uniform(8, 22)
            x, y = path.at(s + width / 2, side * (half + 5.7))
            yaw = float(path.heading(s + width / 2)) + (np.pi if side < 0 else 0.0)
            meshes.append(terrain.put(make_building(rng, palette, str(rng.choice(kinds)), width, blank_sides=True), x, y, yaw))
            s += width
        for s in np.arange(8, path.length_m, 7.0):
            if rng.random() < 0.6:
                x, y = path.at(s, side * (half + 1.1))
                meshes.append(terrain.put(box([4.2, 1.8, 1.4], car, [0, 0, 0.75]), x, y, float(path.heading(s))))
    times = np.linspace(0, duration_s, 50)

    def drive(start_m: float, speed_mps: float, offset_m: float) -> Trajectory:
        s = start_m + speed_mps * times
        xy = path.at(s, offset_m)
        return Trajectory.upright(
            times, np.column_stack([xy, terrain.height(xy)]), path.heading(s) + (np.pi if speed_mps < 0 else 0.0)
        )

    moving = tuple(
        Actor(box([4.3, 1.8, 1.4], car, [0, 0, 0.75]), drive(at, v, d))
        for at, v, d in ((start + 25, speed, -half / 2), (start + 100, -speed, half / 2))
    )
    return Place(
        kind or "city street",
        Mesh.merge(meshes),
        moving,
        tuple(palette.materials),
        drive(start, speed, -half / 2),
        np.zeros((0, 3)),
    )
