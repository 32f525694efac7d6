"""Vehicles of every class, each around the origin of its body frame with x forward."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.objects.car_bodies import make_car
from i2p_calib_ros.frames.world.objects.car_shape import CAR_KINDS
from i2p_calib_ros.frames.world.objects.lorries import make_articulated_truck, make_box_truck, make_bus
from i2p_calib_ros.frames.world.objects.people import make_motorcyclist
from i2p_calib_ros.frames.world.objects.stuff import pick
from i2p_calib_ros.frames.world.objects.two_wheelers import make_motorbike

_LARGE: dict[str, Callable[[np.random.Generator, Palette], Mesh]] = {
    "box truck": make_box_truck,
    "articulated truck": make_articulated_truck,
    "bus": make_bus,
}
VEHICLE_KINDS = (*CAR_KINDS, *_LARGE, "motorbike")

_SHARES = {
    "hatchback": 0.27, "sedan": 0.2, "estate": 0.1, "suv": 0.2, "van": 0.09, "pickup": 0.03,
    "box truck": 0.035, "articulated truck": 0.02, "bus": 0.02, "motorbike": 0.035,
}  # fmt: skip


def make_vehicle(rng: np.random.Generator, palette: Palette, kind: str | None = None, parked: bool = False) -> Mesh:
    """A vehicle of a kind of VEHICLE_KINDS, or of any in the shares of traffic; `parked`: without people, lamps off."""
    chosen = pick(rng, _SHARES) if kind is None else kind
    if chosen == "motorbike":
        return make_motorbike(rng, palette) if parked else make_motorcyclist(rng, palette)
    if chosen in _LARGE:
        return _LARGE[chosen](rng, palette)
    return make_car(rng, palette, chosen, parked)
