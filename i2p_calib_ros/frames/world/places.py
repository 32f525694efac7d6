"""Places to drive through: each kind puts roads, buildings, objects and traffic together."""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.streets import STREET_KINDS, make_street

PLACE_KINDS = STREET_KINDS


def make_place(rng: np.random.Generator, kind: str | None = None, duration_s: float = 10.0) -> Place:
    """A random place of a kind of PLACE_KINDS (None: any), with a drive of `duration_s` through it.

    Raises:
        CalibrationInputError: for a kind that is not of PLACE_KINDS.
    """
    chosen = str(rng.choice(PLACE_KINDS)) if kind is None else kind
    if chosen not in PLACE_KINDS:
        raise CalibrationInputError(f"no kind of place {kind!r}; choose one of {', '.join(PLACE_KINDS)}")
    return make_street(rng, chosen, duration_s)
