"""Bicycles and motorbikes."""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box
from i2p_calib_ros.frames.world.objects.shapes import ellipsoid, pose, revolve, tube
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    CHROME,
    DARK_STEEL,
    HEADLAMP,
    RED_REFLECTOR,
    RUBBER,
    TAIL_LAMP,
    WHITE_PLATE,
    bright_paint,
    car_paint,
)

BICYCLE_SEAT = (-0.27, 0.0, 0.92)
MOTORBIKE_SEAT = (-0.2, 0.0, 0.78)


def make_bicycle(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A bicycle upright along +x with its middle over the origin."""
    frame, black = palette.add(bright_paint(rng)), palette.add(BLACK_PLASTIC)
    radius = 0.34
    rear, front = (-0.52, 0.0, radius), (0.53, 0.0, radius)
    bracket, seat, head_low, head_high = (-0.08, 0, 0.28), (-0.23, 0, 0.75), (0.36, 0, 0.62), (0.31, 0, 0.82)
    pipes = [(bracket, seat), (bracket, head_low), (seat, head_high), (rear, bracket), (rear, seat), (head_high, front)]
    parts = [tube(pipe, 0.018, frame, 5, caps=False) for pipe in pipes]
    saddle = np.array(BICYCLE_SEAT)
    parts += [
        tube(np.stack([seat, saddle]), 0.013, palette.add(CHROME), 5, caps=False),
        ellipsoid((0.13, 0.06, 0.03), black, saddle + [0.02, 0, 0.02], 6),
        tube([head_high, (0.28, 0, 0.98)], 0.014, black, 5, caps=False),
        tube([(0.2, -0.29, 1.0), (0.3, -0.1, 0.99), (0.3, 0.1, 0.99), (0.2, 0.29, 1.0)], 0.013, black, 5),
        tube([(-0.08, 0.0, 0.2), (-0.08, 0.09, 0.28)], 0.012, black, 4),
        box((0.04, 0.05, 0.04), palette.add(RED_REFLECTOR), (-0.62, 0, 0.7)),
        box((0.04, 0.05, 0.05), palette.add(HEADLAMP), (0.38, 0, 0.86)),
        _spoked_wheel(palette, radius, 0.022).translated(*rear),
        _spoked_wheel(palette, radius, 0.022).translated(*front),
    ]
    if rng.random() < 0.4:
        parts.append(box((0.35, 0.14, 0.02), black, (-0.5, 0, 0.74)))
    if rng.random() < 0.2:
        parts.append(box((0.28, 0.34, 0.22), palette.add(DARK_STEEL), (0.5, 0, 0.88)))
    return Mesh.merge(parts)


def make_motorbike(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A motorbike or scooter without its rider, along +x, its middle over the origin."""
    paint, black = palette.add(car_paint(rng)), palette.add(BLACK_PLASTIC)
    steel, chrome = palette.add(DARK_STEEL), palette.add(CHROME)
    radius, base = 0.31, float(rng.uniform(1.3, 1.5))
    rear, front = np.array([-base / 2, 0, radius]), np.array([base / 2, 0, radius])
    head = front + [-0.28, 0, 0.62]
    fork = [tube([front + [0, y, 0], head + [0, y, 0.05]], 0.025, chrome, 6) for y in (-0.09, 0.09)]
    parts = [
        *fork,
        _spoked_wheel(palette, radius, 0.06).translated(*rear),
        _spoked_wheel(palette, radius, 0.055).translated(*front),
        ellipsoid((0.3, 0.15, 0.15), paint, (0.16, 0, 0.86), 10),
        ellipsoid((0.4, 0.13, 0.06), black, (-0.3, 0, 0.8), 8),
        ellipsoid((0.25, 0.11, 0.1), paint, (-0.55, 0, 0.83), 8),
        box((0.42, 0.3, 0.36), steel, (0.08, 0, 0.45)),
        tube(np.stack([(0.15, 0, 0.55), (-0.1, 0, 0.4), rear]), 0.05, steel, 6),
        tube([(0.2, -0.16, 0.35), (-0.3, -0.19, 0.28), (-0.75, -0.2, 0.42)], [0.03, 0.04, 0.06], chrome, 7),
        tube([head + [-0.12, -0.36, 0.14], head + [0, 0, 0.1], head + [-0.12, 0.36, 0.14]], 0.016, black, 5),
        ellipsoid((0.1, 0.1, 0.1), palette.add(HEADLAMP), head + [0.08, 0, 0.0], 8),
        box((0.05, 0.16, 0.06), palette.add(TAIL_LAMP), (-0.8, 0, 0.82)),
        box((0.01, 0.18, 0.18), palette.add(WHITE_PLATE), (-0.83, 0, 0.65)),
        tube([rear + [0.2, 0, 0.33], rear + [0, 0, 0.36], rear + [-0.25, 0, 0.28]], 0.05, black, 5),
    ]
    if rng.random() < 0.5:
        screen = box((0.02, 0.36, 0.4), paint, (0, 0, 0)).transformed(pose(head + [0.1, 0, 0.15], (0, -0.5, 0)))
        parts.append(screen)
    if rng.random() < 0.3:
        parts.append(box((0.4, 0.42, 0.32), black, (-0.85, 0, 1.05)))
    return Mesh.merge(parts)


def _spoked_wheel(palette: Palette, radius_m: float, tyre_m: float) -> Mesh:
    """A thin tyre with its hub and a few spokes, upright along x."""
    inner, outer = radius_m - 2 * tyre_m, radius_m
    middle = radius_m - tyre_m
    ring = [(middle, -tyre_m), (outer, 0.0), (middle, tyre_m), (inner, 0.0), (middle, -tyre_m)]
    steel = palette.add(CHROME)
    hub = [(0.0, -0.04), (0.03, -0.04), (0.03, 0.04), (0.0, 0.04)]
    angle = np.arange(9) * 2 * np.pi / 9
    a, b = angle + 0.25, angle + 0.25 + 0.012 / radius_m
    spokes = np.stack(
        [
            np.stack([0 * angle, 0 * angle, 0.02 * np.cos(4 * angle)], 1),
            np.stack([middle * np.cos(a), middle * np.sin(a), 0 * a], 1),
            np.stack([middle * np.cos(b), middle * np.sin(b), 0 * b], 1),
        ],
        axis=1,
    )
    parts = [revolve(ring, palette.add(RUBBER), 18), revolve(hub, steel, 6), Mesh.create(spokes, steel)]
    return Mesh.merge(parts).transformed(pose(rpy_rad=(-np.pi / 2, 0, 0)))
