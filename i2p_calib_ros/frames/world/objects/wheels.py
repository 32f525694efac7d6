"""Wheels: tyre, rim and spokes."""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.objects.shapes import pose, revolve
from i2p_calib_ros.frames.world.objects.stuff import ALLOY, BLACK_PLASTIC, RUBBER


def make_wheel(
    rng: np.random.Generator, palette: Palette, radius_m: float, width_m: float, rim_share: float = 0.68
) -> Mesh:
    """A wheel around the origin, axle along y, its outer side at +y; `rim_share` of the radius is rim."""
    rim = rim_share * radius_m
    half, shoulder = width_m / 2, 0.2 * width_m
    tyre = [  # open towards the vehicle
        (radius_m, -half + shoulder), (radius_m, half - shoulder), (radius_m - 0.4 * shoulder, half),
        (rim, half), (0.93 * rim, 0.3 * half),
    ]  # fmt: skip
    backing = [(0.93 * rim, 0.3 * half), (0.0, 0.3 * half)]
    parts = [revolve(tyre, palette.add(RUBBER), 14), revolve(backing, palette.add(BLACK_PLASTIC), 14)]
    parts.append(_spokes(rng, palette.add(ALLOY), 0.95 * rim, 0.8 * half))
    # Turned from standing on z to lying along y.
    return Mesh.merge(parts).transformed(pose(rpy_rad=(-np.pi / 2, 0, 0)))


def _spokes(rng: np.random.Generator, material: int, radius_m: float, z: float) -> Mesh:
    """Flat spokes that face +z."""
    count = int(rng.integers(5, 9))
    angle = np.arange(count) * 2 * np.pi / count
    inner, outer = rng.uniform(0.25, 0.5), rng.uniform(0.15, 0.45)
    corners = []
    for step, radius, height in ((-inner, 0.2, 1.0), (-outer / 2, 1.0, 0.8), (outer / 2, 1.0, 0.8), (inner, 0.2, 1.0)):
        turned = angle + step
        corners.append(
            np.stack(
                [radius_m * radius * np.cos(turned), radius_m * radius * np.sin(turned), np.full(count, z * height)], 1
            )
        )
    a, b, c, d = corners
    return Mesh.create(np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]), material)
