"""What stands along streets: lamps, signals, bins, benches, fences, rails, poles, shelters, cones.

Everything stands on z = 0. What has a front looks along +x; what has a length lies along x with its middle over the
origin.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, cylinder, grid_mesh
from i2p_calib_ros.frames.world.shapes import (
    bar,
    disc_outline,
    ellipsoid,
    plate,
    pose,
    rectangle_outline,
    revolve,
    struts,
    tube,
)
from i2p_calib_ros.frames.world.stuff import (
    BLACK_PLASTIC,
    CONCRETE,
    DARK_STEEL,
    GALVANISED,
    GREY_PLASTIC,
    PANE,
    RED_REFLECTOR,
    REFLECTOR,
    WEATHERED_WOOD,
    WHITE_PLASTIC,
    WOOD,
    bright_paint,
    near,
)
from i2p_calib_ros.frames.world.two_wheelers import make_bicycle

FloatArray = NDArray[np.float64]

LAMP_HEAD = Material("lamp head", "plain", (0.8, 0.8, 0.75), gloss=0.1, lidar_reflectivity=0.5)
ORANGE_CONE = Material("cone", "plain", (0.75, 0.14, 0.02), lidar_reflectivity=0.6)


def make_lamp_post(rng: np.random.Generator, palette: Palette, height_m: float | None = None) -> Mesh:
    """A street lamp of 4 to 10 m; a curved or straight arm reaches along +x, low ones carry a lantern on top."""
    height = float(rng.uniform(4.0, 10.0)) if height_m is None else height_m
    steel = palette.add(GALVANISED if rng.random() < 0.7 else _enamel(rng))
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
    steel = palette.add(GALVANISED if rng.random() < 0.6 else _enamel(rng))
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
        parts.append(box((0.08, 0.12, 0.18), palette.add(_enamel(rng)), (0.08, 0, 1.05)))
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


def make_bollard(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A post that keeps cars off, of metal, concrete or plastic with a reflecting band."""
    height, radius = float(rng.uniform(0.7, 1.1)), float(rng.uniform(0.05, 0.12))
    kind = rng.random()
    body = palette.add(_enamel(rng) if kind < 0.6 else CONCRETE if kind < 0.8 else GREY_PLASTIC)
    parts = [revolve([(radius, 0), (radius, 0.92 * height), (0.7 * radius, height), (0, height)], body, 10)]
    if rng.random() < 0.6:
        band = palette.add(REFLECTOR if rng.random() < 0.6 else RED_REFLECTOR)
        z = 0.75 * height
        parts.append(revolve([(radius + 0.004, z), (radius + 0.004, z + 0.1)], band, 10))
    return Mesh.merge(parts)


def make_bench(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A bench of slats whose sitters look along +x."""
    width = float(rng.uniform(1.3, 2.1))
    wood, frame = palette.add(WOOD if rng.random() < 0.6 else WEATHERED_WOOD), palette.add(DARK_STEEL)
    parts = [box((0.09, width, 0.035), wood, (x, 0, 0.44)) for x in (-0.16, -0.05, 0.06, 0.17)]
    if rng.random() < 0.8:
        parts += [box((0.03, width, 0.09), wood, (-0.24 - 0.25 * (z - 0.5), 0, z)) for z in (0.58, 0.7, 0.82)]
    for y in (-width / 2 + 0.15, width / 2 - 0.15):
        parts.append(bar((0.18, y, 0), (0.14, y, 0.43), 0.05, 0.05, frame))
        parts.append(bar((-0.18, y, 0), (-0.2, y, 0.44), 0.05, 0.05, frame))
        parts.append(bar((-0.2, y, 0.42), (-0.34, y, 0.86), 0.04, 0.04, frame))
        parts.append(bar((-0.22, y, 0.41), (0.2, y, 0.41), 0.05, 0.04, frame))
    return Mesh.merge(parts)


def make_bin(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A litter bin on a street, or a wheeled household bin."""
    if rng.random() < 0.5:
        radius, height = float(rng.uniform(0.18, 0.28)), float(rng.uniform(0.6, 0.95))
        shell = palette.add(_enamel(rng))
        profile = [
            (0.85 * radius, 0.08),
            (radius, 0.8 * height),
            (radius * 1.05, 0.82 * height),
            (0.6 * radius, height),
            (0, height),
        ]
        return Mesh.merge([revolve(profile, shell, 12), cylinder(0.5 * radius, 0.1, palette.add(DARK_STEEL), 8)])
    height = float(rng.uniform(0.95, 1.25))
    half = 0.27 if height < 1.15 else 0.36
    colour = near(rng, [(0.04, 0.04, 0.045), (0.03, 0.1, 0.04), (0.03, 0.06, 0.2), (0.35, 0.25, 0.02)][rng.integers(4)])
    shell = palette.add(Material("bin", "plain", colour, gloss=0.02, lidar_reflectivity=0.25))
    outline = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])
    rows = [
        np.column_stack([outline * half * size, np.full(5, z)])
        for size, z in ((0.78, 0.06), (1.0, height - 0.08), (1.08, height - 0.08), (1.08, height - 0.03), (0.9, height))
    ]
    rows.append(rows[-1] * [0, 0, 1])
    wheel = cylinder(0.1, 0.05, palette.add(BLACK_PLASTIC), 10)
    wheels = [wheel.transformed(pose((-half + 0.05, y, 0.1), (np.pi / 2, 0, 0))) for y in (-half * 0.6, half * 0.7)]
    return Mesh.merge([grid_mesh(np.stack(rows), shell, smooth=False), *wheels])


