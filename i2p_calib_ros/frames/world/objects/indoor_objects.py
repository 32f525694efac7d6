"""What stands in halls where robots drive: racks, pallets, columns, crates, tables, machines."""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, cylinder
from i2p_calib_ros.frames.world.objects.shapes import bar, pose, revolve, struts, tube
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    CARDBOARD,
    CONCRETE,
    DARK_STEEL,
    GALVANISED,
    GREY_PLASTIC,
    INTERIOR,
    PALE_WOOD,
    WHITE_PLASTIC,
    WOOD,
    bright_paint,
    near,
)
from i2p_calib_ros.frames.world.objects.wheels import make_wheel


def make_rack(rng: np.random.Generator, palette: Palette, length_m: float = 5.4, height_m: float | None = None) -> Mesh:
    """A pallet rack along x, 1.1 m deep, its shelves partly filled with pallets and boxes."""
    height = float(rng.uniform(3.0, 7.5)) if height_m is None else height_m
    upright, beam = (
        palette.add(_machine_paint(rng, (0.03, 0.1, 0.35))),
        palette.add(_machine_paint(rng, (0.7, 0.2, 0.02))),
    )
    depth, bays = 1.1, max(1, round(length_m / 2.7))
    bay = length_m / bays
    x = np.linspace(-length_m / 2, length_m / 2, bays + 1)
    parts = [box((0.1, 0.08, height), upright, (at, y, height / 2)) for at in x for y in (-depth / 2, depth / 2)]
    z = np.arange(0.3, height - 0.4, 0.6)
    for at in x:
        low = np.column_stack([np.full(len(z), at), np.full(len(z), -depth / 2), z])
        parts.append(struts(low, low + [0, depth, 0.5], 0.02, 0.02, upright))
    levels = np.arange(0.0, height - 1.0, float(rng.uniform(1.3, 1.9)))
    for z_level in levels:
        if z_level > 0:
            parts += [box((length_m, 0.05, 0.12), beam, (0, y, z_level - 0.06)) for y in (-depth / 2, depth / 2)]
            parts.append(box((length_m, depth - 0.1, 0.02), palette.add(GALVANISED), (0, 0, z_level - 0.01)))
        for left in x[:-1]:
            for slot in (0.27, 0.73):
                if rng.random() < 0.7:
                    load = make_pallet_stack(rng, palette, height_m=float(rng.uniform(0.4, 1.15)))
                    parts.append(load.placed(left + slot * bay, 0, z_level, np.pi / 2))
    return Mesh.merge(parts)


def make_pallet_stack(rng: np.random.Generator, palette: Palette, height_m: float | None = None) -> Mesh:
    """A pallet of 1.2 x 0.8 m (long side along x) with boxes, drums, sacks, or a wrapped block, or empty pallets."""
    height = float(rng.uniform(0.3, 1.6)) if height_m is None else height_m
    wood = palette.add(PALE_WOOD)
    kind = rng.random()
    if kind < 0.12:
        return Mesh.merge([_pallet(wood).translated(0, 0, 0.145 * i) for i in range(max(1, int(height / 0.145)))])
    parts, base = [_pallet(wood)], 0.145
    tall = max(height - base, 0.2)
    if kind < 0.65:
        colour = near(rng, CARDBOARD.albedo, 0.25)
        card = palette.add(Material("cardboard", "plain", colour, lidar_reflectivity=0.5))
        label = palette.add(WHITE_PLASTIC)
        nx, ny, nz = (
            int(rng.integers(2, 4)),
            int(rng.integers(2, 3)),
            max(1, round(tall / float(rng.uniform(0.25, 0.4)))),
        )
        size = np.array([1.15 / nx, 0.78 / ny, tall / nz])
        for i, j, k in np.ndindex(nx, ny, nz):
            if k == nz - 1 and rng.random() < 0.2:
                continue
            at = (np.array([i, j, k]) + 0.5) * size + [-0.575, -0.39, base]
            at[:2] += rng.normal(0, 0.006, 2)
            parts.append(box(size - 0.012, card, at))
            if rng.random() < 0.3:
                outward = np.sign(at[1]) or 1.0
                parts.append(box((0.1, 0.004, 0.07), label, at + [0, outward * (size[1] / 2 - 0.004), 0]))
    elif kind < 0.8:
        drum = palette.add(bright_paint(rng))
        ring = np.array([(0.28, 0), (0.28, 0.29), (0.29, 0.3), (0.28, 0.31), (0.29, 0.62), (0.27, 0.61), (0, 0.61)])
        barrel = revolve(ring * [0.66, min(tall / 0.62, 1.3)], drum, 9)
        parts += [barrel.translated(x, y, base) for x in (-0.38, 0.0, 0.38) for y in (-0.19, 0.19)]
    else:
        wrap = Material("stretch wrap", "plain", near(rng, (0.5, 0.5, 0.5), 0.4), gloss=0.15, lidar_reflectivity=0.45)
        parts.append(box((1.14, 0.76, tall), palette.add(wrap), (0, 0, base + tall / 2)))
    return Mesh.merge(parts)


