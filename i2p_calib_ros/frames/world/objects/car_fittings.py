"""What is screwed onto a car's body: mirrors, handles, plates, roof rails, wipers, seams, stop lamp."""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box
from i2p_calib_ros.frames.world.objects.car_shape import CarShape
from i2p_calib_ros.frames.world.objects.shapes import bar, ellipsoid, mirrored, tube
from i2p_calib_ros.frames.world.objects.stuff import BLACK_PLASTIC, CHROME, TAIL_LAMP, WHITE_PLATE, YELLOW_PLATE


def make_fittings(rng: np.random.Generator, palette: Palette, shape: CarShape, paint: int, kind: str) -> Mesh:
    """All of them, for a car of a kind of CAR_KINDS."""
    left = [_mirror_and_handles(rng, palette, shape, paint)]
    if kind in ("estate", "suv") and rng.random() < 0.6:
        y = shape.width / 2 - 0.09 - shape.tumble - 0.06
        z = shape.height - 0.01
        front, rear = shape.roof_front_x - 0.4, shape.roof_rear_x + 0.35
        rail = [(front, y, z - 0.09), (front - 0.12, y, z), (rear + 0.12, y, z - 0.02), (rear, y, z - 0.11)]
        left.append(tube(rail, 0.016, palette.add(BLACK_PLASTIC), 5))
    return Mesh.merge([*left, *(mirrored(part) for part in left), _ends(rng, palette, shape)])


def _mirror_and_handles(rng: np.random.Generator, palette: Palette, shape: CarShape, paint: int) -> Mesh:
    black = palette.add(BLACK_PLASTIC)
    half_w = shape.width / 2
    shell = paint if rng.random() < 0.7 else black
    mirror_x = shape.cowl_x - 0.42
    handles = [
        box((0.18, 0.03, 0.025), shell, (x, half_w - 0.005, shape.belt_z - 0.13))
        for x in (shape.cowl_x - 1.3, shape.cowl_x - 2.2)
        if x > shape.tail_x + 0.4
    ]
    return Mesh.merge(
        [
            ellipsoid((0.07, 0.11, 0.08), shell, (mirror_x, half_w + 0.1, shape.belt_z + 0.07), 6),
            box((0.05, 0.1, 0.04), black, (mirror_x, half_w - 0.01, shape.belt_z + 0.03)),
            *handles,
        ]
    )


def _ends(rng: np.random.Generator, palette: Palette, shape: CarShape) -> Mesh:
    """Plates and badges; at the rear the seams of lid and bumper, a stop lamp, wiper and exhaust."""
    black, chrome = palette.add(BLACK_PLASTIC), palette.add(CHROME)
    front, rear = shape.length / 2, -shape.length / 2
    rise = shape.tail_z - shape.clearance
    seam_z = shape.clearance + 0.45 * rise
    high = float(rng.choice([0.28, 0.66]))
    plate_z = shape.clearance + high * rise
    parts = [
        _plate(rng, palette).translated(front + 0.014, 0, shape.clearance + 0.35 * (shape.nose_z - shape.clearance)),
        _plate(rng, palette).placed(rear, 0, plate_z, np.pi),
        box((0.02, 0.12, 0.07), chrome, (front - 0.035 * shape.nose_bend, 0, shape.nose_z - 0.12)),
        box((0.02, 0.11, 0.06), chrome, (rear + 0.02, 0, shape.clearance + 0.84 * rise)),
        box((0.02, 0.7 * shape.width, 0.012), black, (rear + 0.012, 0, seam_z)),
    ]
    if not shape.open_bed:
        lid_y, lid_height = 0.36 * shape.width, 0.4 * rise
        for y in (-lid_y, lid_y):
            parts.append(box((0.02, 0.012, lid_height), black, (rear + 0.022, y, seam_z + lid_height / 2)))
        stop_lamp = box((0.06, 0.35, 0.025), palette.add(TAIL_LAMP))
        parts.append(stop_lamp.translated(shape.roof_rear_x + 0.02, 0, shape.height - 0.12))
        if shape.tail_x - rear < 0.3 and rng.random() < 0.7:
            foot = np.array([shape.tail_x - 0.03, 0, shape.tail_z + 0.03])
            parts.append(bar(foot, foot + [0.03, 0.35, 0.07], 0.02, 0.02, black))
    if rng.random() < 0.6:
        pipe_y = 0.3 * shape.width
        parts.append(tube([(rear + 0.3, pipe_y, 0.24), (rear + 0.03, pipe_y, 0.24)], 0.03, chrome, 6))
    return Mesh.merge(parts)


def _plate(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A number plate around the origin, towards +x, with blocks in the place of its characters."""
    long = rng.random() < 0.7
    width, height = (0.52, 0.11) if long else (0.31, 0.16)
    ground = palette.add(YELLOW_PLATE if rng.random() < 0.15 else WHITE_PLATE)
    count = int(rng.integers(5, 8))
    y = -0.4 * width + np.flatnonzero(rng.permutation(count + 1) != 0) * 0.8 * width / count
    stroke, letter = 0.5 * width / count, (0.68 if long else 0.45) * height
    corner = np.array([[0, -1, -1], [0, 1, -1], [0, 1, 1], [0, -1, 1]]) * [0, stroke / 2, letter / 2]
    quads = np.column_stack([np.full(count, 0.011), y, np.zeros(count)])[:, None] + corner
    letters = quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)
    return Mesh.merge([box((0.02, width, height), ground), Mesh.create(letters, palette.add(BLACK_PLASTIC))])
