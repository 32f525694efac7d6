"""People on foot and on bicycles, as jointed figures that stand, walk, wait or ride."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box, grid_mesh
from i2p_calib_ros.frames.world.objects.shapes import ellipsoid, pose, tube
from i2p_calib_ros.frames.world.objects.stuff import (
    BLACK_PLASTIC,
    REFLECTOR,
    bright_paint,
    cloth,
    leather,
    near,
    skin,
    trousers,
)
from i2p_calib_ros.frames.world.objects.two_wheelers import BICYCLE_SEAT, MOTORBIKE_SEAT, make_bicycle, make_motorbike

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Angles in radians of a figure in its sagittal plane: positive swings a limb forward, bends a knee or elbow.

    thigh, knee, arm, elbow: left and right; lean: of the trunk forward; spread: of the arms sideways.
    """

    thigh: tuple[float, float] = (0.0, 0.0)
    knee: tuple[float, float] = (0.0, 0.0)
    arm: tuple[float, float] = (0.0, 0.0)
    elbow: tuple[float, float] = (0.1, 0.1)
    lean: float = 0.03
    spread: float = 0.12


RIDING = Pose((1.15, 1.5), (1.0, 1.75), (1.0, 1.0), (0.35, 0.35), 0.45, 0.05)
SITTING = Pose((1.3, 1.3), (1.45, 1.45), (0.75, 0.75), (0.6, 0.6), 0.2, 0.15)


@dataclass(frozen=True)
class Figure:
    """Measures of a person: height in metres and stoutness about 1, with the materials worn."""

    height: float
    stout: float
    top: int
    legs: int
    shoes: int
    skin: int
    hair: int


def random_figure(rng: np.random.Generator, palette: Palette, child: bool = False) -> Figure:
    """A grown-up of 1.5 to 1.95 m, or a child."""
    hair = Material("hair", "plain", near(rng, (0.06, 0.04, 0.025), 0.8), lidar_reflectivity=0.3)
    return Figure(
        height=float(rng.uniform(1.0, 1.45) if child else np.clip(rng.normal(1.71, 0.09), 1.5, 1.95)),
        stout=float(rng.uniform(0.88, 1.25)),
        top=palette.add(cloth(rng)),
        legs=palette.add(trousers(rng)),
        shoes=palette.add(leather(rng)),
        skin=palette.add(skin(rng)),
        hair=palette.add(hair),
    )


def walking_pose(rng: np.random.Generator) -> Pose:
    """A moment of a stride."""
    phase, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.5)
    swing = reach * np.sin(phase)
    bend = 0.15 + 0.75 * np.maximum(0, np.cos(phase + np.array([0.3, np.pi + 0.3])))
    return Pose(
        thigh=(float(swing) + 0.1, float(-swing) + 0.1),
        knee=(float(bend[0]), float(bend[1])),
        arm=(float(-0.8 * swing), float(0.8 * swing)),
        elbow=(0.35, 0.35),
        lean=float(rng.uniform(0.02, 0.1)),
        spread=float(rng.uniform(0.08, 0.2)),
    )


def standing_pose(rng: np.random.Generator) -> Pose:
    """Someone who waits, perhaps with a telephone or hands in the pockets."""
    stance = Pose(thigh=(0.03, -0.03), arm=(0.05, -0.03), spread=float(rng.uniform(0.08, 0.25)))
    doing = rng.random()
    if doing < 0.3:
        return replace(stance, arm=(0.35, stance.arm[1]), elbow=(1.9, 0.2))
    if doing < 0.5:
        return replace(stance, arm=(-0.1, -0.1), elbow=(0.7, 0.7))
    return stance


def make_pedestrian(rng: np.random.Generator, palette: Palette, walking: bool | None = None) -> Mesh:
    """A person facing +x; `walking` None: two in three walk. With bags, hats, skirts and coats by chance."""
    strides = rng.random() < 0.67 if walking is None else walking
    figure = random_figure(rng, palette, child=rng.random() < 0.12)
    stance = walking_pose(rng) if strides else standing_pose(rng)
    return _on_the_ground(Mesh.merge([make_figure(figure, stance), _worn(rng, palette, figure, stance)]))


