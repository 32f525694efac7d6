"""What stands on a car's belt line, and what is seen through its glass: pillars, windows, roof, seats, a driver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, grid_mesh
from i2p_calib_ros.frames.world.objects.car_shape import CarShape, belt_line_z
from i2p_calib_ros.frames.world.objects.shapes import ellipsoid, pose, tube
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    CAR_GLASS,
    INTERIOR,
    PRIVACY_GLASS,
    cloth,
    skin,
)

FloatArray = NDArray[np.float64]

_PILLAR = 0.035  # breadth of a pillar as a share of the length of the side windows


def make_greenhouse(rng: np.random.Generator, palette: Palette, shape: CarShape, paint: int) -> Mesh:
    """Pillars, glass and roof: a grid around the car whose columns lean from the belt line to the roof."""
    side = np.sort(np.array([0.0, 0.03] + [p + s * _PILLAR for p in shape.pillars for s in (-0.5, 0.5)] + [0.93, 1.0]))
    bottom, top = _foot_and_roof_edge(shape, side)
    foot_z = belt_line_z(shape, bottom[:, 0]) - 0.05
    middle_x, reach = (shape.roof_front_x + shape.roof_rear_x) / 2, (shape.roof_front_x - shape.roof_rear_x) / 2
    arch = float(rng.uniform(0.01, 0.03) if shape.height > 1.9 else rng.uniform(0.04, 0.09))
    roof_z = shape.height - 0.06 - arch * ((top[:, 0] - middle_x) / reach) ** 2
    # Tall vans have sheet metal above their windows.
    glass_top = min(0.88, 0.85 / (shape.height - shape.belt_z))
    rows = np.array([0.0, 0.06, 0.5 * glass_top, glass_top, 1.0])
    # Glass is convex: halfway up it has done less than half of its lean.
    lean = np.stack([rows**1.2, rows**1.4], axis=1)[:, None]
    shell = np.dstack([bottom + lean * (top - bottom), foot_z + rows[:, None] * (roof_z - foot_z)])
    roof = [
        np.column_stack([middle_x + (top[:, 0] - middle_x) * (0.88 + 0.12 * share), top[:, 1] * share, roof_z + rise])
        for share, rise in ((0.94, 0.03), (0.7, 0.047), (0.0, 0.06))
    ]
    material = np.full((len(rows) + 2, len(bottom) - 1), paint, dtype=np.int32)
    material[1:3] = _panes(rng, palette, shape, side, paint)
    return grid_mesh(np.concatenate([shell, np.stack(roof)]), material, closed=True)


def _foot_and_roof_edge(shape: CarShape, side: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where the columns of the greenhouse start and where the roof begins: plan outlines (n, 2) around the car.

    Half an outline is four points of the windscreen, one for each of `side`, and four of the rear window.
    """
    half_low = shape.width / 2 - 0.09
    half_high = half_low - shape.tumble
    front, rear = np.array([0.0, 0.45, 0.9, 1.0]), np.array([1.0, 0.88, 0.45, 0.0])

    def outline(
        front_x: float, rear_x: float, half_w: float, bow: tuple[float, float], corners: tuple[float, float]
    ) -> FloatArray:
        side_x = front_x - corners[0] + side * (rear_x + corners[1] - front_x + corners[0])
        left = np.concatenate(
            [
                np.column_stack([front_x - bow[0] * front**2, 0.96 * half_w * front]),
                np.column_stack([side_x, np.full(len(side), half_w)]),
                np.column_stack([rear_x + bow[1] * rear**2, 0.96 * half_w * rear]),
            ]
        )
        return np.vstack([left, left[-2::-1] * [1.0, -1.0]])

    foot = outline(shape.cowl_x, shape.tail_x, half_low, (0.16, 0.06), (0.2, 0.24))
    roof = outline(shape.roof_front_x, shape.roof_rear_x, half_high, (0.1, 0.08), (0.16, 0.24))
    return foot, roof


