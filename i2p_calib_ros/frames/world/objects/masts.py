"""What stands tall along roads: lamps, signals, poles with their wires, billboards and sign gantries.

Everything stands on z = 0; what has a front looks along +x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, cylinder, grid_mesh
from i2p_calib_ros.frames.world.objects.shapes import (
    disc_outline,
    ellipsoid,
    plate,
    rectangle_outline,
    revolve,
    struts,
    tube,
)
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    CONCRETE,
    DARK_STEEL,
    GALVANISED,
    GREY_PLASTIC,
    REFLECTOR,
    WEATHERED_WOOD,
    WHITE_PLASTIC,
    bright_paint,
    near,
    street_enamel,
)

FloatArray = NDArray[np.float64]

LAMP_HEAD = Material("lamp head", "plain", (0.8, 0.8, 0.75), gloss=0.1, lidar_reflectivity=0.5)


def make_lamp_post(rng: np.random.Generator, palette: Palette, height_m: float | None = None) -> Mesh:
    """A street lamp of 4 to 10 m; a curved or straight arm reaches along +x, low ones carry a lantern on top."""
    height = float(rng.uniform(4.0, 10.0)) if height_m is None else height_m
    steel = palette.add(GALVANISED if rng.random() < 0.7 else street_enamel(rng))
    lamp = palette.add(LAMP_HEAD)
    foot, girth = 0.09 + 0.004 * height, 0.04 + 0.002 * height
    base = cylinder(1.3 * foot, 0.9, steel, 10)
    if height < 5.5 and rng.random() < 0.7:
        post = tube([(0, 0, 0), (0, 0, height)], [foot, girth], steel, 10, caps=False)
        if rng.random() < 0.5:
            return Mesh.merge([base, post, ellipsoid((0.2, 0.2, 0.2), lamp, (0, 0, height + 0.15), 10)])
        hood = revolve([(0.08, 0.0), (0.25, 0.35), (0.3, 0.36), (0.04, 0.55), (0.0, 0.56)], steel, 8)
        glass = revolve([(0.07, 0.02), (0.22, 0.34)], lamp, 8)
        return Mesh.merge([base, post, hood.translated(0, 0, height), glass.translated(0, 0, height + 0.005)])
    reach = float(rng.uniform(0.6, 2.4))
    turn = np.linspace(0, np.pi / 2, 6)[:, None]
    rise = float(rng.uniform(0.1, 1.0)) * reach
    arm = np.array([0, 0, height - rise]) + np.sin(turn) * [0, 0, rise] + (1 - np.cos(turn)) * [reach, 0, 0]
    path = np.vstack([[(0, 0, 0)], arm])
    head_size = (0.7, 0.28, 0.1) if rng.random() < 0.5 else (0.55, 0.36, 0.06)
    head_at = arm[-1] + [0.3 * head_size[0], 0, 0.02]
    parts = [
        base,
        tube(path, np.linspace(foot, girth, 7), steel, 9, caps=False),
        ellipsoid(np.array(head_size) / [1.6, 1.6, 1.2], steel, head_at, 8),
        box((0.7 * head_size[0], 0.7 * head_size[1], 0.03), lamp, head_at - [0, 0, 0.45 * head_size[2] + 0.03]),
    ]
    return Mesh.merge(parts)


def lamp_head_height(post: Mesh) -> float:
    """Where the light of a lamp post comes from, metres above the ground."""
    return float(post.bounds[1][2]) - 0.15


def make_traffic_light(rng: np.random.Generator, palette: Palette, overhead: bool | None = None) -> Mesh:
    """Signals for traffic that comes from +x: on a post, or also on an arm along -y over the lane."""
    gantry = rng.random() < 0.4 if overhead is None else overhead
    steel = palette.add(GALVANISED if rng.random() < 0.6 else street_enamel(rng))
    height = float(rng.uniform(5.6, 6.3) if gantry else rng.uniform(3.0, 3.6))
    post = tube([(0, 0, 0), (0, 0, height)], 0.1 if gantry else 0.06, steel, 10)
    lit = int(rng.integers(3))
    parts = [post, _signal(palette, lit, vehicle=True).translated(0.12, 0, 2.3)]
    if gantry:
        reach = float(rng.uniform(3.0, 6.0))
        parts.append(tube([(0, 0, height - 0.2), (0, -reach, height)], [0.09, 0.05], steel, 8))
        parts.append(_signal(palette, lit, vehicle=True).translated(0.1, -reach + 0.3, height - 0.9))
    if rng.random() < 0.7:
        crossing = _signal(palette, 2 if lit == 0 else 0, vehicle=False)
        parts.append(crossing.placed(0.0, 0.12, 2.2, np.pi / 2))
        parts.append(box((0.08, 0.12, 0.18), palette.add(street_enamel(rng)), (0.08, 0, 1.05)))
    return Mesh.merge(parts)


def _signal(palette: Palette, lit: int, vehicle: bool) -> Mesh:
    """A signal head from z = 0 that looks along +x: red, amber, green from the top, without amber for walkers."""
    colours = [(1.0, 0.05, 0.02), (1.0, 0.5, 0.02), (0.05, 0.9, 0.4)]
    if not vehicle:
        colours, lit = [colours[0], colours[2]], min(lit, 1)
    count, black = len(colours), palette.add(BLACK_PLASTIC)
    parts = [box((0.2, 0.32, 0.3 * count + 0.05), black, (0.0, 0, 0.15 * count))]
    if vehicle:
        parts.append(box((0.01, 0.6, 0.3 * count + 0.3), black, (-0.08, 0, 0.15 * count)))
    for row, colour in enumerate(colours):
        glow = tuple(2.0 * c for c in colour) if row == lit else (0.0, 0.0, 0.0)
        dim = tuple(0.25 * c for c in colour)
        lens = palette.add(
            Material("signal lens", "plain", (dim[0], dim[1], dim[2]), gloss=0.1, emission=(glow[0], glow[1], glow[2]))
        )
        z = 0.3 * (count - 0.5 - row)
        parts.append(plate(disc_outline(0.105, 14), 0.02, lens, black).translated(0.112, 0, z))
        angle = np.linspace(-0.2, np.pi + 0.2, 9)
        ring = np.column_stack([0.125 * np.cos(angle), 0.125 * np.sin(angle) + z])
        hood = np.stack([np.column_stack([np.full(9, x), ring]) for x in (0.1, 0.27)])
        parts.append(grid_mesh(hood, black))
    return Mesh.merge(parts)


def make_utility_pole(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A wooden or concrete pole of 7 to 11 m with cross-arms along y, insulators and perhaps a transformer."""
    height = float(rng.uniform(7.0, 11.0))
    body = palette.add(WEATHERED_WOOD if rng.random() < 0.7 else CONCRETE)
    parts = [tube([(0, 0, 0), (0, 0, height)], [0.16, 0.1], body, 9)]
    for z in np.arange(height - 0.3, height - 1.6, -0.65)[: int(rng.integers(1, 4))]:
        parts.append(box((0.1, 2.0, 0.1), body, (0.12, 0, z)))
        for y in (-0.9, -0.45, 0.45, 0.9):
            parts.append(cylinder(0.04, 0.16, palette.add(WHITE_PLASTIC), 6).translated(0.12, y, z + 0.05))
    if rng.random() < 0.3:
        parts.append(cylinder(0.28, 0.9, palette.add(GREY_PLASTIC), 12).translated(0.4, 0, height - 3.0))
    if rng.random() < 0.4:
        parts.append(tube([(-1.8, 0, 0), (0, 0, 0.7 * height)], 0.01, palette.add(GALVANISED), 3))
    return Mesh.merge(parts)