def make_cyclist(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A person riding a bicycle along +x; the bicycle's middle is over the origin."""
    figure = replace(random_figure(rng, palette), height=float(rng.uniform(1.6, 1.85)))
    turn = float(rng.uniform(-0.35, 0.35))
    stance = replace(
        RIDING,
        thigh=(RIDING.thigh[0] + turn, RIDING.thigh[1] - turn),
        knee=(RIDING.knee[0] + turn, RIDING.knee[1] - turn),
        lean=float(rng.uniform(0.25, 0.75)),
    )
    rider = make_figure(figure, stance)
    parts = [rider]
    if rng.random() < 0.6:
        head = _head_centre(figure, stance)
        shell = palette.add(bright_paint(rng))
        parts.append(ellipsoid((0.15, 0.11, 0.08), shell, head + [0, 0, 0.09], 8))
    hip = np.array([0.0, 0.0, 0.52 * figure.height])
    onto_saddle = np.array(BICYCLE_SEAT) - hip + [0.0, 0.0, 0.1]
    return Mesh.merge([Mesh.merge(parts).translated(*onto_saddle), make_bicycle(rng, palette)])


def make_motorcyclist(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A motorbike with its rider in a full helmet, along +x."""
    figure = random_figure(rng, palette)
    stance = replace(SITTING, lean=float(rng.uniform(0.1, 0.5)))
    helmet = ellipsoid((0.16, 0.13, 0.16), palette.add(bright_paint(rng)), _head_centre(figure, stance), 10)
    onto_seat = np.array(MOTORBIKE_SEAT) - [0.0, 0.0, 0.52 * figure.height - 0.12]
    rider = Mesh.merge([make_figure(figure, stance), helmet]).translated(*onto_seat)
    return Mesh.merge([rider, make_motorbike(rng, palette)])


def make_figure(figure: Figure, stance: Pose) -> Mesh:
    """The body in a pose with the hips at 0.52 of the height over the origin."""
    h, s = figure.height, figure.stout
    hip_z = 0.52 * h
    chest = _trunk_point(figure, stance, 0.3 * h)
    parts = [_trunk(figure, stance)]
    for side, (thigh, knee, arm, elbow) in zip((1, -1), zip(stance.thigh, stance.knee, stance.arm, stance.elbow)):
        hip = np.array([0.0, side * 0.052 * h, hip_z])
        joint = hip + 0.245 * h * _down(thigh)
        ankle = joint + 0.245 * h * _down(thigh - knee)
        leg = [hip, (hip + joint) / 2, joint, 0.65 * joint + 0.35 * ankle, ankle]
        parts.append(tube(leg, 0.1 * h / 1.7 * s * np.array([1.0, 0.85, 0.62, 0.58, 0.45]), figure.legs, 7, caps=False))
        foot = pose(ankle - [0, 0, 0.02 * h], (0, -0.6 * min(thigh - knee, 0.0), 0))
        parts.append(ellipsoid((0.085 * h, 0.028 * h, 0.024 * h), figure.shoes, (0.035 * h, 0, 0), 6).transformed(foot))
        shoulder = chest + [0.0, side * 0.105 * h * (0.6 + 0.4 * s), -0.035 * h]
        outward = np.array([0.0, side * np.sin(stance.spread), 0.0])
        hand_dir = _down(arm + elbow) * np.cos(stance.spread) + 0.3 * outward
        elbow_at = shoulder + 0.172 * h * (_down(arm) * np.cos(stance.spread) + outward)
        wrist = elbow_at + 0.15 * h * hand_dir
        # The sleeve starts inside the shoulder, so that the joint is round.
        sleeve = [shoulder - [0, side * 0.025 * h, -0.03 * h], shoulder, (shoulder + elbow_at) / 2, elbow_at, wrist]
        parts.append(
            tube(sleeve, 0.06 * h / 1.7 * s * np.array([0.5, 0.95, 0.88, 0.78, 0.62]), figure.top, 6, caps=False)
        )
        parts.append(ellipsoid((0.02 * h, 0.015 * h, 0.05 * h), figure.skin, wrist + 0.04 * h * hand_dir, 6))
    parts.append(_head(figure, stance))
    return Mesh.merge(parts)


def _down(angle_rad: float) -> FloatArray:
    """Direction of a limb that hangs, swung forward by an angle."""
    return np.array([np.sin(angle_rad), 0.0, -np.cos(angle_rad)])


def _trunk_point(figure: Figure, stance: Pose, up_m: float) -> FloatArray:
    return np.array([up_m * np.sin(stance.lean), 0.0, 0.52 * figure.height + up_m * np.cos(stance.lean)])


def _trunk(figure: Figure, stance: Pose) -> Mesh:
    """Hips to neck as stacked ellipses."""
    h, s = figure.height, figure.stout
    up = np.array([-0.05, 0.0, 0.06, 0.16, 0.25, 0.3, 0.325, 0.345]) * h
    breadth = np.array([0.075, 0.1, 0.092, 0.098, 0.108, 0.1, 0.06, 0.033]) * h * (0.5 + 0.5 * s)
    depth = np.array([0.06, 0.07, 0.065 * s, 0.07 * s, 0.068, 0.052, 0.04, 0.03]) * h * (0.4 + 0.6 * s)
    angle = np.linspace(0, 2 * np.pi, 11)
    rings = [
        _trunk_point(figure, stance, u)
        + np.column_stack(
            [d * np.cos(angle) * np.cos(stance.lean), b * np.sin(angle), -d * np.cos(angle) * np.sin(stance.lean)]
        )
        for u, b, d in zip(up, breadth, depth)
    ]
    material = np.full((len(up) - 1, 10), figure.top, dtype=np.int32)
    material[:1] = figure.legs
    return grid_mesh(np.stack(rings), material, closed=True)


def _head_centre(figure: Figure, stance: Pose) -> FloatArray:
    return _trunk_point(figure, stance, 0.415 * figure.height) + [0.02 * figure.height, 0.0, 0.0]


def _head(figure: Figure, stance: Pose) -> Mesh:
    h = figure.height
    size = h * (0.5 + 0.5 * 1.7 / h)  # children have large heads
    centre = _head_centre(figure, stance)
    throat = _trunk_point(figure, stance, 0.33 * h)
    return Mesh.merge(
        [
            tube([throat, centre], 0.032 * h, figure.skin, 6, caps=False),
            ellipsoid((0.055 * size, 0.044 * size, 0.068 * size), figure.skin, centre, 8),
            ellipsoid((0.056 * size, 0.05 * size, 0.055 * size), figure.hair, centre + [-0.012 * h, 0, 0.02 * h], 8),
        ]
    )


def _worn(rng: np.random.Generator, palette: Palette, figure: Figure, stance: Pose) -> Mesh:
    """Skirt or coat, rucksack or bag, hat, reflective vest: what the figure happens to have."""
    h = figure.height
    parts = []
    dress = rng.random()
    if dress < 0.2:
        length = rng.uniform(0.15, 0.38) * h
        material = figure.top if rng.random() < 0.6 else palette.add(cloth(rng))
        path = [(0, 0, 0.6 * h), (0, 0, 0.53 * h), (0, 0, 0.53 * h - length)]
        flare = rng.uniform(0.1, 0.16)
        parts.append(tube(path, np.array([0.075, 0.1, flare]) * h * figure.stout, material, 10, caps=False))
    if rng.random() < 0.2:
        back = _trunk_point(figure, stance, 0.19 * h) - [0.12 * h, 0, 0]
        parts.append(ellipsoid((0.08 * h, 0.09 * h, 0.14 * h), palette.add(cloth(rng)), back, 8))
    elif rng.random() < 0.3:
        side = float(rng.choice([-1, 1]))
        at = (0.02, side * 0.2 * h, 0.36 * h)
        parts.append(box((0.3, 0.1, 0.3), palette.add(leather(rng)), at))
    if rng.random() < 0.2:
        head = _head_centre(figure, stance) + [0.0, 0.0, 0.045 * h]
        parts.append(ellipsoid((0.065 * h, 0.055 * h, 0.04 * h), palette.add(cloth(rng)), head, 8))
    if rng.random() < 0.05:
        girdle = [_trunk_point(figure, stance, u * h) for u in (0.12, 0.15)]
        parts.append(tube(girdle, 0.11 * h * figure.stout, palette.add(REFLECTOR), 10, caps=False))
    if rng.random() < 0.06:
        stick = _trunk_point(figure, stance, 0.2 * h) + [0.15, 0.1, 0]
        top = stick + [0.0, 0.0, 0.55]
        parts.append(tube([stick, top], 0.01, palette.add(BLACK_PLASTIC), 4))
        parts.append(_canopy(palette.add(cloth(rng)), top))
    return Mesh.merge(parts)


def _canopy(material: int, top: FloatArray) -> Mesh:
    """An open umbrella."""
    angle = np.linspace(0, 2 * np.pi, 9)
    rows = [
        np.column_stack([r * np.cos(angle), r * np.sin(angle), np.full(9, z)]) + top
        for r, z in ((0.5, -0.25), (0.3, -0.06), (0.0, 0.0))
    ]
    return grid_mesh(np.stack(rows), material, closed=True)


def _on_the_ground(mesh: Mesh) -> Mesh:
    return mesh.translated(0, 0, -float(mesh.bounds[0][2]))