def _panes(
    rng: np.random.Generator, palette: Palette, shape: CarShape, side: FloatArray, paint: int
) -> NDArray[np.int32]:
    """Material of every column between belt line and roof: glass, pillar or sheet metal."""
    glass, pillar = palette.add(CAR_GLASS), palette.add(BLACK_PLASTIC) if rng.random() < 0.6 else paint
    tinted = palette.add(PRIVACY_GLASS) if rng.random() < 0.35 else glass
    middle = (side[1:] + side[:-1]) / 2
    beside = np.where(middle < shape.pillars[0], glass, tinted)
    beside[np.diff(side) <= _PILLAR + 1e-6] = pillar
    beside[(middle < 0.03) | (middle > 0.93) | (middle > shape.panel_from)] = paint
    behind = tinted if shape.panel_from >= 1.0 else (paint if rng.random() < 0.5 else tinted)
    left = np.concatenate([[glass, glass, paint, paint], beside, [paint, paint, behind, behind]])
    return np.concatenate([left, left[::-1]]).astype(np.int32)


def make_interior(palette: Palette, shape: CarShape) -> Mesh:
    """Floor pan, wheel housings, dashboard and seats, seen through arches and glass."""
    dark, trim = palette.add(BLACK_PLASTIC), palette.add(INTERIOR)
    floor_z = min(shape.clearance + 0.34, shape.belt_z - 0.25)
    inner = shape.width - 0.55
    pan = floor_z - shape.clearance - 0.03
    parts = [
        box((shape.length - 0.7, inner, pan), dark, (0.0, 0.0, shape.clearance + 0.03 + pan / 2)),
        box((0.4, shape.width - 0.5, 0.25), trim, (shape.cowl_x - 0.5, 0.0, shape.belt_z - 0.16)),
    ]
    for axle_x in (shape.front_axle_x, shape.rear_axle_x):
        breadth = 2 * shape.wheel_radius + 0.1
        over = float(belt_line_z(shape, np.array([axle_x - breadth / 2, axle_x + breadth / 2])).min()) - 0.07
        housing = min(2 * shape.wheel_radius + 0.07, over) - shape.clearance
        parts.append(box((breadth, inner + 0.02, housing), dark, (axle_x, 0.0, shape.clearance + housing / 2)))
    front_seat_x = _front_seat_x(shape)
    seats = [(front_seat_x, 0.37), (front_seat_x, -0.37)]
    if not shape.open_bed and shape.panel_from >= 1.0 and shape.roof_rear_x < shape.cowl_x - 2.2:
        seats += [(max(front_seat_x - 0.8, shape.tail_x + 0.65), 0.0)]
    back = min(0.6, shape.height - 0.35 - floor_z)
    for x, y in seats:
        breadth = 0.5 if y else inner
        parts.append(box((0.5, breadth, 0.18), trim, (x + 0.1, y, floor_z + 0.09)))
        leaning = pose((x - 0.2, y, floor_z + 0.1 + back / 2), (0, -0.25, 0))
        parts.append(box((0.12, breadth, back), trim).transformed(leaning))
        if y:
            parts.append(box((0.08, 0.24, 0.16), trim, (x - 0.3, y, floor_z + back + 0.16)))
    if shape.open_bed:
        bed_from, bed_to = -shape.length / 2 + 0.1, shape.tail_x
        length, middle = bed_to - bed_from, (bed_from + bed_to) / 2
        wall = shape.tail_z - floor_z - 0.1
        parts.append(box((length, shape.width - 0.2, 0.05), dark, (middle, 0, floor_z + 0.08)))
        for y in (-shape.width / 2 + 0.15, shape.width / 2 - 0.15):
            parts.append(box((length, 0.1, wall), dark, (middle, y, floor_z + 0.1 + wall / 2)))
        for x in (bed_from + 0.03, bed_to - 0.03):
            parts.append(box((0.08, shape.width - 0.25, wall), dark, (x, 0, floor_z + 0.1 + wall / 2)))
    return Mesh.merge(parts)


def make_driver(rng: np.random.Generator, palette: Palette, shape: CarShape) -> Mesh:
    """Head and shoulders behind the wheel."""
    x, z = _front_seat_x(shape), min(shape.clearance + 0.34, shape.belt_z - 0.25)
    shirt = palette.add(cloth(rng))
    body = tube(
        [(x, 0.37, z + 0.15), (x - 0.12, 0.37, z + 0.4), (x - 0.16, 0.37, z + 0.62)], [0.15, 0.2, 0.08], shirt, 6
    )
    head = ellipsoid((0.1, 0.08, 0.12), palette.add(skin(rng)), (x - 0.13, 0.37, z + 0.76), 6)
    return Mesh.merge([body, head])


def _front_seat_x(shape: CarShape) -> float:
    return shape.cowl_x - min(1.25, shape.cowl_x - shape.tail_x - 0.75)
