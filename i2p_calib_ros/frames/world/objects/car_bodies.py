"""Cars as lofted shells: a lower body with wheel arches and bonnet, a greenhouse of pillars, glass and roof on it.

Both shells are grids whose columns run around the car (front, left, rear, right) and whose rows run upwards, so one
quad of a grid is one patch of paint, glass, lamp or grille.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh, grid_mesh
from i2p_calib_ros.frames.world.objects.car_cabin import make_driver, make_greenhouse, make_interior
from i2p_calib_ros.frames.world.objects.car_fittings import make_fittings
from i2p_calib_ros.frames.world.objects.car_shape import CarShape, belt_line_z, random_car_shape
from i2p_calib_ros.frames.world.objects.shapes import mirrored
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    CHROME,
    HEADLAMP,
    HEADLAMP_ON,
    TAIL_LAMP,
    TAIL_LAMP_ON,
    car_paint,
)
from i2p_calib_ros.frames.world.objects.wheels import make_wheel

FloatArray = NDArray[np.float64]

_ROW_HEIGHTS = np.array([0.0, 0.12, 0.3, 0.5, 0.7, 0.86, 0.95, 1.0])
_SIDE_INSET = np.array([0.05, 0.015, 0.0, 0.0, 0.012, 0.025, 0.05, 0.1])
_NOSE_INSET = np.array([0.1, 0.02, 0.0, 0.015, 0.04, 0.07, 0.12, 0.24])
_REAR_INSET = np.array([0.1, 0.02, 0.0, 0.01, 0.03, 0.04, 0.05, 0.08])
_FACE_SHARES = np.array([0.0, 0.25, 0.62, 1.0])  # columns of half a front or rear face, from the middle to its edge


def make_car(rng: np.random.Generator, palette: Palette, kind: str, parked: bool = False) -> Mesh:
    """One car of a kind of CAR_KINDS; moving ones have a driver and sometimes their lamps on."""
    shape = random_car_shape(rng, kind)
    paint = palette.add(car_paint(rng))
    trim = palette.add(BLACK_PLASTIC) if rng.random() < (0.6 if kind in ("suv", "van", "pickup") else 0.15) else paint
    lit = not parked and rng.random() < 0.3
    parts = [
        _lower_body(rng, palette, shape, paint, trim, lit),
        make_greenhouse(rng, palette, shape, paint),
        make_interior(palette, shape),
        make_fittings(rng, palette, shape, paint, kind),
        _wheels(rng, palette, shape),
    ]
    if not parked:
        parts.append(make_driver(rng, palette, shape))
    return Mesh.merge(parts)


def _bottom_z(shape: CarShape, x: FloatArray) -> FloatArray:
    """Height of the lower edge along the side: the sill, and the arches over the wheels."""
    radius = shape.wheel_radius + 0.05
    edge = np.full_like(x, shape.clearance)
    for axle in (shape.front_axle_x, shape.rear_axle_x):
        rise = np.sqrt(np.maximum(radius**2 - (x - axle) ** 2, 0.0))
        edge = np.maximum(edge, np.where(rise > 0, shape.wheel_radius + rise, 0.0))
    return edge


def _around(shape: CarShape) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
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
    outline, outward, is_gap = _around(shape)
    nose = np.where(outward[:, 0] > 0, outward[:, 0] ** 2, 0.0)
    rear = np.where(outward[:, 0] < 0, outward[:, 0] ** 2, 0.0)
    inset = (
        nose * (_NOSE_INSET * shape.nose_bend)[:, None]
        + rear * _REAR_INSET[:, None]
        + (1 - nose - rear) * _SIDE_INSET[:, None]
    )
    plan = outline[None] - inset[..., None] * outward[None]
    top = belt_line_z(shape, outline[:, 0])
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
    material[tail_rows, (facing < -0.3) & (aside > rng.uniform(0.62, 0.8))] = tail
    if rng.random() < 0.25:
        material[4, back & (aside < 0.55)] = black
    left = points[-1, : (points.shape[1] + 1) // 2]
    return Mesh.merge([grid_mesh(points, material, closed=True), _lids(shape, left, paint)])


def _lids(shape: CarShape, edge: FloatArray, paint: int) -> Mesh:
    """Bonnet and boot lid, slightly arched between the left upper edge (n, 3), front to rear, and its mirror image."""
    face, aft = len(_FACE_SHARES) - 1, len(edge) - len(_FACE_SHARES)
    sides = edge[face + 1 : aft]
    lids = [_lid(shape, edge[: face + 1], sides[sides[:, 0] > shape.cowl_x - 0.3], paint)]
    if not shape.open_bed:
        boot = _lid(shape, edge[aft:][::-1], sides[sides[:, 0] < shape.tail_x + 0.1][::-1], paint, towards_rear=True)
        lids.append(boot)
    return Mesh.merge(lids)


def _lid(shape: CarShape, face: FloatArray, sides: FloatArray, paint: int, towards_rear: bool = False) -> Mesh:
    """A surface from the edge of a front or rear face (k, 3), y rising from 0, inwards along the left side (n, 3)."""
    share = face[:, 1] / face[-1, 1]
    across = np.concatenate([-share[:0:-1], share])
    rows = [np.vstack([face[:0:-1] * [1.0, -1.0, 1.0], face])]
    for x, y, z in sides:
        from_end = min(shape.length / 2 - x - 0.2, x + shape.length / 2 - 0.05)
        arch = 0.05 * (1 - across**2) * np.clip(from_end / 0.7, 0.0, 1.0)
        rows.append(np.column_stack([np.full(len(across), x), across * y, z + arch]))
    return grid_mesh(np.stack(rows[::-1] if towards_rear else rows), paint)


def _wheels(rng: np.random.Generator, palette: Palette, shape: CarShape) -> Mesh:
    width = float(rng.uniform(0.17, 0.23))
    wheel = make_wheel(rng, palette, shape.wheel_radius, width)
    y = shape.width / 2 - width / 2 - 0.025
    left = Mesh.merge([wheel.translated(x, y, shape.wheel_radius) for x in (shape.front_axle_x, shape.rear_axle_x)])
    return Mesh.merge([left, mirrored(left)])