def make_wires(palette: Palette, start: FloatArray, end: FloatArray, sag_m: float = 0.5) -> Mesh:
    """Four wires that hang between two poles; start, end (3,) metres, where the cross-arms are."""
    run = np.asarray(end, dtype=np.float64) - start
    aside = np.array([-run[1], run[0], 0.0]) / max(float(np.linalg.norm(run[:2])), 1e-9)
    t = np.linspace(0, 1, 9)[:, None]
    hang = np.asarray(start) + t * run - [0, 0, 4 * sag_m] * t * (1 - t)
    wires = [(hang + offset * aside) for offset in (-0.9, -0.45, 0.45, 0.9)]
    return Mesh.merge([struts(wire[:-1], wire[1:], 0.012, 0.012, palette.add(BLACK_PLASTIC)) for wire in wires])


def make_billboard(rng: np.random.Generator, palette: Palette) -> Mesh:
    """An advertisement on posts, towards +x."""
    width, height, foot = float(rng.uniform(1.2, 4.0)), float(rng.uniform(1.5, 2.8)), float(rng.uniform(0.4, 2.5))
    frame = palette.add(DARK_STEEL)
    parts = [box((0.12, width + 0.1, height + 0.1), frame, (0, 0, foot + height / 2))]
    parts += [tube([(0, y, 0), (0, y, foot)], 0.06, frame, 8, caps=False) for y in (-0.35 * width, 0.35 * width)]
    ground = palette.add(Material("poster ground", "plain", near(rng, (0.4, 0.4, 0.4), 0.7), lidar_reflectivity=0.6))
    parts.append(box((0.01, width, height), ground, (0.062, 0, foot + height / 2)))
    for _ in range(int(rng.integers(3, 8))):
        size = rng.uniform(0.1, 0.6, 2) * [width, height]
        at = rng.uniform(-0.5, 0.5, 2) * ([width, height] - size)
        ink = palette.add(bright_paint(rng))
        outline = disc_outline(float(size.min()) / 2) if rng.random() < 0.3 else rectangle_outline(*size)
        blot = plate(outline, 0.004, ink, ink)
        parts.append(blot.translated(0.07 + 0.002 * len(parts), at[0], foot + height / 2 + at[1]))
    return Mesh.merge(parts)