def make_fence(rng: np.random.Generator, palette: Palette, length_m: float) -> Mesh:
    """A fence along x: boards, pickets, wire mesh between posts, or steel bars; 0.8 to 2.2 m high."""
    kind = rng.choice(["boards", "pickets", "mesh", "bars", "rails"])
    height = float({"boards": rng.uniform(1.5, 2.0), "pickets": rng.uniform(0.8, 1.2), "mesh": rng.uniform(1.2, 2.2),
                    "bars": rng.uniform(1.0, 1.9), "rails": rng.uniform(1.0, 1.3)}[str(kind)])  # fmt: skip
    half = length_m / 2
    spans = max(1, round(length_m / float(rng.uniform(1.8, 2.6))))
    post_x = np.linspace(-half, half, spans + 1)
    wood = palette.add(WOOD if rng.random() < 0.4 else WEATHERED_WOOD)
    if kind == "boards":
        parts = [box((length_m, 0.025, height - 0.05), wood, (0, 0.0, 0.05 + (height - 0.05) / 2))]
        count = int(length_m / 0.15)
        slats = np.linspace(-half + 0.06, half - 0.06, count)[::2]
        parts += [box((0.12, 0.02, height - 0.06), wood, (x, 0.02, height / 2)) for x in slats]
        parts += [box((0.1, 0.1, height + 0.05), wood, (x, 0, (height + 0.05) / 2)) for x in post_x]
        return Mesh.merge(parts)
    if kind == "pickets":
        if rng.random() < 0.5:
            wood = palette.add(WHITE_PLASTIC)
        x = np.arange(-half + 0.05, half, 0.13)
        parts = [box((0.075, 0.02, height - 0.08), wood, (at, 0.03, height / 2 + 0.04)) for at in x]
        parts += [box((length_m, 0.04, 0.08), wood, (0, 0, z)) for z in (0.25 * height, 0.8 * height)]
        return Mesh.merge(parts)
    if kind == "rails":
        parts = [box((0.12, 0.12, height), wood, (x, 0, height / 2)) for x in post_x]
        parts += [box((length_m, 0.035, 0.12), wood, (0, 0.07, z * height)) for z in (0.35, 0.65, 0.92)]
        return Mesh.merge(parts)
    steel = palette.add(GALVANISED if rng.random() < 0.4 else _enamel(rng))
    posts = [tube([(x, 0, 0), (x, 0, height + 0.05)], 0.03, steel, 6) for x in post_x]
    if kind == "bars":
        x = np.arange(-half + 0.06, half, 0.12)
        foot = np.column_stack([x, 0 * x, np.full(len(x), 0.1)])
        rods = struts(foot, foot + [0, 0, height - 0.1], 0.011, 0.011, steel)
        rails = [box((length_m, 0.03, 0.04), steel, (0, 0, z)) for z in (0.15, height - 0.12)]
        return Mesh.merge([*posts, rods, *rails])
    # Wires of a welded mesh, wider apart than in reality where there would be too many.
    step = max(0.1, length_m / 90)
    x = np.arange(-half, half, step)
    z = np.arange(0.05, height, 0.2)
    upright = struts(
        np.column_stack([x, 0 * x, 0 * x + 0.05]), np.column_stack([x, 0 * x, 0 * x + height]), 0.004, 0.004, steel
    )
    level = struts(
        np.column_stack([0 * z - half, 0 * z, z]), np.column_stack([0 * z + half, 0 * z, z]), 0.005, 0.005, steel
    )
    return Mesh.merge([*posts, upright, level])


