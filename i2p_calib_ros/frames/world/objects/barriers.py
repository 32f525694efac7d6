"""What keeps traffic and people where they belong: fences, walls, rails, bollards, cones.

Everything stands on z = 0 and, where it has a length, lies along x with its middle over the origin.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, grid_mesh
from i2p_calib_ros.frames.world.objects.shapes import (
    plate,
    revolve,
    struts,
    tube,
)
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    CONCRETE,
    GALVANISED,
    GREY_PLASTIC,
    RED_REFLECTOR,
    REFLECTOR,
    WEATHERED_WOOD,
    WHITE_PLASTIC,
    WOOD,
    near,
    street_enamel,
)

ORANGE_CONE = Material("cone", "plain", (0.75, 0.14, 0.02), lidar_reflectivity=0.6)


def make_bollard(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A post that keeps cars off, of metal, concrete or plastic with a reflecting band."""
    height, radius = float(rng.uniform(0.7, 1.1)), float(rng.uniform(0.05, 0.12))
    kind = rng.random()
    body = palette.add(street_enamel(rng) if kind < 0.6 else CONCRETE if kind < 0.8 else GREY_PLASTIC)
    parts = [revolve([(radius, 0), (radius, 0.92 * height), (0.7 * radius, height), (0, height)], body, 10)]
    if rng.random() < 0.6:
        band = palette.add(REFLECTOR if rng.random() < 0.6 else RED_REFLECTOR)
        z = 0.75 * height
        parts.append(revolve([(radius + 0.004, z), (radius + 0.004, z + 0.1)], band, 10))
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
    steel = palette.add(GALVANISED if rng.random() < 0.4 else street_enamel(rng))
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
