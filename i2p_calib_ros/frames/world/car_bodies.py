"""Cars as lofted shells: a lower body with wheel arches and bonnet, a greenhouse of pillars, glass and roof on it.

Both shells are grids whose columns run around the car (front, left, rear, right) and whose rows run upwards, so one
quad of a grid is one patch of paint, glass, lamp or grille.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, grid_mesh
from i2p_calib_ros.frames.world.shapes import ellipsoid, mirrored, pose, tube
from i2p_calib_ros.frames.world.stuff import (
    BLACK_PLASTIC,
    CAR_GLASS,
    CHROME,
    HEADLAMP,
    HEADLAMP_ON,
    INTERIOR,
    TAIL_LAMP,
    TAIL_LAMP_ON,
    WHITE_PLATE,
    YELLOW_PLATE,
    car_paint,
    cloth,
    skin,
)
from i2p_calib_ros.frames.world.wheels import make_wheel

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

_ROW_HEIGHTS = np.array([0.0, 0.12, 0.3, 0.5, 0.7, 0.86, 0.95, 1.0])
_SIDE_INSET = np.array([0.05, 0.015, 0.0, 0.0, 0.012, 0.025, 0.05, 0.1])
_NOSE_INSET = np.array([0.1, 0.02, 0.0, 0.015, 0.04, 0.07, 0.12, 0.24])
_REAR_INSET = np.array([0.1, 0.02, 0.0, 0.01, 0.03, 0.04, 0.05, 0.08])
_FACE_SHARES = np.array([0.0, 0.25, 0.62, 1.0])  # columns of half a front or rear face, from the middle to its edge


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


def make_car(rng: np.random.Generator, palette: Palette, kind: str, parked: bool = False) -> Mesh:
    """One car of a kind of CAR_KINDS; moving ones have a driver and sometimes their lamps on."""
    shape = random_car_shape(rng, kind)
    paint = palette.add(car_paint(rng))
    trim = palette.add(BLACK_PLASTIC) if rng.random() < (0.6 if kind in ("suv", "van", "pickup") else 0.15) else paint
    lit = not parked and rng.random() < 0.3
    parts = [
        _lower_body(rng, palette, shape, paint, trim, lit),
        _greenhouse(rng, palette, shape, paint),
        _inside(palette, shape),
        _fittings(rng, palette, shape, paint, kind),
        _wheels(rng, palette, shape),
    ]
    if not parked:
        parts.append(_driver(rng, palette, shape))
    return Mesh.merge(parts)


def _top_z(shape: CarShape, x: FloatArray) -> FloatArray:
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


def _bottom_z(shape: CarShape, x: FloatArray) -> FloatArray:
    """Height of the lower edge along the side: the sill, and the arches over the wheels."""
    radius = shape.wheel_radius + 0.05
    edge = np.full_like(x, shape.clearance)
    for axle in (shape.front_axle_x, shape.rear_axle_x):
        rise = np.sqrt(np.maximum(radius**2 - (x - axle) ** 2, 0.0))
        edge = np.maximum(edge, np.where(rise > 0, shape.wheel_radius + rise, 0.0))
    return edge


def _around(rng: np.random.Generator, shape: CarShape) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Plan outline of the lower body: points and outward directions (n, 2), and which quads (n - 1) are door gaps."""
    half_l, half_w = shape.length / 2, shape.width / 2
    depth, breadth = 0.4 * shape.nose_bend, 0.3 * shape.nose_bend
    rear_depth, rear_breadth = 0.2, 0.18
    arc = np.radians([0.0, 22.0, 50.0, 75.0])
    crown = 0.06 * shape.nose_bend
    front_y = (half_w - breadth) * _FACE_SHARES[:-1]
    points = [(half_l - crown * (y / (half_w - breadth)) ** 2, y) for y in front_y]
    points += [
        (half_l - crown - (depth - crown) * (1 - np.cos(a)), half_w - breadth + breadth * np.sin(a)) for a in arc
    ]
    turn = np.cos(np.linspace(0.0, np.pi, 8))
    arch = (shape.wheel_radius + 0.05) * np.concatenate([[turn[0] + 0.02], turn, [turn[-1] - 0.02]])
    doors = np.linspace(shape.front_axle_x - 0.5, shape.rear_axle_x + 0.45, 2 if shape.open_bed else 3)
    gaps = np.concatenate([[d + 0.006, d - 0.006] for d in doors])
    side_x = np.concatenate([shape.front_axle_x + arch, gaps, shape.rear_axle_x + arch, [-half_l + rear_depth]])
    side_x = np.sort(side_x[side_x < points[-1][0] - 0.02])[::-1]
    points += [(x, half_w) for x in side_x]
    points += [
        (-half_l + rear_depth - rear_depth * np.sin(a), half_w - rear_breadth + rear_breadth * np.cos(a))
        for a in np.radians([35.0, 70.0, 90.0])
    ]
    points += [(-half_l, y) for y in (half_w - rear_breadth) * _FACE_SHARES[-2::-1]]
    left = np.array(points)
    outline = np.vstack([left, left[-2::-1] * [1.0, -1.0]])
    along = np.gradient(np.vstack([outline[-2:-1], outline, outline[1:2]]), axis=0)[1:-1]
    outward = np.stack([along[:, 1], -along[:, 0]], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    width = np.linalg.norm(np.diff(outline, axis=0), axis=1)
    middle = (outline[1:] + outline[:-1]) / 2
    is_gap = (np.abs(width - 0.012) < 1e-3) & (np.abs(middle[:, 1]) > half_w - 1e-6)
    return outline, outward, is_gap


def _lower_body(rng: np.random.Generator, palette: Palette, shape: CarShape, paint: int, trim: int, lit: bool) -> Mesh:
    """The shell from the sills to the belt line, with bonnet and boot lid."""
    outline, outward, is_gap = _around(rng, shape)
    nose = np.where(outward[:, 0] > 0, outward[:, 0] ** 2, 0.0)
    rear = np.where(outward[:, 0] < 0, outward[:, 0] ** 2, 0.0)
    inset = (
        nose * (_NOSE_INSET * shape.nose_bend)[:, None]
        + rear * _REAR_INSET[:, None]
        + (1 - nose - rear) * _SIDE_INSET[:, None]
    )
    plan = outline[None] - inset[..., None] * outward[None]
    top = _top_z(shape, outline[:, 0])
    z = shape.clearance + _ROW_HEIGHTS[:, None] * (top - shape.clearance)
    bottom = np.where(np.abs(outward[:, 1]) > 0.6, _bottom_z(shape, outline[:, 0]), shape.clearance)
    z = np.maximum(z, bottom + np.minimum(0.1 * _ROW_HEIGHTS[:, None], 0.9 * (top - bottom)))
    points = np.dstack([plan, z])
    quad = (points[1:, 1:] + points[:-1, :-1] + points[1:, :-1] + points[:-1, 1:]) / 4
    facing = (outward[1:, 0] + outward[:-1, 0]) / 2
    aside = np.abs(quad[0, :, 1]) / (shape.width / 2)
    material = np.full(quad.shape[:2], paint, dtype=np.int32)
    black = palette.add(BLACK_PLASTIC)
    material[0, :] = trim
    material[1, np.abs(facing) > 0.5] = trim
    material[:, is_gap] = black
    front, back = facing > 0.5, facing < -0.5
    if rng.random() < 0.8:
        material[1, front & (aside < 0.65)] = black
    if rng.random() < 0.8:
        grille = palette.add(CHROME) if rng.random() < 0.15 else black
        material[3, front & (aside < (0.35 if rng.random() < 0.5 else 0.5))] = grille
    lamp = palette.add(HEADLAMP_ON if lit else HEADLAMP)
    lamp_rows = slice(4, 6) if rng.random() < 0.6 else slice(4, 5)
    material[lamp_rows, (facing > 0.3) & (aside > rng.uniform(0.45, 0.65))] = lamp
    tail = palette.add(TAIL_LAMP_ON if lit else TAIL_LAMP)
    tail_rows = slice(3, 6) if rng.random() < 0.5 else slice(4, 6)
    material[tail_rows, (facing < -0.3) & (aside > rng.uniform(0.55, 0.75))] = tail
    if rng.random() < 0.25:
        material[4, back & (aside < 0.55)] = black
    left = points[-1, : (points.shape[1] + 1) // 2]
    return Mesh.merge([grid_mesh(points, material, closed=True), _lids(shape, left, paint)])


def _lids(shape: CarShape, edge: FloatArray, paint: int) -> Mesh:
    """Bonnet and boot lid, slightly arched between the left upper edge (n, 3), front to rear, and its mirror image."""
    across = np.concatenate([-_FACE_SHARES[:0:-1], _FACE_SHARES])

    def level(x: float, y: float, z: float) -> FloatArray:
        from_end = min(shape.length / 2 - x - 0.2, x + shape.length / 2 - 0.05)
        arch = 0.05 * (1 - across**2) * np.clip(from_end / 0.7, 0.0, 1.0)
        return np.column_stack([np.full(7, x), across * y, z + arch])

    def end(corner: FloatArray) -> FloatArray:
        """The straight-on edge at front or rear, corner (k, 3) with y rising."""
        y = np.abs(across) * corner[-1, 1]
        return np.column_stack(
            [np.interp(y, corner[:, 1], corner[:, 0]), across * corner[-1, 1], np.interp(y, corner[:, 1], corner[:, 2])]
        )

    face, aft = len(_FACE_SHARES) - 1, len(edge) - len(_FACE_SHARES)
    bonnet = [end(edge[: face + 1])]
    bonnet += [level(*point) for point in edge[face + 1 : aft] if point[0] > shape.cowl_x - 0.3]
    lids = [grid_mesh(np.stack(bonnet), paint)]
    boot = [level(*point) for point in edge[face + 1 : aft] if point[0] < shape.tail_x + 0.1]
    if boot and not shape.open_bed:
        lids.append(grid_mesh(np.stack([*boot, end(edge[aft:][::-1])]), paint))
    return Mesh.merge(lids)


def _greenhouse(rng: np.random.Generator, palette: Palette, shape: CarShape, paint: int) -> Mesh:
    """Pillars, glass and roof."""
    half_low = shape.width / 2 - 0.09
    half_high = half_low - shape.tumble
    pillars = shape.pillars
    width = 0.035
    # Columns of the left half: their place along the edge, 0..1 on each of windscreen, side and rear window.
    front = np.array([0.0, 0.45, 0.9, 1.0])
    side = np.sort(np.array([0.0, 0.03] + [p + s * width for p in pillars for s in (-0.5, 0.5)] + [0.93, 1.0]))
    low = [(shape.cowl_x - 0.16 * f**2, half_low * f * 0.97) for f in front]
    high = [(shape.roof_front_x - 0.1 * f**2, half_high * f * 0.95) for f in front]
    low += [(shape.cowl_x - 0.2 + s * (shape.tail_x + 0.24 - shape.cowl_x), half_low) for s in side]
    high += [(shape.roof_front_x - 0.16 + s * (shape.roof_rear_x + 0.24 - shape.roof_front_x), half_high) for s in side]
    rear = np.array([1.0, 0.88, 0.45, 0.0])
    low += [(shape.tail_x + 0.06 * f**2, half_low * f * 0.96) for f in rear]
    high += [(shape.roof_rear_x + 0.08 * f**2, half_high * f * 0.95) for f in rear]
    kinds = ["screen"] * 2 + ["post"] * 2 + ["side"] * (len(side) - 1) + ["post"] * 2 + ["back"] * 2
    kinds = kinds + kinds[::-1]

    def whole(points: list[tuple[float, float]]) -> FloatArray:
        left = np.array(points)
        return np.vstack([left, left[-2::-1] * [1.0, -1.0]])

    bottom, top = whole(low), whole(high)
    foot_z = _top_z(shape, bottom[:, 0]) - 0.02
    roof_z = shape.height - 0.07 - 0.05 * np.maximum(0, (shape.roof_front_x - 0.6 - top[:, 0])) / shape.length
    # Tall vans have sheet metal above their windows.
    glass_top = min(0.92, (0.78 + 0.07) / (shape.height - shape.belt_z))
    rows = np.array([0.0, 0.07, 0.5 * glass_top, glass_top, 1.0])
    bulge = 0.02 * np.sin(np.pi * rows)
    plan = bottom + rows[:, None, None] * (top - bottom)
    plan = plan * (1 + bulge[:, None, None] * [0.0, 1.0])
    z = foot_z + rows[:, None] * (roof_z - foot_z)
    shell = np.dstack([plan, z])
    roof = []
    centre_x = (shape.roof_front_x + shape.roof_rear_x) / 2
    for share, rise in ((0.94, 0.035), (0.7, 0.055), (0.0, 0.07)):
        ends = 1 - (1 - share) * 0.12
        row = np.column_stack([centre_x + (top[:, 0] - centre_x) * ends, top[:, 1] * share, roof_z + rise])
        roof.append(row)
    points = np.concatenate([shell, np.stack(roof)])
    material = np.full((len(points) - 1, len(bottom) - 1), paint, dtype=np.int32)
    glass, black = palette.add(CAR_GLASS), palette.add(BLACK_PLASTIC)
    pillar = black if rng.random() < 0.6 else paint
    names = np.array(kinds)
    window = slice(1, 3)
    material[window, names == "screen"] = glass
    material[window, np.flatnonzero(names == "screen")[[1, 2]]] = glass
    back = np.flatnonzero(names == "back")
    if shape.panel_from >= 1.0 or rng.random() < 0.5:
        material[window, back] = glass
    n_side = len(side) - 1
    first_left = names.tolist().index("side")
    middles = (side[1:] + side[:-1]) / 2
    gaps = np.diff(side)
    for i in range(n_side):
        right = len(names) - 1 - (first_left + i)
        is_pillar = gaps[i] <= width + 1e-6 or middles[i] < 0.03 or middles[i] > 0.93
        is_panel = middles[i] > shape.panel_from
        chosen = paint if is_panel else (pillar if is_pillar and 0.03 < middles[i] < 0.93 else glass)
        if is_pillar and not is_panel and (middles[i] < 0.03 or middles[i] > 0.93):
            chosen = paint
        material[window, first_left + i] = chosen
        material[window, right] = chosen
    return grid_mesh(points, material, closed=True)


def _inside(palette: Palette, shape: CarShape) -> Mesh:
    """Floor pan, wheel housings, dashboard and seats, seen through arches and glass."""
    dark, trim = palette.add(BLACK_PLASTIC), palette.add(INTERIOR)
    floor_z = min(shape.clearance + 0.34, shape.belt_z - 0.25)
    inner = shape.width - 0.55
    pan = floor_z - shape.clearance - 0.03
    parts = [
        box((shape.length - 0.7, inner, pan), dark, (0.0, 0.0, shape.clearance + 0.03 + pan / 2)),
        box((0.45, shape.width - 0.3, 0.25), trim, (shape.cowl_x - 0.35, 0.0, shape.belt_z - 0.13)),
    ]
    seats = [(shape.cowl_x - 1.25, 0.37), (shape.cowl_x - 1.25, -0.37)]
    if not shape.open_bed and shape.panel_from >= 1.0 and shape.roof_rear_x < shape.cowl_x - 2.2:
        seats += [(shape.cowl_x - 2.05, 0.0)]
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
        wall = shape.belt_z - floor_z - 0.1
        parts.append(box((length, shape.width - 0.2, 0.05), dark, (middle, 0, floor_z + 0.08)))
        for y in (-shape.width / 2 + 0.15, shape.width / 2 - 0.15):
            parts.append(box((length, 0.1, wall), dark, (middle, y, floor_z + 0.1 + wall / 2)))
        for x in (bed_from + 0.03, bed_to - 0.03):
            parts.append(box((0.08, shape.width - 0.25, wall), dark, (x, 0, floor_z + 0.1 + wall / 2)))
    return Mesh.merge(parts)


def _driver(rng: np.random.Generator, palette: Palette, shape: CarShape) -> Mesh:
    """Head and shoulders behind the wheel."""
    x, z = shape.cowl_x - 1.25, min(shape.clearance + 0.34, shape.belt_z - 0.25)
    shirt = palette.add(cloth(rng))
    body = tube(
        [(x, 0.37, z + 0.15), (x - 0.12, 0.37, z + 0.4), (x - 0.16, 0.37, z + 0.62)], [0.15, 0.2, 0.08], shirt, 6
    )
    head = ellipsoid((0.1, 0.08, 0.12), palette.add(skin(rng)), (x - 0.13, 0.37, z + 0.76), 6)
    return Mesh.merge([body, head])


def _fittings(rng: np.random.Generator, palette: Palette, shape: CarShape, paint: int, kind: str) -> Mesh:
    """Mirrors, plates, door handles, roof rails, aerial."""
    black = palette.add(BLACK_PLASTIC)
    half_w = shape.width / 2
    shell = paint if rng.random() < 0.7 else black
    mirror_x = shape.cowl_x - 0.42
    mirror = Mesh.merge(
        [
            ellipsoid((0.07, 0.11, 0.08), shell, (mirror_x, half_w + 0.1, shape.belt_z + 0.07), 6),
            box((0.05, 0.1, 0.04), black, (mirror_x, half_w - 0.01, shape.belt_z + 0.03)),
        ]
    )
    handles = [
        box((0.18, 0.03, 0.025), shell, (x, half_w - 0.005, shape.belt_z - 0.13))
        for x in (shape.cowl_x - 1.3, shape.cowl_x - 2.2)
        if x > shape.tail_x + 0.4
    ]
    left = [mirror, *handles]
    if kind in ("estate", "suv") and rng.random() < 0.6:
        y = half_w - 0.09 - shape.tumble - 0.06
        z = shape.height + 0.005
        front, rear = shape.roof_front_x - 0.4, shape.roof_rear_x + 0.35
        rail = [(front, y, z - 0.07), (front - 0.12, y, z), (rear + 0.12, y, z), (rear, y, z - 0.07)]
        left.append(tube(rail, 0.016, black, 5))
    plate = palette.add(YELLOW_PLATE if rng.random() < 0.15 else WHITE_PLATE)
    size = (0.02, 0.52, 0.11) if rng.random() < 0.7 else (0.02, 0.31, 0.16)
    front_z = shape.clearance + 0.35 * (shape.nose_z - shape.clearance)
    rear_z = shape.clearance + float(rng.choice([0.4, 0.6])) * (shape.tail_z - shape.clearance)
    plates = [
        box(size, plate, (shape.length / 2 + 0.004, 0, front_z)),
        box(size, plate, (-shape.length / 2 + 0.01, 0, rear_z)),
    ]
    return Mesh.merge([*left, *(mirrored(part) for part in left), *plates])


def _wheels(rng: np.random.Generator, palette: Palette, shape: CarShape) -> Mesh:
    width = float(rng.uniform(0.17, 0.23))
    wheel = make_wheel(rng, palette, shape.wheel_radius, width)
    y = shape.width / 2 - width / 2 - 0.025
    left = Mesh.merge([wheel.translated(x, y, shape.wheel_radius) for x in (shape.front_axle_x, shape.rear_axle_x)])
    return Mesh.merge([left, mirrored(left)])
