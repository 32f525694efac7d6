"""Trees, bushes, hedges and grass, with crowns of many small leaf clusters that light and laser pass between."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box
from i2p_calib_ros.frames.world.objects.shapes import ellipsoid, revolve, struts, tube
from i2p_calib_ros.frames.world.objects.stuff import CONCRETE, Colour, near, pick

FloatArray = NDArray[np.float64]

TREE_KINDS = ("broadleaf", "conifer", "bare", "palm", "poplar")

_GREENS: list[Colour] = [
    (0.07, 0.13, 0.03), (0.05, 0.1, 0.03), (0.1, 0.16, 0.04), (0.13, 0.17, 0.05), (0.08, 0.12, 0.06),
]  # fmt: skip
_LEAF_AREA = 0.21  # mean, of a leaf cluster of size 1
_AUTUMN: list[Colour] = [(0.4, 0.25, 0.03), (0.35, 0.12, 0.03), (0.3, 0.08, 0.04), (0.25, 0.2, 0.05)]


def make_tree(
    rng: np.random.Generator, palette: Palette, kind: str | None = None, height_m: float | None = None
) -> Mesh:
    """A tree of a kind of TREE_KINDS, or of any; by default 3 to 18 m high as its kind grows."""
    chosen = kind or pick(rng, {"broadleaf": 0.58, "conifer": 0.15, "bare": 0.13, "palm": 0.04, "poplar": 0.1})
    low, high = {"broadleaf": (4, 14), "conifer": (4, 18), "bare": (5, 14), "palm": (4, 12), "poplar": (8, 20)}[chosen]
    height = float(rng.uniform(low, high)) if height_m is None else height_m
    if chosen == "conifer":
        return _conifer(rng, palette, height)
    if chosen == "palm":
        return _palm(rng, palette, height)
    if chosen == "bare":
        return _branches(rng, _bark(rng, palette), height, twig_levels=3)
    return _broadleaf(rng, palette, height, slender=chosen == "poplar")


def make_bush(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A round shrub of 0.5 to 2.2 m."""
    height = float(rng.uniform(0.5, 2.2))
    spread = height * float(rng.uniform(0.45, 0.8))
    lobes = rng.uniform((-0.5, -0.5, 0.24), (0.5, 0.5, 0.56), (5, 3)) * [spread, spread, height]
    radii = np.column_stack([rng.uniform(0.4, 0.65, (5, 2)) * spread, rng.uniform(0.3, 0.42, 5) * height])
    shades = _foliage(rng, palette)
    return _lobed_crown(rng, palette, shades, lobes, radii, 1600, cover=0.55)


def make_hedge(rng: np.random.Generator, palette: Palette, length_m: float) -> Mesh:
    """A trimmed hedge along x with its middle over the origin, 0.8 to 2.2 m high."""
    height, width = float(rng.uniform(0.8, 2.2)), float(rng.uniform(0.5, 1.0))
    shades = _foliage(rng, palette)
    area = length_m * (2 * height + width) + 2 * height * width
    count = int(min(110 * area, 3900))
    # Leaves lie on the two sides, the top and the ends, in proportion to the area of each.
    share = np.array([length_m * height, length_m * height, length_m * width, width * height, width * height]) / area
    face = rng.choice(5, size=count, p=share)
    u, v = rng.uniform(-0.5, 0.5, (2, count))
    at = np.column_stack([u * length_m, v * width, rng.uniform(0.02, 1.0, count) * height])
    outward = np.zeros((count, 3))
    for index, axis, sign in ((0, 1, 1), (1, 1, -1), (2, 2, 1), (3, 0, 1), (4, 0, -1)):
        on = face == index
        at[on, axis] = height if axis == 2 else sign * (width, length_m)[axis == 0] / 2
        outward[on, axis] = sign
    waviness = 0.04 * np.sin(at @ rng.normal(0, 2.5, 3)) + rng.normal(0.0, 0.03, count)
    at += waviness[:, None] * outward
    at[:, 2] = np.maximum(at[:, 2], 0.03)
    leaves = _leaves(
        rng, shades, at, np.sqrt(0.6 * area / (_LEAF_AREA * count)) * rng.uniform(0.5, 1.5, count), outward
    )
    colour = palette.materials[shades[1]].albedo
    trimmed = palette.add(Material("hedge", "hedge", colour, tile_m=1.0, lidar_reflectivity=0.45))
    core = box((length_m - 0.14, width - 0.14, height - 0.07), trimmed, (0, 0, height / 2 - 0.035))
    return Mesh.merge([core, leaves])


