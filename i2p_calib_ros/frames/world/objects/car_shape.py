"""Measures of cars of every class, and the line of their bonnet, windows and boot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CarShape:
    """Measures of a car in metres; x from its middle forward, z from the ground.

    The greenhouse stands on the belt line from `cowl_x` (foot of the windscreen) to `tail_x` (foot of the rear window)
    and its roof reaches from `roof_front_x` to `roof_rear_x`. `pillars`: where along the side glass, 0 front to
    1 rear, pillars stand; side panels behind `panel_from` are of sheet metal. A pickup is open behind the cab.
    """

    length: float
    width: float
    height: float
    front_axle_x: float
    rear_axle_x: float
    wheel_radius: float
    clearance: float
    nose_z: float
    hood_z: float
    belt_z: float
    tail_z: float
    cowl_x: float
    roof_front_x: float
    roof_rear_x: float
    tail_x: float
    tumble: float
    nose_bend: float
    pillars: tuple[float, ...]
    panel_from: float
    open_bed: bool


@dataclass(frozen=True)
class _Ranges:
    """From which a shape is drawn; cowl to tail are shares of the length from the front."""

    length: tuple[float, float]
    width: tuple[float, float]
    height: tuple[float, float]
    wheel: tuple[float, float]
    clearance: tuple[float, float]
    belt: tuple[float, float]
    cowl: tuple[float, float]
    roof_front: tuple[float, float]
    roof_rear: tuple[float, float]
    tail: tuple[float, float]
    pillars: tuple[float, ...]


_KINDS = {
    "hatchback": _Ranges(
        (3.5, 4.35), (1.63, 1.82), (1.42, 1.56), (0.29, 0.33), (0.15, 0.2), (0.59, 0.63),
        (0.24, 0.28), (0.40, 0.45), (0.86, 0.91), (0.96, 0.985), (0.42, 0.8),
    ),
    "sedan": _Ranges(
        (4.4, 5.05), (1.75, 1.9), (1.4, 1.5), (0.31, 0.35), (0.14, 0.18), (0.6, 0.65),
        (0.27, 0.31), (0.42, 0.46), (0.68, 0.73), (0.83, 0.88), (0.42, 0.8),
    ),
    "estate": _Ranges(
        (4.4, 4.95), (1.75, 1.88), (1.43, 1.54), (0.31, 0.34), (0.14, 0.19), (0.6, 0.64),
        (0.26, 0.29), (0.41, 0.45), (0.91, 0.95), (0.97, 0.985), (0.36, 0.68),
    ),
    "suv": _Ranges(
        (4.2, 4.95), (1.8, 1.98), (1.6, 1.84), (0.34, 0.39), (0.2, 0.27), (0.6, 0.64),
        (0.25, 0.29), (0.38, 0.43), (0.88, 0.93), (0.96, 0.985), (0.38, 0.72),
    ),
    "van": _Ranges(
        (4.6, 6.0), (1.85, 2.05), (1.85, 2.6), (0.32, 0.36), (0.18, 0.24), (0.48, 0.54),
        (0.13, 0.18), (0.23, 0.29), (0.97, 0.982), (0.985, 0.992), (0.26, 0.62),
    ),
    "pickup": _Ranges(
        (5.0, 5.8), (1.85, 2.0), (1.75, 1.92), (0.37, 0.41), (0.24, 0.3), (0.59, 0.62),
        (0.26, 0.29), (0.36, 0.4), (0.56, 0.6), (0.6, 0.64), (0.5,),
    ),
}  # fmt: skip
CAR_KINDS = tuple(_KINDS)


def random_car_shape(rng: np.random.Generator, kind: str) -> CarShape:
    """Measures of one car of a kind of CAR_KINDS."""
    ranges = _KINDS[kind]
    length, width, height, wheel, clearance, belt, cowl, roof_front, roof_rear, tail = (
        float(rng.uniform(*getattr(ranges, name)))
        for name in (
            "length", "width", "height", "wheel", "clearance", "belt", "cowl", "roof_front", "roof_rear", "tail",
        )
    )  # fmt: skip
    belt_z = belt * height
    if kind == "van":
        belt_z = min(belt_z, 1.15)
    hood_z = belt_z - rng.uniform(0.0, 0.06)
    nose_z = hood_z - rng.uniform(0.12, 0.26)
    overhang = wheel + rng.uniform(0.42, 0.55)
    rear_overhang = wheel + rng.uniform(0.25, 0.4 if kind == "hatchback" else 0.65)
    if kind == "van":
        rear_overhang += rng.uniform(0.1, 0.4)
    # A van is a cargo van of sheet metal behind the cab, or a minibus of glass.
    cargo = kind == "van" and rng.random() < 0.65
    return CarShape(
        length=length,
        width=width,
        height=height,
        front_axle_x=length / 2 - overhang,
        rear_axle_x=-length / 2 + rear_overhang,
        wheel_radius=wheel,
        clearance=clearance,
        nose_z=nose_z,
        hood_z=hood_z,
        belt_z=belt_z,
        tail_z=belt_z + float(rng.uniform(0.0, 0.1)),
        cowl_x=length * (0.5 - cowl),
        roof_front_x=length * (0.5 - roof_front),
        roof_rear_x=length * (0.5 - roof_rear),
        tail_x=length * (0.5 - tail),
        tumble=float(rng.uniform(0.05, 0.1) if kind == "van" else rng.uniform(0.13, 0.2)),
        nose_bend=float(rng.uniform(0.7, 1.5)),
        pillars=ranges.pillars,
        panel_from=ranges.pillars[0] if cargo else 1.0,
        open_bed=kind == "pickup",
    )


def belt_line_z(shape: CarShape, x: FloatArray) -> FloatArray:
    """Height of bonnet, belt line and boot along the car."""
    hood = shape.length / 2 - shape.cowl_x
    at = np.array(
        [-shape.length / 2, shape.tail_x, shape.cowl_x - 0.3, shape.cowl_x, shape.cowl_x + 0.5 * hood,
         shape.cowl_x + 0.85 * hood, shape.length / 2]
    )  # fmt: skip
    drop = shape.hood_z - shape.nose_z
    z = np.array(
        [shape.tail_z - 0.03, shape.tail_z, shape.belt_z, shape.hood_z, shape.hood_z - 0.3 * drop,
         shape.hood_z - 0.7 * drop, shape.nose_z]
    )  # fmt: skip
    return np.interp(x, at, z)
