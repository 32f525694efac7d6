"""What many places share: vehicles, people and plants from the stock of a site, each use a little different."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.objects.people import make_pedestrian
from i2p_calib_ros.frames.world.objects.stuff import CAR_GLASS, car_paint, pick
from i2p_calib_ros.frames.world.objects.vegetation import make_bush, make_tree
from i2p_calib_ros.frames.world.objects.vehicles import make_vehicle
from i2p_calib_ros.frames.world.places.site_plan import Site

_PARKED_KINDS = {
    "hatchback": 0.32, "sedan": 0.22, "estate": 0.12, "suv": 0.18, "van": 0.09, "pickup": 0.04, "motorbike": 0.03,
}  # fmt: skip
_LOW_KINDS = {"hatchback": 0.35, "sedan": 0.3, "estate": 0.15, "suv": 0.2}
SHARP_M = 40.0
"""Plants farther from the way than this have fewer and larger leaves."""
CAR_SHARP_M = 20.0
"""Parked cars farther from the way than this have dark windows and no far sides."""
FAR_SHARE = 0.15
"""Leaves that these keep."""


def parked_car(site: Site, low: bool = False) -> Mesh:
    """A parked vehicle in a colour of its own; `low`: one that fits under a low ceiling."""
    kinds = _LOW_KINDS if low else _PARKED_KINDS
    return _repainted(site, site.from_stock("parked car", 10, _parked_car, kinds))


def put_car(site: Site, x: float, y: float, yaw_rad: float, z: float = 0.0) -> bool:
    """A parked vehicle at (x, y), unless something is there."""
    car, far = parked_car(site), not site.beside_way(x, y, CAR_SHARP_M)
    return site.put(_glazed_dark(site, car) if far else car, x, y, yaw_rad, z, far=far)


def moving_vehicle(site: Site) -> Mesh:
    """A vehicle of the traffic, in a colour of its own."""
    return _repainted(site, site.from_stock("moving vehicle", 8, make_vehicle))


def person(site: Site, walking: bool) -> Mesh:
    """Somebody who walks or stands."""
    return site.from_stock(f"person, walking {walking}", 7, make_pedestrian, walking)


def plant_tree(
    site: Site, x: float, y: float, z: float = 0.0, kind: str | None = None, sharp_m: float = SHARP_M
) -> bool:
    """A tree of the few sorts that grow here."""
    rng, tree = site.rng, leafy(site, x, y, f"tree {kind}", 5, make_tree, kind, sharp_m=sharp_m)
    return site.put(tree, x, y, rng.uniform(0, 2 * np.pi), z, rng.uniform(0.75, 1.25), radius_m=0.5)


def plant_bush(site: Site, x: float, y: float, z: float = 0.0, sharp_m: float = SHARP_M) -> bool:
    """A shrub of the few sorts that grow here."""
    rng, bush = site.rng, leafy(site, x, y, "bush", 5, make_bush, sharp_m=sharp_m)
    return site.put(bush, x, y, rng.uniform(0, 2 * np.pi), z, rng.uniform(0.6, 1.5), radius_m=0.6)


def leafy(
    site: Site,
    x: float,
    y: float,
    name: str,
    variants: int,
    make: Callable[..., Mesh],
    *arguments: object,
    sharp_m: float = SHARP_M,
) -> Mesh:
    """A plant from the stock for (x, y); farther than `sharp_m` from the way it has fewer and larger leaves."""
    plant = site.from_stock(name, variants, make, *arguments)
    if site.beside_way(x, y, sharp_m):
        return plant
    return site.from_stock(f"far {name}", variants, _thinned, plant)


def _parked_car(rng: np.random.Generator, palette: Palette, kinds: dict[str, float]) -> Mesh:
    return make_vehicle(rng, palette, pick(rng, kinds), parked=True)


def _repainted(site: Site, vehicle: Mesh) -> Mesh:
    """The same model in another colour: whatever is painted in the colour of most of its bodywork."""
    count = np.bincount(vehicle.material)
    painted = [i for i in np.flatnonzero(count).tolist() if site.palette.materials[i].texture == "paint"]
    if not painted:
        return vehicle
    coat = max(painted, key=lambda i: count[i])
    return _exchanged(vehicle, coat, site.palette.add(car_paint(site.rng)))


def _glazed_dark(site: Site, car: Mesh) -> Mesh:
    """The same car with windows that nobody looks through and that send a laser nowhere near where it came from."""
    dark = replace(CAR_GLASS, transparent=False, lidar_reflectivity=0.01)
    return _exchanged(car, site.palette.add(CAR_GLASS), site.palette.add(dark))


def _exchanged(mesh: Mesh, material: int, other: int) -> Mesh:
    return replace(mesh, material=np.where(mesh.material == material, np.int32(other), mesh.material))


def _thinned(rng: np.random.Generator, palette: Palette, plant: Mesh) -> Mesh:
    """A share of the plant's leaves, enlarged so that they cover as much; stems and boughs stay."""
    edge = np.linalg.norm(plant.corners - np.roll(plant.corners, 1, axis=1), axis=-1).max(axis=1)
    stem = edge > 4 * np.median(edge)
    keep = np.flatnonzero(stem | (rng.random(len(plant)) < FAR_SHARE))
    kept = plant[keep]
    middle = kept.corners.mean(axis=1, keepdims=True)
    grown = np.where(stem[keep], 1.0, 1 / np.sqrt(FAR_SHARE))[:, None, None]
    return replace(kept, corners=(middle + (kept.corners - middle) * grown).astype(np.float32))