def make_grass(rng: np.random.Generator, palette: Palette, radius_m: float = 0.5) -> Mesh:
    """A tuft of long grass or weeds."""
    count = 60
    height = float(rng.uniform(0.12, 0.5))
    root = np.column_stack([radius_m * rng.normal(0, 0.45, (count, 2)), np.zeros(count)])
    tip = root + height * rng.normal((0, 0, 0.7), (0.45, 0.45, 0.15), (count, 3))
    tip[:, 2] = np.maximum(tip[:, 2], 0.2 * height)
    aside = rng.normal(0, 1, (count, 3)) * [1, 1, 0]
    aside *= rng.uniform(0.01, 0.025, (count, 1)) / np.linalg.norm(aside, axis=1, keepdims=True)
    dry = rng.random() < 0.4
    colour = near(rng, (0.3, 0.26, 0.12) if dry else (0.1, 0.17, 0.05), 0.25)
    blade = palette.add(Material("grass blade", "plain", colour, lidar_reflectivity=0.5))
    upward = np.broadcast_to([0.0, 0.0, 1.0], (count, 3, 3))
    return Mesh.create(np.stack([root - aside, root + aside, tip], axis=1), blade, normals=upward)


def make_planter(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A tub of concrete with a shrub in it."""
    radius, height = float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.4, 0.8))
    profile = [
        (0.8 * radius, 0.0),
        (radius, height),
        (0.9 * radius, height),
        (0.88 * radius, 0.85 * height),
        (0, 0.85 * height),
    ]
    plant = make_bush(rng, palette)
    size = radius / float(np.abs(plant.bounds[0][:2]).max()) * rng.uniform(0.8, 1.3)
    return Mesh.merge([revolve(profile, palette.add(CONCRETE), 14), plant.placed(0, 0, 0.85 * height, scale=size)])


def _broadleaf(rng: np.random.Generator, palette: Palette, height: float, slender: bool) -> Mesh:
    """Trunk, boughs, and a crown of overlapping lobes."""
    trunk_share = float(rng.uniform(0.1, 0.18) if slender else rng.uniform(0.2, 0.35))
    spread = height * float(rng.uniform(0.09, 0.14) if slender else rng.uniform(0.24, 0.4))
    crown_low = trunk_share * height
    count = int(rng.integers(9, 16))
    # Lobes fill an egg between the foot of the crown and the tree top.
    level = np.clip((np.arange(count) + rng.uniform(0, 1, count)) / count, 0.02, 1.0)
    girth = np.sqrt(np.maximum(0.0, 1 - (2 * level - 0.85) ** 2 * 0.9))
    turn = np.arange(count) * 2.4 + rng.uniform(0, 0.8, count)
    out = spread * 0.62 * girth * np.sqrt(rng.uniform(0.1, 1, count))
    lobe = np.clip(spread * rng.uniform(0.45, 0.65, count), 0.35, None)
    z = crown_low + 0.6 * lobe + level * np.maximum(height - crown_low - 1.2 * lobe, 0.1)
    centres = np.column_stack([out * np.cos(turn), out * np.sin(turn), z])
    stretch = 1.6 if slender else rng.uniform(0.75, 1.0)
    radii = lobe[:, None] * np.array([1.0, 1.0, stretch])
    bark = _bark(rng, palette)
    radius = 0.014 * height**1.1 * rng.uniform(0.8, 1.2)
    lean = rng.normal(0, 0.02, 2) * height
    trunk = [(0, 0, -0.1), (0.02, 0, 0.12 * height), (*(0.3 * lean), 0.35 * height), (*lean, 0.75 * height)]
    stem = tube(trunk, radius * np.array([1.35, 1.0, 0.75, 0.2]), bark, 8, caps=False)
    fork = np.array([[*(0.3 * lean), share * height] for share in rng.uniform(0.8, 1.6, count) * trunk_share])
    knee = 0.5 * (fork + centres) + [0, 0, -0.05 * height]
    boughs = struts(
        np.concatenate([fork, knee]),
        np.concatenate([knee, centres]),
        np.repeat([0.45 * radius, 0.28 * radius], count),
        np.repeat([0.28 * radius, 0.1 * radius], count),
        bark,
    )
    foliage = _foliage(rng, palette, autumn=0.12)
    leaves = _lobed_crown(rng, palette, foliage, centres, radii, 3400, cover=float(rng.uniform(0.35, 0.7)))
    return Mesh.merge([stem, boughs, leaves])


def _lobed_crown(
    rng: np.random.Generator,
    palette: Palette,
    shades: list[int],
    centres: FloatArray,
    radii: FloatArray,
    count: int,
    cover: float,
) -> Mesh:
    """Leaf clusters in the outer parts of ellipsoidal lobes around dark cores: centres, radii (lobes, 3) metres.

    count: of the clusters; cover: area of all leaves over that of the lobes' surfaces.
    """
    weight = radii.prod(axis=1) ** (2 / 3)
    candidates = 3 * count
    lobe = rng.choice(len(centres), size=candidates, p=weight / weight.sum())
    direction = rng.normal(0, 1, (candidates, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    at = centres[lobe] + direction * radii[lobe] * rng.uniform(0.4, 1.2, (candidates, 1)) ** 0.33
    # Leaves grow where there is light: not inside other lobes.
    depth = np.linalg.norm((at[:, None] - centres) / radii, axis=2)
    depth[np.arange(candidates), lobe] = 1.0
    lit = np.flatnonzero((depth.min(axis=1) > 0.85) & (at[:, 2] > 0.05))
    surface_m2 = 4 * np.pi * weight.sum() * len(lit) / candidates
    lit = lit[:count]
    at, direction = at[lit], direction[lit]
    size_m = np.sqrt(cover * surface_m2 / (_LEAF_AREA * len(lit)))
    # Shaded as round lobes on a round crown, not as single leaves: that is how a crown looks from a road.
    middle = np.average(centres, axis=0, weights=weight)
    whole = (at - middle) / np.maximum(np.linalg.norm(at - middle, axis=1, keepdims=True), 1e-9)
    leaves = _leaves(rng, shades, at, size_m * rng.uniform(0.5, 1.4, len(lit)), direction + 0.7 * whole)
    dark = _shade(palette, shades)
    cores = [ellipsoid(0.55 * radius, dark, centre, 6) for centre, radius in zip(centres, radii)]
    return Mesh.merge([leaves, *cores])


def _leaves(
    rng: np.random.Generator, shades: list[int], at: FloatArray, size_m: ArrayLike, outward: FloatArray
) -> Mesh:
    """Slender triangles of random slant at (n, 3), `size_m` long, shaded as the surface with normals `outward`."""
    count = len(at)
    slant = outward + 0.8 * rng.normal(0, 1, (count, 3))
    along = np.cross(slant, rng.normal(0, 1, (count, 3)))
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.cross(slant, along)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    size = np.broadcast_to(np.asarray(size_m, dtype=np.float64), count)[:, None]
    breadth = size * rng.uniform(0.25, 0.6, (count, 1))
    skew = size * rng.uniform(-0.4, 0.4, (count, 1))
    corners = (
        np.stack([at + 0.5 * size * along, at - 0.5 * size * along, at + breadth * across + skew * along], axis=1)
        - (breadth / 3 * across)[:, None]
    )
    outward = outward + 0.5 * rng.normal(0, 1, (count, 3))
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    material = np.array(shades, dtype=np.int32)[rng.integers(0, len(shades), count)]
    return Mesh.create(corners, material, normals=np.repeat(outward[:, None], 3, axis=1))


def _conifer(rng: np.random.Generator, palette: Palette, height: float) -> Mesh:
    """A straight stem with drooping boughs that carry sprays of needles on both sides."""
    count, pairs = 165, 11
    foot = float(rng.uniform(0.03, 0.2))
    level = np.sort(rng.beta(1.0, 1.5, count))
    z = height * (foot + (1 - foot) * level)
    spread = height * float(rng.uniform(0.16, 0.27))
    reach = spread * (1.02 - level) ** 0.85 * rng.uniform(0.75, 1.1, count)
    turn = np.arange(count) * 2.4 + rng.uniform(-0.3, 0.3, count)
    radial = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(count)])
    aside = np.column_stack([-np.sin(turn), np.cos(turn), np.zeros(count)])
    droop = float(rng.uniform(0.1, 0.55))
    t = np.linspace(0.08, 1.0, pairs + 1)[:, None, None]
    rise = float(rng.uniform(-0.1, 0.35))
    bough = radial * reach[:, None] * t
    bough = bough + np.array([0, 0, 1.0]) * (z[:, None] + reach[:, None] * (rise * t - (droop + rise) * t**2))
    base, tip = bough[:-1], bough[1:]
    breadth = reach[:, None] * rng.uniform(0.14, 0.4, (pairs, count, 1)) * (1.1 - t[:-1]) + 0.05
    hang = np.array([0, 0, -1.0]) * breadth * rng.uniform(0.2, 0.8, (pairs, count, 1))
    sprays = []
    for sign in (1.0, -1.0):
        outer = tip + sign * aside * breadth + hang
        sprays.append(np.stack([base, outer, tip] if sign < 0 else [base, tip, outer], axis=2))
    corners = np.concatenate(sprays).reshape(-1, 3, 3)
    corners[..., 2] = np.maximum(corners[..., 2], 0.02)
    middle = corners.mean(axis=1)
    outward = middle * [1, 1, 0] + [0, 0, 0.4 * spread] + 0.25 * spread * rng.normal(0, 1, middle.shape)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    greens: list[Colour] = [(0.035, 0.07, 0.035), (0.05, 0.09, 0.03), (0.06, 0.09, 0.07)]
    shades = _foliage(rng, palette, greens=greens)
    material = np.array(shades, dtype=np.int32)[rng.integers(0, len(shades), len(corners))]
    needles = Mesh.create(corners, material, normals=np.repeat(outward[:, None], 3, axis=1))
    radius = 0.014 * height + 0.05
    core = revolve(
        [(0.25 * spread, 1.05 * foot * height + 0.1), (0.17 * spread, 0.5 * height), (0.0, 0.92 * height)],
        _shade(palette, shades),
        9,
    )
    stem = tube([(0, 0, -0.1), (0, 0, height * 0.98)], (radius, 0.02), _bark(rng, palette), 8, caps=False)
    return Mesh.merge([stem, core, needles])


def _palm(rng: np.random.Generator, palette: Palette, height: float) -> Mesh:
    """A ringed, slightly bent trunk under a head of arching fronds."""
    top = np.array([*rng.normal(0, 0.06, 2) * height, 0.85 * height])
    s = np.linspace(0, 1, 9)[:, None]
    path = np.array([0, 0, -0.1]) * (1 - s) + top * [1, 1, 0] * s**2 + top * [0, 0, 1] * s
    girth = 0.16 + 0.006 * height
    trunk = tube(path, girth * (1.25 - 0.5 * s[:, 0]) * rng.uniform(0.93, 1.07, 9), _bark(rng, palette), 9, caps=False)
    count, pairs = 24, 26
    turn = np.arange(count) * 2.4
    lift = np.linspace(1.1, -0.5, count) + rng.normal(0, 0.1, count)
    length = float(rng.uniform(1.8, 3.2)) * rng.uniform(0.8, 1.1, count)
    radial = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(count)])
    aside = np.column_stack([-np.sin(turn), np.cos(turn), np.zeros(count)])
    t = np.linspace(0.0, 1.0, pairs + 1)[:, None, None]
    frond = top + radial * (length * np.cos(lift))[:, None] * t * (1 - 0.2 * t)
    frond = frond + np.array([0, 0, 1.0]) * ((length * np.sin(lift))[:, None] * t - 0.55 * length[:, None] * t**2)
    base, tip = frond[:-1], frond[1:]
    leaf = 0.55 * np.sin(np.pi * (0.12 + 0.85 * t[:-1])) * (length / 2.5)[:, None]
    leaflets = []
    for sign in (1.0, -1.0):
        outer = 2 * tip - base + sign * aside * leaf + np.array([0, 0, -0.35]) * leaf
        leaflets.append(np.stack([base, outer, tip] if sign < 0 else [base, tip, outer], axis=2))
    corners = np.concatenate(leaflets).reshape(-1, 3, 3)
    shades = _foliage(rng, palette)
    material = np.array(shades, dtype=np.int32)[rng.integers(0, len(shades), len(corners))]
    return Mesh.merge([trunk, Mesh.create(corners, material)])


def _branches(rng: np.random.Generator, bark: int, height: float, twig_levels: int) -> Mesh:
    """A leafless tree: stem, boughs, and `twig_levels` further forkings of each."""
    radius = 0.02 * height * rng.uniform(0.8, 1.2)
    bend = rng.normal(0, 0.02, (2, 2)) * height
    stem_path = np.array([(0, 0, -0.1), (*bend[0], 0.3 * height), (*bend[1], 0.62 * height)])
    parts = [tube(stem_path, radius * np.array([1.3, 0.9, 0.5]), bark, 8, caps=False)]
    boughs = 10
    share = np.linspace(0.4, 1.0, boughs)
    start = np.stack([np.interp(share, [0, 0.5, 1], stem_path[:, axis]) for axis in range(3)], axis=1)
    turn = np.arange(boughs) * 2.4 + rng.uniform(0, 0.6, boughs)
    steep = rng.uniform(0.45, 1.1, boughs)
    direction = np.column_stack([np.cos(turn) * np.cos(steep), np.sin(turn) * np.cos(steep), np.sin(steep)])
    length = height * rng.uniform(0.22, 0.38, boughs)
    thickness = radius * np.linspace(0.5, 0.35, boughs)
    for level in range(twig_levels + 1):
        # A branch is two rods with a bend, so that it is not a ray; the last twigs are too short for one.
        knee = start + 0.55 * length[:, None] * direction
        bent = direction + rng.normal(0, 0.2, direction.shape) + [0, 0, 0.1]
        bent /= np.linalg.norm(bent, axis=1, keepdims=True)
        end = knee + 0.45 * length[:, None] * bent
        if level == twig_levels:
            parts.append(struts(start, end, thickness, 0.45 * thickness, bark))
            break
        parts.append(struts(start, knee, thickness, 0.75 * thickness, bark))
        parts.append(struts(knee, end, 0.75 * thickness, 0.45 * thickness, bark))
        forks = 3 if level < 2 else 4
        along = rng.uniform(0.25, 1.0, (forks, len(start), 1))
        start = np.where(
            along < 0.55, start + along / 0.55 * (knee - start), knee + (along - 0.55) / 0.45 * (end - knee)
        )
        start = start.reshape(-1, 3)
        spread = rng.normal(0, 0.75, (forks, *bent.shape)) + [0, 0, 0.15]
        direction = (bent + spread).reshape(-1, 3)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = (length * rng.uniform(0.4, 0.75, (forks, len(length)))).ravel()
        thickness = np.tile(np.maximum(0.5 * thickness, 0.007), forks)
    return Mesh.merge(parts)


def _foliage(
    rng: np.random.Generator, palette: Palette, autumn: float = 0.0, greens: list[Colour] | None = None
) -> list[int]:
    """Three shades of one kind of leaf."""
    choice = _AUTUMN if rng.random() < autumn else greens or _GREENS
    base = near(rng, choice[int(rng.integers(len(choice)))], 0.2)
    reflectivity = float(rng.uniform(0.35, 0.6))
    shades = []
    for brightness in (0.7, 1.0, 1.4):
        colour = (base[0] * brightness, base[1] * brightness, base[2] * brightness)
        shades.append(palette.add(Material("leaves", "foliage", colour, tile_m=1.0, lidar_reflectivity=reflectivity)))
    return shades


def _shade(palette: Palette, shades: list[int]) -> int:
    """What is seen deep inside a crown: its own leaves in the shadow of the others."""
    leaf = palette.materials[shades[0]]
    colour = (0.65 * leaf.albedo[0], 0.65 * leaf.albedo[1], 0.65 * leaf.albedo[2])
    return palette.add(
        Material("inner leaves", "foliage", colour, tile_m=0.7, lidar_reflectivity=leaf.lidar_reflectivity)
    )


def _bark(rng: np.random.Generator, palette: Palette) -> int:
    colour = near(rng, (0.5, 0.48, 0.44) if rng.random() < 0.1 else (0.13, 0.1, 0.075), 0.3)
    return palette.add(Material("bark", "bark", colour, tile_m=0.8, lidar_reflectivity=0.3))