def make_column(rng: np.random.Generator, palette: Palette, height_m: float = 6.0) -> Mesh:
    """A pillar of a hall: round or square concrete or an I-beam, often with a warning band or a guard at its foot."""
    kind = rng.random()
    size = float(rng.uniform(0.3, 0.7))
    concrete, steel = palette.add(CONCRETE), palette.add(_machine_paint(rng, (0.3, 0.31, 0.32)))
    if kind < 0.4:
        parts = [box((size, size, height_m), concrete, (0, 0, height_m / 2))]
    elif kind < 0.6:
        parts = [cylinder(size / 2, height_m, concrete, 16)]
    else:
        size = float(rng.uniform(0.2, 0.4))
        parts = [box((0.02, size, height_m), steel, (x, 0, height_m / 2)) for x in (-size / 2, size / 2)]
        parts.append(box((size, 0.015, height_m), steel, (0, 0, height_m / 2)))
    if rng.random() < 0.5:
        stripes = Material("warning stripes", "sign_stripes", (0.75, 0.55, 0.03), tile_m=0.6, lidar_reflectivity=0.5)
        parts.append(box((size + 0.03, size + 0.03, 1.2), palette.add(stripes), (0, 0, 0.6)))
    return Mesh.merge(parts)


def make_crate(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A wooden crate with battens, a plastic box, or a wire cage."""
    size = rng.uniform((0.5, 0.4, 0.35), (1.4, 1.1, 1.2))
    kind = rng.random()
    if kind < 0.4:
        wood, batten = palette.add(PALE_WOOD), palette.add(WOOD)
        parts = [box(size, wood, (0, 0, size[2] / 2))]
        for z in (0.06, size[2] - 0.06):
            parts.append(box((size[0] + 0.05, size[1] + 0.05, 0.1), batten, (0, 0, z)))
        for sx in (-1, 1):
            for sy in (-1, 1):
                post = (sx * size[0] / 2, sy * size[1] / 2, size[2] / 2)
                parts.append(box((0.1, 0.1, size[2]), batten, post))
        return Mesh.merge(parts)
    if kind < 0.7:
        shell = palette.add(_machine_paint(rng, (0.1, 0.12, 0.3)))
        return Mesh.merge(
            [_open_box(size, 0.03, shell), box((size[0] + 0.06, size[1] + 0.06, 0.05), shell, (0, 0, size[2] - 0.1))]
        )
    steel = palette.add(GALVANISED)
    x, y, z = size / 2
    starts, ends = [], []
    for t in np.linspace(-1, 1, 9):
        for side in (-1, 1):
            starts += [
                (t * x, side * y, 0.1),
                (side * x, t * y, 0.1),
                (-x, side * y, 0.1 + (t + 1) * (z - 0.05)),
                (side * x, -y, 0.1 + (t + 1) * (z - 0.05)),
            ]
            ends += [
                (t * x, side * y, 2 * z),
                (side * x, t * y, 2 * z),
                (x, side * y, 0.1 + (t + 1) * (z - 0.05)),
                (side * x, y, 0.1 + (t + 1) * (z - 0.05)),
            ]
    load = box(size * [0.9, 0.9, 0.5], palette.add(CARDBOARD), (0, 0, 0.1 + 0.25 * size[2]))
    base = box((size[0], size[1], 0.05), steel, (0, 0, 0.1))
    return Mesh.merge([struts(starts, ends, 0.006, 0.006, steel), load, base])


def make_table(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A table or workbench, long side along y, with things on it."""
    width, depth, height = float(rng.uniform(1.0, 2.2)), float(rng.uniform(0.6, 0.9)), float(rng.uniform(0.7, 0.95))
    top = palette.add(PALE_WOOD if rng.random() < 0.6 else WHITE_PLASTIC)
    leg = palette.add(GALVANISED if rng.random() < 0.5 else DARK_STEEL)
    parts = [box((depth, width, 0.04), top, (0, 0, height))]
    parts += [
        box((0.05, 0.05, height), leg, (sx * (depth / 2 - 0.06), sy * (width / 2 - 0.06), height / 2))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    for _ in range(int(rng.integers(0, 5))):
        size = rng.uniform(0.08, 0.35, 3)
        at = rng.uniform(-0.35, 0.35, 2) * [depth, width]
        parts.append(box(size, palette.add(bright_paint(rng)), (*at, height + 0.02 + size[2] / 2)))
    return Mesh.merge(parts)


def make_chair(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A chair whose sitter looks along +x."""
    shell = palette.add(bright_paint(rng) if rng.random() < 0.5 else INTERIOR)
    leg = palette.add(GALVANISED)
    seat, back = float(rng.uniform(0.42, 0.48)), float(rng.uniform(0.3, 0.55))
    parts = [box((0.44, 0.44, 0.04), shell, (0, 0, seat))]
    parts.append(box((0.03, 0.42, back), shell).transformed(pose((-0.24, 0, seat + 0.08 + back / 2), (0, -0.15, 0))))
    for sx in (-1, 1):
        for sy in (-1, 1):
            parts.append(bar((sx * 0.22, sy * 0.21, 0), (sx * 0.18, sy * 0.18, seat), 0.025, 0.025, leg))
    parts += [bar((-0.19, y, seat), (-0.25, y, seat + 0.25), 0.025, 0.025, leg) for y in (-0.19, 0.19)]
    return Mesh.merge(parts)


def make_shelf(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A shelf unit with boxes and files, its front towards +x."""
    width, height, depth = float(rng.uniform(0.8, 1.6)), float(rng.uniform(1.6, 2.3)), 0.45
    frame = palette.add(GREY_PLASTIC if rng.random() < 0.5 else PALE_WOOD)
    parts = [box((depth, 0.03, height), frame, (0, y, height / 2)) for y in (-width / 2, width / 2)]
    parts.append(box((0.01, width, height), frame, (-depth / 2, 0, height / 2)))
    levels = np.linspace(0.08, height, int(rng.integers(4, 7)))
    tallest = min(0.32, levels[1] - levels[0] - 0.06)
    for z in levels:
        parts.append(box((depth, width, 0.025), frame, (0, 0, z)))
        cursor = -width / 2 + 0.05
        while cursor < width / 2 - 0.2 and z < height - 0.2:
            size = rng.uniform((0.2, 0.06, 0.1), (0.38, 0.35, tallest))
            if rng.random() < 0.8 and cursor + size[1] < width / 2:
                parts.append(
                    box(size, palette.add(bright_paint(rng)), (0, cursor + size[1] / 2, z + 0.013 + size[2] / 2))
                )
            cursor += size[1] + 0.02
    return Mesh.merge(parts)


def make_forklift(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A forklift truck with its forks towards +x, sometimes loaded."""
    paint, dark = palette.add(_machine_paint(rng, (0.75, 0.3, 0.02))), palette.add(DARK_STEEL)
    lift = float(rng.uniform(0.08, 0.5))
    wheel = make_wheel(rng, palette, 0.3, 0.22, rim_share=0.5)
    parts = [
        box((1.5, 1.05, 0.5), paint, (-0.3, 0, 0.5)),
        box((0.6, 1.05, 0.45), paint, (-0.85, 0, 0.95)),
        box((0.45, 0.5, 0.12), palette.add(INTERIOR), (-0.45, 0, 0.95)),
        box((0.12, 0.5, 0.5), palette.add(INTERIOR), (-0.68, 0, 1.2)),
        tube([(0.35, 0, 0.75), (0.15, 0, 1.15)], 0.03, dark, 6),
        box((1.1, 0.95, 0.04), dark, (-0.3, 0, 2.1)),
        *(
            bar((x, y, 0.7), (x2, y, 2.1), 0.05, 0.05, dark)
            for x, x2 in ((0.4, 0.2), (-1.0, -0.8))
            for y in (-0.45, 0.45)
        ),
        *(box((0.12, 0.08, 2.1), dark, (0.6, y, 1.1)) for y in (-0.35, 0.35)),
        *(box((0.06, 0.75, 0.08), dark, (0.62, 0, z)) for z in (0.4, 1.2, 2.1)),
        box((0.05, 0.9, 0.4), dark, (0.7, 0, lift + 0.25)),
        *(box((1.1, 0.12, 0.05), dark, (1.25, y, lift)) for y in (-0.25, 0.25)),
        *(wheel.placed(x, 0.42, 0.3) for x in (0.25, -0.85)),
        *(wheel.placed(x, -0.42, 0.3, np.pi) for x in (0.25, -0.85)),
    ]
    if rng.random() < 0.5:
        parts.append(make_pallet_stack(rng, palette).translated(1.35, 0, lift + 0.03))
    return Mesh.merge(parts)


def make_machine(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A machine tool: an enclosure with a window, a control panel towards +x, a signal lamp, pipes."""
    size = rng.uniform((1.0, 1.5, 1.4), (2.2, 3.5, 2.3))
    shell = palette.add(_machine_paint(rng, (0.55, 0.56, 0.55)))
    accent, dark = palette.add(bright_paint(rng)), palette.add(BLACK_PLASTIC)
    window = palette.add(Material("machine window", "glass", (0.03, 0.035, 0.04), gloss=0.08, lidar_reflectivity=0.08))
    front = size[0] / 2
    parts = [
        box(size, shell, (0, 0, size[2] / 2 + 0.08)),
        box((size[0] - 0.1, size[1] - 0.1, 0.1), dark, (0, 0, 0.05)),
        box((0.02, size[1] + 0.005, 0.15), accent, (front, 0, size[2] * 0.9)),
        box((0.03, 0.35 * size[1], 0.35 * size[2]), window, (front, -0.15 * size[1], 0.62 * size[2])),
        box((0.25, 0.4, 0.55), shell, (front + 0.12, 0.36 * size[1], 1.3)),
        box((0.01, 0.3, 0.25), window, (front + 0.25, 0.36 * size[1], 1.4)),
        box((0.5, 0.6, 0.5), accent, (-0.2, 0.2 * size[1], size[2] + 0.3)),
        tube([(0, -0.3 * size[1], size[2]), (0, -0.3 * size[1], size[2] + 0.9)], 0.1, palette.add(GALVANISED), 9),
    ]
    lamp = [((0.6, 0.03, 0.02), 0.0), ((0.6, 0.3, 0.02), 0.0), ((0.05, 0.5, 0.1), 1.0)]
    for row, (colour, glow) in enumerate(lamp):
        shining = Material(
            "stack lamp", "plain", colour, emission=(glow * colour[0], glow * colour[1], glow * colour[2])
        )
        light = cylinder(0.035, 0.07, palette.add(shining), 8)
        parts.append(light.translated(front - 0.1, 0.45 * size[1], size[2] + 0.1 + 0.08 * (2 - row)))
    return Mesh.merge(parts)


def make_ladder(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A step ladder."""
    height, alloy = float(rng.uniform(1.2, 2.6)), palette.add(GALVANISED)
    steps = np.arange(0.28, height - 0.1, 0.28)
    lean = 0.22 * height
    parts = []
    for y in (-0.22, 0.22):
        parts.append(bar((lean, y, 0), (0, y, height), 0.03, 0.06, alloy))
        parts.append(bar((-lean, y, 0), (0, y, height), 0.03, 0.04, alloy))
    parts += [box((0.09, 0.44, 0.03), alloy, (lean * (1 - z / height), 0, z)) for z in steps]
    return Mesh.merge(parts)


def _pallet(wood: int) -> Mesh:
    """A European pallet: deck boards on three skids."""
    parts = [box((1.2, 0.145, 0.022), wood, (0, y, 0.134)) for y in (-0.3275, 0, 0.3275)]
    parts += [box((0.12, 0.8, 0.022), wood, (x, 0, 0.112)) for x in (-0.54, 0, 0.54)]
    parts += [box((1.2, 0.1, 0.1), wood, (0, y, 0.05)) for y in (-0.35, 0, 0.35)]
    return Mesh.merge(parts)


def _open_box(size: np.ndarray, wall: float, material: int) -> Mesh:
    """Four walls and a floor."""
    x, y, z = size
    return Mesh.merge(
        [
            box((x, y, wall), material, (0, 0, wall / 2)),
            *(box((wall, y, z), material, (side * (x - wall) / 2, 0, z / 2)) for side in (-1, 1)),
            *(box((x, wall, z), material, (0, side * (y - wall) / 2, z / 2)) for side in (-1, 1)),
        ]
    )


def _machine_paint(rng: np.random.Generator, colour: tuple[float, float, float]) -> Material:
    """The usual colour, or another one in a third of the cases."""
    if rng.random() < 0.33:
        return bright_paint(rng)
    return Material("machine paint", "paint", near(rng, colour, 0.25), gloss=0.04, lidar_reflectivity=0.4)
