"""Roofs over a rectangle: x from -width/2 to width/2, y from 0 to depth, eaves at height `z`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_calib_ros.frames.world.mesh import Mesh, grid_mesh
from i2p_calib_ros.frames.world.places.quads import Quads

ROOF_KINDS = ("flat", "gable", "cross gable", "hip", "mansard", "shed", "sawtooth", "barrel")

MAX_RISE_M = 5.5


@dataclass(frozen=True)
class RoofStyle:
    """Materials (indices of the place's palette) and proportions, metres; pitch in radians."""

    cover: int
    wall: int
    trim: int
    glass: int
    metal: int
    pitch_rad: float = 0.7
    overhang_m: float = 0.4


def make_roof(rng: np.random.Generator, kind: str, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    """A roof of a kind of ROOF_KINDS with what stands on it."""
    if kind == "cross gable":  # the ridge at right angles to the front
        turned = _gable(rng, style, depth_m, width_m, z)
        return turned.placed(width_m / 2, depth_m / 2, yaw_rad=np.pi / 2)
    builder = {
        "flat": _flat,
        "gable": _gable,
        "hip": _hip,
        "mansard": _mansard,
        "shed": _shed,
        "sawtooth": _sawtooth,
        "barrel": _barrel,
    }[kind]
    return builder(rng, style, width_m, depth_m, z)


def _flat(rng: np.random.Generator, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    w, quads = width_m / 2, Quads()
    parapet, thick = float(rng.uniform(0.15, 1.0)), 0.25
    out = float(rng.choice([0.0, 0.06, 0.25]))
    quads.level(-w, w, 0.0, depth_m, z, style.cover)
    for x0, x1, y0, y1 in (
        (-w - out, w + out, -out, thick),
        (-w - out, w + out, depth_m - thick, depth_m + out),
        (-w - out, -w + thick, thick, depth_m - thick),
        (w - thick, w + out, thick, depth_m - thick),
    ):
        quads.block(x0, x1, y0, y1, z - 0.25, z + parapet, style.trim if out else style.wall)
        quads.block(x0 - 0.03, x1 + 0.03, y0 - 0.03, y1 + 0.03, z + parapet, z + parapet + 0.05, style.metal)
    n = int(rng.integers(0, 5))
    size = rng.uniform([0.8, 0.8, 0.5], [3.0, 2.5, 2.4], (n, 3))
    x = rng.uniform(-w + 1, max(-w + 1.1, w - 4), n)
    y = rng.uniform(0.8, max(0.9, depth_m - 3.5), n)
    quads.block(x, x + size[:, 0], y, y + size[:, 1], z, z + size[:, 2], rng.choice([style.metal, style.wall], n))
    masts = int(rng.integers(0, 3))
    x, y = rng.uniform(-w + 0.5, w - 0.5, masts), rng.uniform(0.5, depth_m - 0.5, masts)
    quads.block(x, x + 0.05, y, y + 0.05, z, z + rng.uniform(1.5, 5, masts), style.metal)
    return quads.mesh()


def _gable(rng: np.random.Generator, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    w, o, quads = width_m / 2, style.overhang_m, Quads()
    slope = min(np.tan(style.pitch_rad), 2 * MAX_RISE_M / depth_m)
    ridge, eaves = z + slope * depth_m / 2, z - slope * o
    side = w + o * 0.6
    for sheet, lift in ((style.cover, 0.12), (style.trim, 0.0)):
        quads.add(
            [
                [(-side, -o, eaves), (side, -o, eaves), (side, depth_m / 2, ridge), (-side, depth_m / 2, ridge)],
                [
                    (side, depth_m + o, eaves),
                    (-side, depth_m + o, eaves),
                    (-side, depth_m / 2, ridge),
                    (side, depth_m / 2, ridge),
                ],
            ]
            + np.array([0, 0, lift]),
            sheet,
        )
    for y in (-o, depth_m + o - 0.12):  # gutters
        quads.block(-side, side, y, y + 0.12, eaves - 0.02, eaves + 0.12, style.metal)
    for x in (-side, side):  # verges
        for y0, y1 in ((-o, depth_m / 2), (depth_m + o, depth_m / 2)):
            strip = [(x, y0, eaves), (x, y1, ridge), (x, y1, ridge + 0.12), (x, y0, eaves + 0.12)]
            quads.add([strip], style.trim)
    quads.polygon([(-w, depth_m, z), (-w, 0, z), (-w, depth_m / 2, ridge)], style.wall)
    quads.polygon([(w, 0, z), (w, depth_m, z), (w, depth_m / 2, ridge)], style.wall)
    _chimneys(quads, rng, style, w, depth_m, ridge)
    if slope * depth_m / 2 > 2.6 and rng.random() < 0.6:
        _dormers(quads, rng, style, w, slope, z)
    elif rng.random() < 0.5:
        _skylights(quads, rng, style, w, slope, depth_m, z)
    return quads.mesh()


def _hip(rng: np.random.Generator, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    w, o, quads = width_m / 2, style.overhang_m, Quads()
    short = min(width_m, depth_m) / 2
    slope = min(np.tan(style.pitch_rad), MAX_RISE_M / short)
    ridge, eaves = z + slope * short, z - slope * o
    x, y = max(w - short, 0.01), max(depth_m / 2 - short, 0.01)
    corners = [(-w - o, -o, eaves), (w + o, -o, eaves), (w + o, depth_m + o, eaves), (-w - o, depth_m + o, eaves)]
    low, high = depth_m / 2 - y, depth_m / 2 + y
    top = [(-x, low, ridge), (x, low, ridge), (x, high, ridge), (-x, high, ridge)]
    for i in range(4):
        k = (i + 1) % 4
        quads.add([[corners[i], corners[k], top[k], top[i]]], style.cover)
    quads.polygon(corners[::-1], style.trim)
    for i in range(4):
        a, b = np.minimum(corners[i], corners[(i + 1) % 4]), np.maximum(corners[i], corners[(i + 1) % 4])
        quads.block(a[0] - 0.05, b[0] + 0.05, a[1] - 0.05, b[1] + 0.05, eaves - 0.06, eaves + 0.06, style.metal)
    _chimneys(quads, rng, style, max(x, 1.0), depth_m, ridge)
    if slope * short > 2.6 and width_m > depth_m and rng.random() < 0.4:
        _dormers(quads, rng, style, x, slope, z)
    return quads.mesh()


def _mansard(rng: np.random.Generator, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    w, quads = width_m / 2, Quads()
    rise, inset = float(rng.uniform(2.2, 3.2)), float(rng.uniform(0.6, 1.2))
    o = 0.25
    quads.block(-w - 0.1, w + 0.1, -o, depth_m + o, z - 0.3, z + 0.05, style.trim)  # cornice
    for y0, y1, flip in ((0.0, inset, False), (depth_m, depth_m - inset, True)):
        face = np.array([(-w, y0, z), (w, y0, z), (w, y1, z + rise), (-w, y1, z + rise)])
        quads.add([face[::-1] if flip else face], style.cover)
    for x in (-w, w):
        side = [(x, 0, z), (x, depth_m, z), (x, depth_m - inset, z + rise), (x, inset, z + rise)]
        quads.add([side if x > 0 else side[::-1]], style.wall)
    ridge = z + rise + 0.25 * (depth_m / 2 - inset)
    for y0, y1 in ((inset, depth_m / 2), (depth_m - inset, depth_m / 2)):
        quads.add([[(-w, y0, z + rise), (w, y0, z + rise), (w, y1, ridge), (-w, y1, ridge)]], style.metal)
    _dormers(quads, rng, style, w, rise / inset, z)
    _chimneys(quads, rng, style, w, depth_m, ridge)
    return quads.mesh()


def _shed(rng: np.random.Generator, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    w, o, quads = width_m / 2, style.overhang_m, Quads()
    slope = float(rng.uniform(0.08, 0.3)) * (1 if rng.random() < 0.5 else -1)
    base = z if slope > 0 else z - slope * depth_m
    low, high = base - slope * o, base + slope * (depth_m + o)
    front, back = base, base + slope * depth_m
    for lift, sheet in ((0.15, style.cover), (0.0, style.trim)):
        sheet_z = [(-w - o, -o, low), (w + o, -o, low), (w + o, depth_m + o, high), (-w - o, depth_m + o, high)]
        quads.add([np.array(sheet_z) + (0, 0, lift)], sheet)
    quads.block(-w - o, w + o, -o - 0.03, -o, low - 0.02, low + 0.17, style.metal)
    quads.front(-w, w, z, front, 0.0, style.wall)
    quads.front(w, -w, z, back, depth_m, style.wall)
    for x in (-w, w):
        quads.polygon([(x, 0, z), (x, depth_m, z), (x, depth_m, back), (x, 0, front)], style.wall)
    return quads.mesh()


def _sawtooth(rng: np.random.Generator, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    w, quads = width_m / 2, Quads()
    teeth = max(2, round(width_m / rng.uniform(6, 9)))
    pitch, rise = width_m / teeth, float(rng.uniform(1.5, 2.8))
    for tooth in range(teeth):
        x0 = -w + tooth * pitch
        x1 = x0 + pitch
        quads.add([[(x0, 0, z), (x1, 0, z + rise), (x1, depth_m, z + rise), (x0, depth_m, z)]], style.cover)
        quads.side(x1, 0.0, depth_m, z, z + rise, style.glass)
        quads.side(x1 - 0.1, 0.0, depth_m, z, z + rise, style.trim)
        for y in (0.0, depth_m):
            quads.polygon([(x0, y, z), (x1, y, z), (x1, y, z + rise)], style.wall)
    return quads.mesh()


def _barrel(rng: np.random.Generator, style: RoofStyle, width_m: float, depth_m: float, z: float) -> Mesh:
    w, quads = width_m / 2, Quads()
    rise = float(rng.uniform(0.1, 0.2)) * width_m
    x = np.linspace(-w, w, 17)
    arch = z + rise * (1 - (x / w) ** 2)
    wall_top = z + rise * 1.02
    screen = bool(rng.random() < 0.5)  # a front that hides the curve behind a stepped or curved parapet
    high = np.maximum(arch, wall_top - 0.3 * rise * (np.abs(x) > 0.6 * w)) if screen else arch
    for y in (0.0, depth_m):
        quads.add(
            np.stack(
                [
                    np.column_stack([x[:-1], np.full(16, y), np.full(16, z)]),
                    np.column_stack([x[1:], np.full(16, y), np.full(16, z)]),
                    np.column_stack([x[1:], np.full(16, y), high[1:]]),
                    np.column_stack([x[:-1], np.full(16, y), high[:-1]]),
                ],
                axis=1,
            ),
            style.wall,
        )
    rows = [np.column_stack([x, np.full(17, y), arch + 0.05]) for y in (-0.1, depth_m + 0.1)]
    return Mesh.merge([quads.mesh(), grid_mesh(rows, style.cover)])


def _chimneys(quads: Quads, rng: np.random.Generator, style: RoofStyle, w: float, depth_m: float, ridge: float) -> None:
    n = int(rng.integers(0, 3))
    x = rng.uniform(-w + 0.3, w - 0.9, n)
    y = depth_m / 2 + rng.uniform(-0.25, 0.1, n) * depth_m
    top = ridge + rng.uniform(0.4, 1.2, n)
    quads.block(x, x + 0.6, y, y + 0.45, top - 3.5, top, style.wall)
    quads.block(x - 0.05, x + 0.65, y - 0.05, y + 0.5, top, top + 0.08, style.metal)


def _dormers(quads: Quads, rng: np.random.Generator, style: RoofStyle, w: float, slope: float, z: float) -> None:
    n = int(2 * w // rng.uniform(2.8, 4.5))
    if n < 1:
        return
    half, high, foot = float(rng.uniform(0.55, 0.9)), float(rng.uniform(1.2, 1.7)), 0.5
    x = (np.arange(n) + 0.5) * 2 * w / n - w
    y, back = foot / slope, (foot + high + 0.3) / slope
    bottom, top = z + foot, z + foot + high
    quads.front(x - half, x + half, bottom, top, y, style.trim)
    quads.front(x - half + 0.15, x + half - 0.15, bottom + 0.15, top - 0.12, y - 0.02, style.glass)
    quads.front(x - half + 0.15, x + half - 0.15, bottom + 0.15, top - 0.12, y - 0.01, style.metal)
    quads.block(x - 0.03, x + 0.03, y - 0.05, y - 0.02, bottom + 0.15, top - 0.12, style.trim)
    quads.side(x + half, y, back, bottom, top, style.cover)
    quads.side(x - half, back, y, bottom, top, style.cover)
    if rng.random() < 0.5:
        quads.block(x - half - 0.15, x + half + 0.15, y - 0.2, back, top, top + 0.1, style.metal)
        return
    peak = top + half * 0.8
    for a, b, c in ((x - half - 0.12, x, 1), (x + half + 0.12, x, -1)):
        edge = [(a, y - 0.2, top - 0.05), (b, y - 0.2, peak), (b, back + 1.0, peak), (a, back + 1.0, top - 0.05)]
        sheet = np.stack(
            [np.stack(np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in p)), axis=-1) for p in edge],
            axis=1,
        )
        quads.add(sheet[:, ::-1] if c > 0 else sheet, style.cover)
    for middle in x:
        quads.polygon([(middle - half, y, top), (middle + half, y, top), (middle, y, peak)], style.trim)


def _skylights(
    quads: Quads, rng: np.random.Generator, style: RoofStyle, w: float, slope: float, depth_m: float, z: float
) -> None:
    n = int(rng.integers(1, 4))
    x = rng.uniform(-w + 0.4, w - 1.3, n)
    y0 = rng.uniform(0.12, 0.25) * depth_m
    y1 = y0 + 0.8
    for left in x:
        lift = 0.18
        pane = [(left, y0), (left + 0.8, y0), (left + 0.8, y1), (left, y1)]
        quads.add([[(a, b, z + slope * b + lift) for a, b in pane]], style.glass)
        quads.add([[(a, b, z + slope * b + lift - 0.03) for a, b in pane]], style.metal)