def make_gantry(rng: np.random.Generator, palette: Palette, span_m: float) -> Mesh:
    """A sign gantry of a motorway across the road (along y), its signs towards -x, where the traffic comes from."""
    steel = palette.add(GALVANISED)
    height = float(rng.uniform(6.0, 6.8))
    y = np.linspace(-span_m / 2, span_m / 2, int(span_m / 1.2) + 1)
    zero = np.zeros(len(y))
    corners = [np.column_stack([zero + x, y, zero + z]) for x in (-0.4, 0.4) for z in (height, height + 0.9)]
    parts = [struts(chord[:-1], chord[1:], 0.06, 0.06, steel) for chord in corners]
    parts += [struts(corners[i][:-1], corners[j][1:], 0.03, 0.03, steel) for i, j in ((0, 1), (2, 3), (0, 2))]
    post = [box((0.5, 0.4, height + 0.9), steel, (0, side * span_m / 2, (height + 0.9) / 2)) for side in (-1, 1)]
    blue = (0.02, 0.1, 0.45) if rng.random() < 0.6 else (0.02, 0.25, 0.1)
    field = palette.add(Material("motorway sign", "plain", blue, lidar_reflectivity=0.6, retro=25.0))
    white = palette.add(REFLECTOR)
    for at in np.linspace(-span_m / 2, span_m / 2, int(rng.integers(2, 5)) + 2)[1:-1]:
        width, tall = float(rng.uniform(2.4, 3.6)), float(rng.uniform(1.8, 2.8))
        sign = [plate(rectangle_outline(width, tall, 0.1), 0.05, white, steel)]
        sign.append(plate(rectangle_outline(width - 0.12, tall - 0.12, 0.08), 0.004, field, field).translated(0.006, 0))
        for row in range(int(rng.integers(2, 4))):
            cursor = -0.4 * width
            while cursor < 0.25 * width:
                letter = float(rng.uniform(0.12, 0.4))
                glyph = plate(rectangle_outline(letter, 0.24), 0.004, white, white)
                sign.append(glyph.translated(0.01, cursor + letter / 2, 0.3 * tall - 0.5 * row))
                cursor += letter + 0.06
        parts.append(Mesh.merge(sign).placed(-0.6, float(at), height + 0.4, np.pi))
    return Mesh.merge(parts + post)
