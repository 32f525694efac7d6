"""What a town puts on its pavements: benches, bins, shelters, cabinets, meters, letter boxes, bicycle stands.

Everything stands on z = 0; what has a front looks along +x.
"""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, cylinder, grid_mesh
from i2p_calib_ros.frames.world.objects.shapes import (
    bar,
    ellipsoid,
    pose,
    revolve,
    tube,
)
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    CONCRETE,
    DARK_STEEL,
    GALVANISED,
    PANE,
    WEATHERED_WOOD,
    WHITE_PLASTIC,
    WOOD,
    near,
    street_enamel,
)
from i2p_calib_ros.frames.world.objects.two_wheelers import make_bicycle


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
        shell = palette.add(street_enamel(rng))
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


def make_bus_shelter(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A shelter of glass open towards +x, with a bench and a poster."""
    width, depth, height = float(rng.uniform(2.8, 4.5)), float(rng.uniform(1.2, 1.7)), 2.4
    frame, glass = palette.add(street_enamel(rng)), palette.add(PANE)
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
    shell = palette.add(street_enamel(rng))
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
