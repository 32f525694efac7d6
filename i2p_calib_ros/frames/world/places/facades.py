"""Facades: walls with recessed windows, doors, shops and balconies.

Frame of a wall: x along it, to the right as seen from outside, from 0 to its width; y into the building, so that the
wall is seen from -y; z up from the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.places.quads import Quads

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

PLINTH_DEPTH_M = 2.0
"""How far walls reach below the ground, so that none floats on a slope."""
ROOM_M = 3.5


@dataclass(frozen=True)
class FacadeStyle:
    """Materials (indices of the place's palette) and proportions of one building's facades, metres.

    window_share: width of a window in its bay; sill_m and head_m: heights of the opening in its storey; panes: columns
    and rows of the glazing; surround_m: width of a moulding, 0 none; balcony_share, blank_share, shutter_share,
    cooler_share (air conditioners): chances; ground_floor: homes | shops | glazed | gates; far: nobody will come
    near, so that `glass` should be opaque and openings stand out of the whole wall, by a negative `reveal_m`.
    """

    wall: int
    ground_wall: int
    trim: int
    frame: int
    glass: int
    door: int
    rail: int
    sign: int
    room: int
    pipe: int
    poster: int
    blinds: tuple[int, ...]
    bay_m: float = 3.0
    storey_m: float = 3.0
    ground_storey_m: float = 3.2
    window_share: float = 0.42
    sill_m: float = 0.9
    head_m: float = 2.4
    reveal_m: float = 0.15
    panes: tuple[int, int] = (2, 1)
    frame_m: float = 0.06
    surround_m: float = 0.0
    string_course: bool = False
    balcony_share: float = 0.0
    blank_share: float = 0.03
    shutter_share: float = 0.0
    cooler_share: float = 0.0
    ground_floor: str = "homes"
    far: bool = False


@dataclass(frozen=True, eq=False)
class _Bays:
    """Every bay of a facade, flat (n,): its limits, the opening in it, and what fills it."""

    left: FloatArray
    right: FloatArray
    bottom: FloatArray
    top: FloatArray
    x0: FloatArray
    x1: FloatArray
    z0: FloatArray
    z1: FloatArray
    kind: NDArray[np.str_]
    storey: NDArray[np.int64]
    column: NDArray[np.int64]

    def of(self, *kinds: str) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Openings x0, x1, z0, z1 of some kinds."""
        return self.limits(np.isin(self.kind, kinds))

    def limits(self, mask: Mask) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.x0[mask], self.x1[mask], self.z0[mask], self.z1[mask]


def make_facade(rng: np.random.Generator, style: FacadeStyle, width_m: float, storeys: int, front: bool) -> Mesh:
    """One wall. Only a `front` has doors, shops, gates and balconies."""
    bays = _lay_out(rng, style, width_m, storeys, front)
    quads = Quads()
    _wall(quads, style, bays, width_m)
    _reveals(quads, style, bays)
    _glazing(quads, style, bays)
    if not style.far:
        _blinds(quads, rng, style, bays)
        _rooms(quads, style, bays, width_m)
    _mouldings(quads, style, bays, width_m)
    if front:
        _doors(quads, style, bays)
        _shop_fronts(quads, rng, style, bays, width_m)
        _balconies(quads, rng, style, bays)
        _fixtures(quads, rng, style, bays, width_m)
    return quads.mesh()


def facade_height(style: FacadeStyle, storeys: int) -> float:
    """Height of a wall of so many storeys, metres."""
    return style.ground_storey_m + (storeys - 1) * style.storey_m


def _lay_out(rng: np.random.Generator, style: FacadeStyle, width_m: float, storeys: int, front: bool) -> _Bays:
    columns = max(1, round(width_m / style.bay_m))
    storey, column = (v.ravel() for v in np.mgrid[0:storeys, 0:columns])
    n = storey.size
    bay = width_m / columns
    ground = storey == 0
    bottom = np.where(ground, 0.0, style.ground_storey_m + (storey - 1) * style.storey_m)
    top = style.ground_storey_m + storey * style.storey_m
    kind = np.full(n, "window", dtype="U8")
    kind[rng.random(n) < style.blank_share] = "blank"
    blank_columns = rng.random(columns) < style.blank_share * (1 if front else 8)
    kind[blank_columns[column]] = "blank"
    if front:
        balconies = (rng.random(columns) < style.balcony_share)[column] & ~ground
        kind[balconies] = "french"
        if style.ground_floor == "shops":
            kind[ground] = "shop"
        elif style.ground_floor == "gates":
            kind[ground & (rng.random(n) < 0.6)] = "gate"
        if style.ground_floor != "glazed":
            kind[ground & (column == rng.integers(columns))] = "door"
    half = bay * style.window_share / 2 * np.ones(n)
    sill, head = np.full(n, style.sill_m), np.full(n, style.head_m)
    for name, half_m, sill_m, head_m in (
        ("blank", 0.0, style.sill_m, style.sill_m),
        ("french", max(0.55, bay * style.window_share / 2), 0.05, style.head_m),
        ("door", min(0.55, bay * 0.4), 0.0, 2.15),
        ("shop", bay * 0.44, 0.35, style.ground_storey_m - 0.75),
        ("gate", bay * 0.4, 0.0, style.ground_storey_m - 0.7),
    ):
        half[kind == name], sill[kind == name], head[kind == name] = half_m, sill_m, head_m
    middle = (column + 0.5) * bay
    return _Bays(
        column * bay, (column + 1) * bay, bottom, top, middle - half, middle + half, bottom + sill, bottom + head,
        kind, storey, column,
    )  # fmt: skip


def _wall(quads: Quads, style: FacadeStyle, bays: _Bays, width_m: float) -> None:
    quads.front(0.0, width_m, -PLINTH_DEPTH_M, 0.0, 0.0, style.ground_wall)
    if style.far:
        quads.front(0.0, width_m, 0.0, style.ground_storey_m, 0.0, style.ground_wall)
        quads.front(0.0, width_m, style.ground_storey_m, float(bays.top.max()), 0.0, style.wall)
        return
    material = np.where(bays.storey == 0, style.ground_wall, style.wall)
    quads.front(bays.left, bays.x0, bays.bottom, bays.top, 0.0, material)
    quads.front(bays.x1, bays.right, bays.bottom, bays.top, 0.0, material)
    quads.front(bays.x0, bays.x1, bays.bottom, bays.z0, 0.0, material)
    quads.front(bays.x0, bays.x1, bays.z1, bays.top, 0.0, material)


def _reveals(quads: Quads, style: FacadeStyle, bays: _Bays) -> None:
    x0, x1, z0, z1 = bays.limits(bays.kind != "blank")
    r = style.reveal_m
    if style.far:
        quads.front(x0 + r, x1 - r, z0 + r, z1 - r, r / 3, style.trim)
        return
    quads.side(x0, 0.0, r, z0, z1, style.trim)
    quads.side(x1, r, 0.0, z0, z1, style.trim)
    quads.level(x0, x1, 0.0, r, z0, style.trim)
    quads.level(x0, x1, r, 0.0, z1, style.trim)


def _glazing(quads: Quads, style: FacadeStyle, bays: _Bays) -> None:
    r, f = style.reveal_m, style.frame_m
    for kinds, (columns, rows) in ((("window",), style.panes), (("french", "shop"), (2, 1))):
        x0, x1, z0, z1 = bays.of(*kinds)
        if not x0.size:
            continue
        quads.front(x0, x1, z0, z1, r + 0.03, style.glass)
        if style.far:
            continue
        for bar in range(columns + 1):
            at = x0 + (x1 - x0 - f) * bar / columns
            quads.front(at, at + f, z0, z1, r, style.frame)
        for bar in range(rows + 1):
            at = z0 + (z1 - z0 - f) * bar / rows
            quads.front(x0, x1, at, at + f, r, style.frame)


def _blinds(quads: Quads, rng: np.random.Generator, style: FacadeStyle, bays: _Bays) -> None:
    x0, x1, z0, z1 = bays.of("window", "french")
    n = x0.size
    if not n:
        return
    inside = style.reveal_m + 0.12
    drawn = np.where(rng.random(n) < 0.35, rng.choice([0.15, 0.3, 0.5, 0.75, 1.0], n), 0.0)
    material = rng.choice(np.array(style.blinds), n)
    quads.front(x0, x1, z1 - drawn * (z1 - z0), z1, inside, material)
    curtains = rng.random(n) < 0.4
    width = rng.uniform(0.12, 0.4, n) * (x1 - x0) * curtains
    quads.front(x0, x0 + width, z0, z1, inside + 0.05, material)
    quads.front(x1 - width, x1, z0, z1, inside + 0.05, material)
    shut = rng.random(n) < style.shutter_share
    beside = np.minimum((x1 - x0) / 2, 0.6)[shut]
    for a, b in ((x0[shut] - beside, x0[shut]), (x1[shut], x1[shut] + beside)):
        quads.block(a + 0.02, b - 0.02, -0.05, 0.0, z0[shut], z1[shut], style.door)


def _rooms(quads: Quads, style: FacadeStyle, bays: _Bays, width_m: float) -> None:
    """What is seen through the panes: a back wall, floors and partitions, clear of the outer walls."""
    left, right, inside, top = 0.3, width_m - 0.3, style.reveal_m + 0.08, float(bays.top.max()) - 0.05
    quads.front(left, right, 0.0, top, ROOM_M, style.room)
    quads.level(left, right, inside, ROOM_M, np.append(np.unique(bays.bottom), top), style.room)
    partitions = np.append(np.unique(bays.left)[2::2], [left, right])
    quads.side(partitions, inside, ROOM_M, 0.0, top, style.room)


def _mouldings(quads: Quads, style: FacadeStyle, bays: _Bays, width_m: float) -> None:
    if style.far:
        return
    x0, x1, z0, z1 = bays.of("window", "french")
    quads.block(x0 - 0.06, x1 + 0.06, -0.07, style.reveal_m - 0.03, z0 - 0.05, z0, style.trim)
    if style.surround_m:
        s = style.surround_m
        quads.block(x0 - s, x0, -0.04, 0.0, z0, z1 + s, style.trim)
        quads.block(x1, x1 + s, -0.04, 0.0, z0, z1 + s, style.trim)
        quads.block(x0, x1, -0.06, 0.0, z1, z1 + s, style.trim)
    if style.string_course:
        floors = np.unique(bays.bottom)[1:]
        quads.block(-0.02, width_m + 0.02, -0.08, 0.0, floors - 0.12, floors + 0.05, style.trim)


def _doors(quads: Quads, style: FacadeStyle, bays: _Bays) -> None:
    x0, x1, z0, z1 = bays.of("door")
    r = style.reveal_m
    quads.block(x0 + 0.06, x1 - 0.06, r, r + 0.05, z0, z1 - 0.06, style.door)
    quads.front(x0 + 0.3, x1 - 0.3, z0 + 1.2, z1 - 0.25, r - 0.01, style.glass)
    quads.block(x0 - 0.2, x1 + 0.2, -0.45, 0.0, -1.0, 0.14, style.trim)
    x0, x1, z0, z1 = bays.of("gate")
    quads.front(x0, x1, z0, z1, r, style.door)
    ribs = np.arange(0.5, 4.0, 0.5)
    x0, x1 = (np.repeat(v, len(ribs)) for v in (x0, x1))
    z = np.minimum(np.tile(ribs, len(z1)), np.repeat(z1, len(ribs)) - 0.05)
    quads.block(x0, x1, r - 0.03, r, z, z + 0.04, style.frame)


def _shop_fronts(quads: Quads, rng: np.random.Generator, style: FacadeStyle, bays: _Bays, width_m: float) -> None:
    if style.ground_floor != "shops":
        return
    x0, x1, z0, z1 = bays.of("shop")
    n = x0.size
    quads.block(x0, x1, -0.16, 0.0, z1 + 0.1, z1 + 0.62, style.sign)
    for _ in range(0 if style.far else 3):  # goods in the window
        x = rng.uniform(x0, x1 - 0.5)
        high = rng.uniform(0.3, 1.6, n)
        y = rng.uniform(0.4, 1.5, n)
        quads.block(x, x + rng.uniform(0.2, 0.8, n), y, y + 0.3, z0 - 0.2, z0 + high, rng.choice(style.blinds, n))
    awning = rng.random(n) < 0.4
    reach, z = rng.uniform(0.9, 1.6), z1[awning] + 0.05
    a, b = x0[awning], x1[awning]
    slope = [(a, 0 * a - reach, z - 0.45), (b, 0 * b - reach, z - 0.45), (b, 0 * b, z), (a, 0 * a, z)]
    quads.add(np.stack([np.stack(p, axis=-1) for p in slope], axis=1), style.sign)
    quads.front(a, b, z - 0.62, z - 0.45, -reach, style.sign)


def _fixtures(quads: Quads, rng: np.random.Generator, style: FacadeStyle, bays: _Bays, width_m: float) -> None:
    """Rainwater pipes, air conditioners, wall lamps, posters and scrawls."""
    if style.far:
        return
    top = float(bays.top.max())
    pipes = np.array([0.15, width_m - 0.25])[rng.random(2) < 0.6]
    quads.block(pipes, pipes + 0.1, -0.13, -0.02, 0.0, top, style.pipe)
    x0, x1, z0, _ = bays.of("window")
    cooled = rng.random(x0.size) < style.cooler_share
    middle, sill = (x0[cooled] + x1[cooled]) / 2, z0[cooled]
    quads.block(middle - 0.4, middle + 0.4, -0.38, -0.02, sill - 0.75, sill - 0.15, style.frame)
    quads.front(middle - 0.3, middle + 0.1, sill - 0.7, sill - 0.2, -0.39, style.pipe)
    piers = bays.right[(bays.storey == 0) & (rng.random(len(bays.right)) < 0.25)]
    quads.block(piers - 0.1, piers + 0.1, -0.2, 0.0, 2.2, 2.5, style.pipe)
    for _ in range(int(rng.integers(0, 4))):
        x, wide, high = rng.uniform(0, max(0.1, width_m - 2.5)), rng.uniform(0.4, 2.4), rng.uniform(0.4, 1.2)
        z = rng.uniform(0.3, 1.3)
        quads.front(x, min(x + wide, width_m), z, z + high, -0.006, style.poster)


def _balconies(quads: Quads, rng: np.random.Generator, style: FacadeStyle, bays: _Bays) -> None:
    mask = bays.kind == "french"
    if not mask.any():
        return
    left, right, floor = bays.left[mask] + 0.25, bays.right[mask] - 0.25, bays.bottom[mask]
    deep = rng.uniform(0.9, 1.6)
    quads.block(left, right, -deep, 0.0, floor - 0.18, floor, style.trim)
    rail = floor + 1.0
    step = 0.52 if style.far else 0.13
    if rng.random() < 0.5:  # solid parapets
        quads.block(left, right, -deep, -deep + 0.06, floor, rail, style.rail)
        for x in (left, right - 0.06):
            quads.block(x, x + 0.06, -deep, 0.0, floor, rail, style.rail)
        return
    quads.block(left, right, -deep, -deep + 0.05, rail - 0.05, rail, style.rail)
    for x in (left, right - 0.05):
        quads.block(x, x + 0.05, -deep, 0.0, rail - 0.05, rail, style.rail)
    for x0, x1, z0, z1 in zip(left, right, floor, rail):
        bars = np.arange(x0, x1, step)
        quads.front(bars, bars + step / 5, z0, z1, -deep + 0.02, style.rail)
        bars = np.arange(-deep, 0.0, step)
        for x in (x0, x1 - 0.03):
            quads.side(x, bars, bars + step / 5, z0, z1, style.rail)
