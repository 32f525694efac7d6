"""Places to drive through: each kind puts roads, buildings, objects and traffic together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.objects.stuff import pick
from i2p_calib_ros.frames.world.place import Actor, Place
from i2p_calib_ros.frames.world.places.enclosed import make_hall, make_tunnel
from i2p_calib_ros.frames.world.places.streets import STREET_KINDS, make_street
from i2p_calib_ros.frames.world.places.yards import make_car_park, make_industrial_yard

_MAKERS = {
    **dict.fromkeys(STREET_KINDS, make_street),
    "car park": make_car_park,
    "industrial yard": make_industrial_yard,
    "tunnel": make_tunnel,
    "hall": make_hall,
}
PLACE_KINDS = tuple(_MAKERS)
LEFT_HAND_SHARE = 0.3

_SHARES = {
    "city street": 0.27, "junction": 0.16, "suburb": 0.15, "rural road": 0.1, "highway": 0.08, "car park": 0.08,
    "industrial yard": 0.07, "tunnel": 0.03, "hall": 0.06,
}  # fmt: skip


def make_place(rng: np.random.Generator, kind: str | None = None, duration_s: float = 10.0) -> Place:
    """A random place with a drive of `duration_s` through it.

    kind: one of PLACE_KINDS; None: any but the open road, in the shares in which vehicles meet them.

    Raises:
        CalibrationInputError: for a kind that is not of PLACE_KINDS.
    """
    chosen = pick(rng, _SHARES) if kind is None else kind
    if chosen not in _MAKERS:
        raise CalibrationInputError(f"no kind of place {kind!r}; choose one of: {', '.join(PLACE_KINDS)}")
    place = _MAKERS[chosen](rng, chosen, duration_s)
    return mirrored(place) if rng.random() < LEFT_HAND_SHARE else place


def mirrored(place: Place) -> Place:
    """The place with left and right exchanged (y turned round): where people drive on the left."""
    flip = np.diag([1.0, -1.0, 1.0, 1.0])

    def reflect(trajectory: Trajectory) -> Trajectory:
        rotations = Rotation.from_matrix(flip[:3, :3] @ trajectory.rotations.as_matrix() @ flip[:3, :3])
        return Trajectory(trajectory.times_s, trajectory.xyz * [1.0, -1.0, 1.0], rotations)

    return replace(
        place,
        static=place.static.transformed(flip),
        actors=tuple(Actor(a.mesh.transformed(flip), reflect(a.trajectory)) for a in place.actors),
        ego=reflect(place.ego),
        lamps=place.lamps * [1.0, -1.0, 1.0],
    )