def make_guard_rail(rng: np.random.Generator, palette: Palette, length_m: float) -> Mesh:
    """A crash barrier along x that protects the traffic at +y: W-shaped steel on posts."""
    steel, reflector = palette.add(GALVANISED), palette.add(REFLECTOR)
    z = np.array([0.44, 0.46, 0.52, 0.56, 0.6, 0.64, 0.68, 0.74, 0.76])
    y = np.array([0.0, 0.05, 0.08, 0.03, 0.0, 0.03, 0.08, 0.05, 0.0]) + 0.1
    x = np.linspace(length_m / 2, -length_m / 2, max(2, int(length_m / 4) + 1))
    points = np.stack([np.column_stack([x, np.full(len(x), y[i]), np.full(len(x), z[i])]) for i in range(len(z))])
    spacing = float(rng.choice([2.0, 4.0]))
    at = np.arange(-length_m / 2 + 0.3, length_m / 2, spacing)
    posts = [box((0.06, 0.1, 0.72), steel, (x_post, 0.02, 0.36)) for x_post in at]
    dots = [box((0.02, 0.05, 0.08), reflector, (x_post, 0.09, 0.6)) for x_post in at[::4]]
    return Mesh.merge([grid_mesh(points, steel), *posts, *dots])


def make_concrete_barrier(rng: np.random.Generator, palette: Palette, length_m: float) -> Mesh:
    """A barrier of New Jersey profile along x."""
    height = float(rng.uniform(0.8, 1.1))
    profile = np.array(
        [(-0.3, 0), (0.3, 0), (0.3, 0.08), (0.14, 0.33), (0.08, 1.0), (-0.08, 1.0), (-0.14, 0.33), (-0.3, 0.08)]
    )
    outline = profile * [1, height]
    body = plate(outline, length_m, palette.add(CONCRETE), palette.add(CONCRETE))
    return body.translated(length_m / 2, 0)


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


