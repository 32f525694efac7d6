"""Lorries and buses: a cab on a chassis with what it carries, and coaches of glass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, grid_mesh
from i2p_calib_ros.frames.world.objects.shapes import ellipsoid, mirrored, tube
from i2p_calib_ros.frames.world.objects.stuff import (
    ALLOY,
    BLACK_PLASTIC,
    CAR_GLASS,
    DARK_STEEL,
    GALVANISED,
    HEADLAMP,
    HEADLAMP_ON,
    INDICATOR,
    INTERIOR,
    RED_REFLECTOR,
    REFLECTOR,
    TAIL_LAMP,
    WHITE_PLATE,
    bright_paint,
    car_paint,
    near,
)
from i2p_calib_ros.frames.world.objects.wheels import make_wheel

FloatArray = NDArray[np.float64]


def make_box_truck(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A rigid lorry of 6 to 9 m with box, curtain side or flat bed; x = 0 is its middle."""
    length, width = float(rng.uniform(6.0, 9.0)), float(rng.uniform(2.1, 2.5))
    cab_length, wheel = float(rng.uniform(1.6, 2.1)), float(rng.uniform(0.4, 0.5))
    front = length / 2
    deck_z = 2 * wheel + 0.15
    body_length = length - cab_length - 0.15
    parts = [
        _cab(rng, palette, cab_length, width, float(rng.uniform(2.3, 2.9)), wheel, cab_length / 2 - 0.95).translated(
            front - cab_length / 2, 0
        ),
        _chassis(palette, -front + 0.2, front - 0.4, deck_z),
        _load(rng, palette, body_length, width, deck_z).translated(-front + body_length / 2, 0),
        _axles(rng, palette, (front - 0.95,), width, wheel, twin=False),
        _axles(rng, palette, (-front + 1.6,), width, wheel, twin=True),
        _rear_end(palette, -front, width, deck_z),
    ]
    return Mesh.merge(parts)