def make_bus_shelter(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A shelter of glass open towards +x, with a bench and a poster."""
    width, depth, height = float(rng.uniform(2.8, 4.5)), float(rng.uniform(1.2, 1.7)), 2.4
    frame, glass = palette.add(_enamel(rng)), palette.add(PANE)
    poster = palette.add(Material("poster", "graffiti", near(rng, (0.5, 0.45, 0.4), 0.3), tile_m=1.8))
    parts = [box((depth + 0.2, width + 0.2, 0.1), frame, (0, 0, height))]
    panes = max(2, round(width / 1.2))
    for y in np.linspace(-width / 2, width / 2, panes + 1):
        parts.append(box((0.06, 0.06, height), frame, (-depth / 2, y, height / 2)))
    parts.append(box((0.01, width, height - 0.45), glass, (-depth / 2, 0, height / 2 + 0.05)))
    parts.append(box((depth, 0.01, height - 0.45), glass, (0, -width / 2, height / 2 + 0.05)))
    parts.append(box((0.06, 0.06, height), frame, (depth / 2, -width / 2, height / 2)))
    parts.append(box((depth - 0.1, 0.14, height - 0.3), frame, (0, width / 2, height / 2)))
    parts.append(box((depth - 0.25, 0.16, height - 0.55), poster, (0, width / 2, height / 2)))
    parts.append(box((0.35, 0.6 * width, 0.05), palette.add(WOOD), (-depth / 2 + 0.3, 0, 0.48)))
    parts += [box((0.06, 0.06, 0.46), frame, (-depth / 2 + 0.3, y, 0.23)) for y in (-0.25 * width, 0.25 * width)]
    return Mesh.merge(parts)


def make_cone(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A traffic cone with reflecting bands."""
    height = float(rng.uniform(0.45, 0.9))
    radius = 0.22 * height + 0.02
    orange, white = palette.add(ORANGE_CONE), palette.add(REFLECTOR)
    bands = [(0.0, orange), (0.3, white), (0.48, orange), (0.62, white), (0.8, orange), (1.0, orange)]
    parts = [box((2.6 * radius, 2.6 * radius, 0.04), palette.add(BLACK_PLASTIC), (0, 0, 0.02))]
    for (low, material), (high, _) in pairwise(bands):
        girth = [(radius * (1 - 0.85 * s), 0.03 + s * (height - 0.03)) for s in (low, high)]
        parts.append(revolve(girth, material, 12))
    return Mesh.merge(parts)


def make_hydrant(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A fire hydrant."""
    red = near(rng, (0.45, 0.03, 0.02)) if rng.random() < 0.7 else near(rng, (0.7, 0.5, 0.03))
    body = palette.add(Material("hydrant", "paint", red, gloss=0.04, lidar_reflectivity=0.4))
    profile = [
        (0.16, 0),
        (0.16, 0.06),
        (0.1, 0.07),
        (0.1, 0.5),
        (0.13, 0.52),
        (0.13, 0.56),
        (0.08, 0.68),
        (0.03, 0.72),
        (0.03, 0.77),
        (0, 0.77),
    ]
    caps = [
        tube([(0, -0.19, 0.42), (0, 0.19, 0.42)], 0.055, body, 8),
        tube([(0.05, 0, 0.36), (0.2, 0, 0.36)], 0.07, body, 8),
    ]
    return Mesh.merge([revolve(profile, body, 12), *caps])


def make_cabinet(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A grey-green cabinet of a telephone or power company, doors towards +x."""
    width, height, depth = float(rng.uniform(0.6, 1.5)), float(rng.uniform(0.9, 1.5)), float(rng.uniform(0.3, 0.5))
    colour = near(rng, (0.35, 0.37, 0.33), 0.3)
    textured = "graffiti" if rng.random() < 0.2 else "paint"
    shell = palette.add(Material("cabinet", textured, colour, tile_m=1.5, lidar_reflectivity=0.4))
    dark = palette.add(DARK_STEEL)
    return Mesh.merge(
        [
            box((depth, width, height), shell, (0, 0, 0.1 + height / 2)),
            box((depth + 0.06, width + 0.06, 0.05), shell, (0, 0, height + 0.11)),
            box((depth - 0.04, width - 0.04, 0.1), palette.add(CONCRETE), (0, 0, 0.05)),
            box((0.01, 0.012, height - 0.1), dark, (depth / 2 + 0.001, 0, 0.1 + height / 2)),
            box((0.02, 0.03, 0.15), dark, (depth / 2 + 0.005, 0.08, 0.75)),
        ]
    )


def make_parking_meter(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A meter on a post or a ticket machine, its front towards +x."""
    shell = palette.add(_enamel(rng))
    if rng.random() < 0.5:
        post = tube([(0, 0, 0), (0, 0, 1.1)], 0.035, palette.add(GALVANISED), 8)
        return Mesh.merge([post, ellipsoid((0.08, 0.11, 0.2), shell, (0, 0, 1.28), 10)])
    screen = palette.add(Material("screen", "plain", (0.03, 0.04, 0.05), gloss=0.08, lidar_reflectivity=0.1))
    return Mesh.merge(
        [
            box((0.25, 0.35, 1.55), shell, (0, 0, 0.775)),
            box((0.01, 0.25, 0.2), screen, (0.128, 0, 1.3)),
            box((0.02, 0.33, 0.16), palette.add(WHITE_PLASTIC), (0, 0, 1.66)),
        ]
    )


def make_post_box(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A letter box on its post or a pillar box."""
    colours = [(0.75, 0.5, 0.02), (0.5, 0.02, 0.02), (0.02, 0.08, 0.3)]
    paint = palette.add(
        Material("post box", "paint", near(rng, colours[int(rng.integers(3))]), gloss=0.05, lidar_reflectivity=0.5)
    )
    slot = palette.add(BLACK_PLASTIC)
    if rng.random() < 0.4:
        pillar = revolve(
            [(0.24, 0), (0.24, 0.1), (0.2, 0.12), (0.2, 1.35), (0.25, 1.37), (0.2, 1.5), (0, 1.53)], paint, 14
        )
        return Mesh.merge([pillar, box((0.03, 0.25, 0.03), slot, (0.2, 0, 1.25))])
    return Mesh.merge(
        [
            tube([(0, 0, 0), (0, 0, 0.9)], 0.04, palette.add(DARK_STEEL), 8),
            box((0.35, 0.5, 0.6), paint, (0, 0, 1.15)),
            box((0.01, 0.35, 0.04), slot, (0.178, 0, 1.35)),
        ]
    )


def make_bicycle_stand(rng: np.random.Generator, palette: Palette) -> Mesh:
    """Steel hoops in a row along x, some with a bicycle."""
    steel = palette.add(GALVANISED)
    parts = []
    for x in np.arange(int(rng.integers(2, 6))) * 0.9:
        hoop = [(x, -0.4, 0), (x, -0.4, 0.7), (x, -0.3, 0.8), (x, 0.3, 0.8), (x, 0.4, 0.7), (x, 0.4, 0)]
        parts.append(tube(hoop, 0.024, steel, 6, caps=False))
        if rng.random() < 0.6:
            parts.append(make_bicycle(rng, palette).placed(x + 0.12, rng.uniform(-0.2, 0.2), 0, np.pi / 2))
    return Mesh.merge(parts)


def make_scaffold_barrier(rng: np.random.Generator, palette: Palette, length_m: float = 2.2) -> Mesh:
    """A red and white barrier board of road works along x on two feet."""
    red = palette.add(Material("barrier red", "plain", (0.55, 0.03, 0.02), lidar_reflectivity=0.6, retro=10.0))
    white = palette.add(Material("barrier white", "plain", (0.8, 0.8, 0.78), lidar_reflectivity=0.8, retro=15.0))
    fields = int(rng.integers(5, 9))
    width = length_m / fields
    parts = [
        box((width, 0.03, 0.25), (red, white)[i % 2], (-length_m / 2 + (i + 0.5) * width, 0, 0.95))
        for i in range(fields)
    ]
    grey = palette.add(GREY_PLASTIC)
    for x in (-length_m / 2 + 0.2, length_m / 2 - 0.2):
        parts.append(box((0.06, 0.06, 1.1), grey, (x, -0.045, 0.55)))
        parts.append(box((0.25, 0.7, 0.1), palette.add(BLACK_PLASTIC), (x, 0, 0.05)))
    return Mesh.merge(parts)


def make_wall(rng: np.random.Generator, palette: Palette, length_m: float) -> Mesh:
    """A garden wall of brick, stone, plaster or concrete along x with a coping, 0.5 to 2.2 m high."""
    texture = str(rng.choice(["brick", "stone", "plaster", "concrete"]))
    colours = {
        "brick": (0.35, 0.16, 0.1),
        "stone": (0.35, 0.33, 0.29),
        "plaster": (0.6, 0.57, 0.5),
        "concrete": (0.4, 0.39, 0.37),
    }
    height, width = float(rng.uniform(0.5, 2.2)), float(rng.uniform(0.15, 0.35))
    body = palette.add(Material("wall", texture, near(rng, colours[texture], 0.25), lidar_reflectivity=0.4))
    coping = palette.add(CONCRETE)
    return Mesh.merge(
        [
            box((length_m, width, height), body, (0, 0, height / 2)),
            box((length_m + 0.05, width + 0.08, 0.06), coping, (0, 0, height + 0.03)),
        ]
    )


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


def _enamel(rng: np.random.Generator) -> Material:
    """Paint of street furniture: mostly grey, green, black."""
    colours = [(0.05, 0.055, 0.05), (0.03, 0.08, 0.05), (0.25, 0.26, 0.27), (0.12, 0.12, 0.13), (0.4, 0.03, 0.02)]
    colour = near(rng, colours[int(rng.choice(5, p=[0.3, 0.2, 0.25, 0.2, 0.05]))])
    return Material("street enamel", "paint", colour, gloss=0.03, lidar_reflectivity=float(rng.uniform(0.1, 0.5)))