def make_articulated_truck(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A tractor with a semi-trailer, 14 to 16.5 m; x = 0 is its middle."""
    length, width, wheel = float(rng.uniform(14.0, 16.5)), 2.5, 0.5
    cab_length = float(rng.uniform(2.1, 2.4))
    front = length / 2
    deck_z = 1.15
    trailer = length - cab_length - 0.7
    trailer_end = -front + trailer
    parts = [
        _cab(rng, palette, cab_length, width, float(rng.uniform(3.2, 3.8)), wheel, cab_length / 2 - 1.4).translated(
            front - cab_length / 2, 0
        ),
        _chassis(palette, trailer_end - 2.4, front - 0.4, 0.95),
        _chassis(palette, -front + 0.2, trailer_end - 0.3, deck_z),
        _load(rng, palette, trailer, width, deck_z).translated(-front + trailer / 2, 0),
        _axles(rng, palette, (front - 1.4,), width, wheel, twin=False),
        _axles(rng, palette, (trailer_end - 1.2,), width, wheel, twin=True),
        _axles(rng, palette, (-front + 2.0, -front + 3.3, -front + 4.6), width, wheel, twin=False),
        _rear_end(palette, -front, width, deck_z),
    ]
    guard, tank = palette.add(GALVANISED), palette.add(ALLOY)
    for side in (-1, 1):
        tank_x = np.array([trailer_end - 0.3, trailer_end + 0.7])
        parts.append(tube(np.column_stack([tank_x, [0.85 * side] * 2, [0.65] * 2]), 0.3, tank, 10))
        for z in (0.55, 0.85):
            parts.append(box((trailer - 8.0, 0.03, 0.1), guard, (0.4, side * (width / 2 - 0.05), z)))
    return Mesh.merge(parts)


def make_bus(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A city bus or coach of 9 to 12.5 m; x = 0 is its middle."""
    length, width = float(rng.uniform(9.0, 12.5)), 2.55
    height, wheel, clearance = float(rng.uniform(2.9, 3.6)), 0.48, 0.28
    paint, accent = (palette.add(bright_paint(rng)) for _ in range(2))
    glass, black = palette.add(CAR_GLASS), palette.add(BLACK_PLASTIC)
    axles = (length / 2 - 2.6, -length / 2 + 3.2)
    posts = np.linspace(-0.5, 0.5, int(length / 1.45) + 1) * (length - 0.7)
    arch = (wheel + 0.08) * np.cos(np.linspace(0, np.pi, 9))
    side_x = np.sort(np.concatenate([posts - 0.035, posts + 0.035, *(axle + arch for axle in axles)]))[::-1]
    left = [(length / 2, 0.0), (length / 2 - 0.03, 0.85), (length / 2 - 0.12, 1.12), (length / 2 - 0.3, width / 2)]
    left += [(x, width / 2) for x in side_x]
    left += [(-length / 2 + 0.2, width / 2), (-length / 2 + 0.03, 1.15), (-length / 2, 0.9), (-length / 2, 0.0)]
    half = np.array(left)
    plan = np.vstack([half, half[-2::-1] * [1, -1]])
    sill = clearance + float(rng.uniform(0.55, 0.9))
    rows = np.array([clearance, clearance + 0.25, sill, height - 0.65, height - 0.4, height - 0.12])
    inset = np.array([0.02, 0.0, 0.0, 0.02, 0.04, 0.08])
    off_axle = np.abs(plan[:, :1] - np.array(axles)).min(axis=1)
    arch_z = np.where(off_axle < wheel + 0.08, wheel + np.sqrt(np.maximum((wheel + 0.08) ** 2 - off_axle**2, 0)), 0)
    points = []
    for z, gap in zip(rows, inset):
        at_z = np.maximum(z, arch_z + 0.01 * (z - clearance))
        points.append(np.column_stack([plan * (1 - 2 * gap / np.array([length, width])), at_z]))
    points += [
        np.column_stack([plan * [0.985, share], np.full(len(plan), z)])
        for share, z in ((0.88, height - 0.02), (0.5, height), (0.0, height + 0.02))
    ]
    material = np.full((len(points) - 1, len(plan) - 1), paint, dtype=np.int32)
    material[0] = accent
    material[3] = accent if rng.random() < 0.5 else paint
    middle_x = (plan[1:, 0] + plan[:-1, 0]) / 2
    at_side = np.abs(middle_x) < length / 2 - 0.35
    at_post = np.abs(middle_x[:, None] - posts).min(axis=1) < 0.035
    pane = at_side & ~at_post
    material[2, pane] = glass
    material[2, at_side & at_post] = black
    front = middle_x > length / 2 - 0.2
    material[1:4, front & (np.abs(plan[1:, 1] + plan[:-1, 1]) < 2.2)] = glass
    material[1, front] = paint
    material[2, middle_x < -length / 2 + 0.02] = glass
    # Doors of glass down to the step, on the right-hand side.
    middle_y = (plan[1:, 1] + plan[:-1, 1]) / 2
    doors = pane & (middle_y < 0) & ((middle_x > length / 2 - 2.2) | (np.abs(middle_x) < 0.8))
    material[1, doors] = glass
    inside = palette.add(INTERIOR)
    seats = [
        box((0.12, 0.9, 0.75), inside, (x, y, clearance + 0.95))
        for x in np.arange(-length / 2 + 1, length / 2 - 1.8, 0.95)
        for y in (-0.7, 0.7)
    ]
    lamp = palette.add(HEADLAMP if rng.random() < 0.6 else HEADLAMP_ON)
    tail = palette.add(TAIL_LAMP)
    trim = [
        box((length - 0.6, width - 0.35, 0.1), black, (0, 0, clearance + 0.15)),
        box((length - 1.2, width - 0.7, 0.3), black, (0, 0, clearance + 0.1)),
        box((0.06, 1.4, 0.22), palette.add(Material("display", emission=(0.5, 0.3, 0.02), albedo=(0.05, 0.04, 0.02))),
            (length / 2 - 0.02, 0, height - 0.45)),
        box((0.02, 0.52, 0.11), palette.add(WHITE_PLATE), (length / 2 + 0.02, 0, clearance + 0.2)),
        box((0.02, 0.52, 0.11), palette.add(WHITE_PLATE), (-length / 2 - 0.02, 0, clearance + 0.45)),
    ]  # fmt: skip
    for y in (-0.98, 0.98):
        trim.append(box((0.06, 0.3, 0.18), lamp, (length / 2 - 0.06, y, clearance + 0.3)))
        trim.append(box((0.05, 0.14, 0.45), tail, (-length / 2 - 0.005, y, clearance + 0.7)))
        trim.append(ellipsoid((0.08, 0.13, 0.22), black, (length / 2 + 0.15, y * 1.33, height - 0.9), 6))
        arm = [(length / 2 - 0.3, y * 1.25, height - 0.35), (length / 2 + 0.15, y * 1.33, height - 0.75)]
        trim.append(tube(arm, 0.025, black, 5))
    wheels = _axles(rng, palette, axles, width, wheel, twin=False)
    return Mesh.merge([grid_mesh(np.stack(points), material, closed=True), *seats, *trim, wheels])


def _cab(
    rng: np.random.Generator,
    palette: Palette,
    length: float,
    width: float,
    height: float,
    wheel: float,
    wheel_x: float,
) -> Mesh:
    """A forward-control cab around the origin's vertical: shell with glass, lamps, mirrors, sun visor."""
    paint = palette.add(car_paint(rng) if rng.random() < 0.6 else bright_paint(rng))
    glass, black = palette.add(CAR_GLASS), palette.add(BLACK_PLASTIC)
    foot, half_l, half_w = 0.4, length / 2, width / 2
    arch_x = wheel_x + (wheel + 0.08) * np.cos(np.linspace(0, np.pi, 9))
    window = np.array([half_l - 0.38, max(half_l - 1.25, -half_l + 0.2)])
    side_x = np.concatenate([arch_x, window])
    side_x = np.unique(side_x[(side_x < half_l - 0.28) & (side_x > -half_l + 0.05)])[::-1]
    left = np.array(
        [(half_l, 0.0), (half_l - 0.02, 0.8 * half_w), (half_l - 0.1, 0.95 * half_w), (half_l - 0.25, half_w)]
        + [(x, half_w) for x in side_x]
        + [(-half_l + 0.04, half_w), (-half_l, half_w - 0.04), (-half_l, 0.0)]
    )
    plan = np.vstack([left, left[-2::-1] * [1, -1]])
    sill = 0.52 * height
    top = min(height - 0.25, sill + 0.95)
    off_axle = np.abs(plan[:, 0] - wheel_x)
    arch = np.where(off_axle < wheel + 0.08, wheel + np.sqrt(np.maximum((wheel + 0.08) ** 2 - off_axle**2, 0)), foot)
    rows = [np.maximum(z, arch + 0.02 * z) for z in (foot, 0.35 * height, sill, top, height - 0.1, height)]
    lean = [0.0, 0.0, 0.0, 0.1, 0.3 if height > 3.0 else 0.18, 0.45]
    points = []
    for z, back in zip(rows, lean):
        x = plan[:, 0] - back * np.clip((plan[:, 0] - half_l + 0.9) / 0.9, 0.0, 1.0)
        points.append(np.column_stack([x, plan[:, 1] * (1 - 0.12 * back), np.broadcast_to(z, len(plan))]))
    points.append(points[-1] * [0.8, 0.0, 1.0])
    material = np.full((len(points) - 1, len(plan) - 1), paint, dtype=np.int32)
    material[0] = black
    middle_x = (plan[1:, 0] + plan[:-1, 0]) / 2
    material[2, [0, 1, -2, -1]] = glass
    material[2, (middle_x < window[0]) & (middle_x > window[1])] = glass
    if rng.random() < 0.6:
        material[1, [0, -1]] = black
    lamp = palette.add(HEADLAMP if rng.random() < 0.6 else HEADLAMP_ON)
    side = [
        box((0.06, 0.34, 0.2), lamp, (half_l - 0.02, 0.72 * half_w, 0.65)),
        box((0.1, 0.12, 0.4), black, (half_l - 0.15, half_w + 0.18, sill + 0.45)),
        box((0.03, 0.25, 0.03), black, (half_l - 0.18, half_w + 0.05, sill + 0.6)),
        box((0.35, 0.05, 0.06), palette.add(INDICATOR), (half_l - 0.3, half_w - 0.01, 0.85)),
    ]
    inside = palette.add(INTERIOR)
    parts = [
        grid_mesh(np.stack(points), material, closed=True),
        *side,
        *(mirrored(part) for part in side),
        box((0.3, 0.85 * width, 0.1), black, (half_l - 0.02, 0, top + 0.1)),
        box((0.4, 0.9 * width, 0.3), inside, (half_l - 0.4, 0, sill - 0.18)),
        box((0.15, 0.85 * width, 0.9), inside, (-0.3, 0, sill + 0.1)),
        box((0.03, 0.52, 0.11), palette.add(WHITE_PLATE), (half_l + 0.02, 0, 0.52)),
    ]
    return Mesh.merge(parts)


def _chassis(palette: Palette, rear_x: float, front_x: float, top_z: float) -> Mesh:
    """Two frame rails with crossbeams."""
    steel = palette.add(DARK_STEEL)
    middle, length = (rear_x + front_x) / 2, front_x - rear_x
    rails = [box((length, 0.12, 0.28), steel, (middle, y, top_z - 0.16)) for y in (-0.42, 0.42)]
    beams = [box((0.1, 1.6, 0.12), steel, (x, 0, top_z - 0.12)) for x in np.linspace(rear_x + 0.3, front_x - 0.5, 5)]
    return Mesh.merge(rails + beams)


def _load(rng: np.random.Generator, palette: Palette, length: float, width: float, deck_z: float) -> Mesh:
    """A box, curtain side, container, tank or flat bed with a load, over the origin."""
    kind = rng.choice(["box", "curtain", "container", "tank", "flat"], p=[0.35, 0.3, 0.15, 0.1, 0.1])
    height = float(rng.uniform(2.2, 2.75))
    paint = Material("box body", "paint", near(rng, (0.72, 0.72, 0.7)), gloss=0.03, lidar_reflectivity=0.65)
    if rng.random() < 0.5:
        paint = bright_paint(rng)
    skin = palette.add(paint)
    deck = box((length, width, 0.14), palette.add(DARK_STEEL), (0, 0, deck_z + 0.07))
    floor = deck_z + 0.14
    parts = [deck]
    if kind == "tank":
        x = np.array([-0.5, -0.5, -0.48, 0.48, 0.5, 0.5]) * length
        r = np.array([0.0, 0.75, 0.95, 0.95, 0.75, 0.0]) * 1.1
        outer = palette.add(Material("tank", "metal", (0.6, 0.6, 0.6), gloss=0.3, lidar_reflectivity=0.5))
        path = np.column_stack([x, np.zeros(6), np.full(6, floor + 1.05)])
        parts.append(tube(path, r, outer, 16, caps=False))
    elif kind == "flat":
        cargo = palette.add(bright_paint(rng))
        for _ in range(int(rng.integers(2, 6))):
            size = rng.uniform((0.8, 0.8, 0.4), (2.4, width - 0.2, 1.6))
            at = rng.uniform(-0.5, 0.5) * (length - size[0])
            parts.append(box(size, cargo, (at, 0, floor + size[2] / 2)))
        for y in (-1, 1):
            parts.append(box((length, 0.04, 0.4), palette.add(DARK_STEEL), (0, y * (width / 2 - 0.02), floor + 0.2)))
    elif kind == "container":
        ridged = palette.add(
            Material("container", "corrugated", bright_paint(rng).albedo, tile_m=1.2, lidar_reflectivity=0.4)
        )
        parts.append(box((length, width - 0.06, height), ridged, (0, 0, floor + height / 2)))
        parts.append(_posts(palette.add(paint), length, width, floor, height))
    else:
        if kind == "curtain":
            cloth = Material("tarpaulin", "fabric", paint.albedo, tile_m=3.0, gloss=0.03, lidar_reflectivity=0.5)
            skin = palette.add(cloth)
        parts.append(box((length, width, height), skin, (0, 0, floor + height / 2)))
        parts.append(_posts(palette.add(GALVANISED), length, width, floor, height))
        parts.append(_lettering(rng, palette, length, width, floor, height))
    return Mesh.merge(parts)


def _posts(material: int, length: float, width: float, floor: float, height: float) -> Mesh:
    """Corner posts, top and bottom rails, and the locking bars of the rear doors."""
    parts = []
    for y in (-width / 2, width / 2):
        for z in (floor + 0.05, floor + height - 0.05):
            parts.append(box((length + 0.02, 0.03, 0.1), material, (0, y, z)))
        for x in (-length / 2, length / 2):
            parts.append(box((0.08, 0.06, height + 0.02), material, (x, y * 0.99, floor + height / 2)))
    for y in (-0.6, -0.15, 0.15, 0.6):
        parts.append(box((0.05, 0.035, height - 0.2), material, (-length / 2 - 0.01, y, floor + height / 2)))
    return Mesh.merge(parts)


def _lettering(
    rng: np.random.Generator, palette: Palette, length: float, width: float, floor: float, height: float
) -> Mesh:
    """A firm's stripe and blocks in the place of letters on both sides and the back."""
    ink = palette.add(bright_paint(rng))
    parts = []
    size = float(rng.uniform(0.25, 0.8))
    text_z = floor + height * float(rng.uniform(0.45, 0.7))
    cursor = -length * float(rng.uniform(0.1, 0.4))
    for _ in range(int(rng.integers(4, 10))):
        stroke = size * rng.uniform(0.3, 0.8)
        if cursor + stroke > length / 2 - 0.2:
            break
        parts.append(box((stroke, width + 0.012, size * rng.uniform(0.7, 1.0)), ink, (cursor + stroke / 2, 0, text_z)))
        cursor += stroke + 0.18 * size
    if rng.random() < 0.5:
        parts.append(box((length, width + 0.01, rng.uniform(0.1, 0.5)), ink, (0, 0, floor + rng.uniform(0.3, 0.6))))
    return Mesh.merge(parts)


def _axles(
    rng: np.random.Generator, palette: Palette, axle_x: tuple[float, ...], width: float, radius: float, twin: bool
) -> Mesh:
    tyre = 0.55 if twin else 0.3
    wheel = make_wheel(rng, palette, radius, tyre, rim_share=0.58)
    left = Mesh.merge([wheel.translated(x, width / 2 - tyre / 2 - 0.03, radius) for x in axle_x])
    axle = palette.add(DARK_STEEL)
    beams = [box((0.14, width - 0.5, 0.14), axle, (x, 0, radius)) for x in axle_x]
    guard = palette.add(BLACK_PLASTIC)
    wing = np.linspace(0.35, np.pi - 0.35, 6)
    for x in axle_x if twin else ():
        arc = np.column_stack([x + 1.12 * radius * np.cos(wing), np.zeros(6), radius + 1.12 * radius * np.sin(wing)])
        rows = [arc + [0, side * (width / 2 - 0.02), 0] for side in (1, -1)]
        left = Mesh.merge([left, grid_mesh(np.stack(rows), guard)])
    return Mesh.merge([left, mirrored(left), *beams])


def _rear_end(palette: Palette, rear_x: float, width: float, deck_z: float) -> Mesh:
    """Underrun bar, lamps, plate and reflective marking."""
    steel, red = palette.add(DARK_STEEL), palette.add(RED_REFLECTOR)
    parts = [
        box((0.1, width - 0.1, 0.14), steel, (rear_x + 0.05, 0, 0.55)),
        box((0.02, 0.52, 0.11), palette.add(WHITE_PLATE), (rear_x - 0.01, 0.3, deck_z - 0.15)),
    ]
    for y in (-1, 1):
        parts.append(
            box((0.05, 0.4, 0.14), palette.add(TAIL_LAMP), (rear_x - 0.01, y * (width / 2 - 0.3), deck_z - 0.12))
        )
        parts.append(box((0.02, 0.5, 0.05), red, (rear_x - 0.02, y * (width / 2 - 0.35), deck_z + 0.07)))
        parts.append(box((0.1, 0.05, 0.5), steel, (rear_x + 0.1, y * 0.5, 0.8)))
        for x in np.arange(rear_x + 0.6, rear_x + 4.0, 1.1):
            parts.append(box((0.3, 0.01, 0.05), palette.add(REFLECTOR), (x, y * (width / 2 + 0.01), deck_z + 0.07)))
    return Mesh.merge(parts)
