"""How vehicles and people move through a place: speeds along paths, bodies that nod on their springs, no collisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Actor
from i2p_calib_ros.frames.world.places.ground import Terrain
from i2p_calib_ros.frames.world.places.roads import Path

FloatArray = NDArray[np.float64]

TIME_STEP_S = 0.05
BRAKING_MPS2 = 2.0
CORNERING_MPS2 = 2.2

_WHEELBASE_M, _TRACK_M = 2.7, 1.5
_NOD_RAD_PER_MPS2 = 0.006
"""A car squats and leans by about 0.35 degrees for each m/s2."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Distance along a path over time: times_s (n,), s_m (n,)."""

    path: Path
    times_s: FloatArray
    s_m: FloatArray

    @property
    def speed_mps(self) -> FloatArray:
        values: FloatArray = np.gradient(self.s_m, self.times_s)
        return values


def clock(duration_s: float) -> FloatArray:
    """Times from a little before 0 to a little after the end, at which motions are given."""
    return np.arange(-0.5, duration_s + 0.5 + TIME_STEP_S, TIME_STEP_S)


def cruise(
    rng: np.random.Generator,
    path: Path,
    start_m: float,
    speed_mps: float,
    duration_s: float,
    stop_m: float | None = None,
    go_s: float = 0.0,
) -> Motion:
    """A vehicle that wants to go at a speed, slows down in bends, and stands before `stop_m` until `go_s`."""
    times = clock(duration_s)
    curvature = np.abs(np.gradient(path.heading_rad, path.s_m))
    wish = speed_mps * (1 + gaussian_filter1d(rng.normal(0, 1, len(times)), 30, mode="nearest") * 0.6)
    s = np.empty(len(times))
    s[0] = start_m
    ahead = np.arange(0.0, 80.0, 2.0)
    v = min(speed_mps, _bend_speed(path, curvature, start_m + ahead, ahead))
    if stop_m is not None and go_s > 0:
        v = min(v, np.sqrt(2 * BRAKING_MPS2 * max(stop_m - start_m, 0.0)))
    acceleration = 0.0
    for i in range(1, len(times)):
        target = min(wish[i], _bend_speed(path, curvature, s[i - 1] + ahead, ahead))
        if stop_m is not None and times[i] < go_s:
            target = min(target, np.sqrt(2 * 0.7 * BRAKING_MPS2 * max(stop_m - s[i - 1] - 0.2, 0.0)))
        wanted = np.clip((target - v) / 0.25, -2.0 * BRAKING_MPS2, 1.8)
        acceleration += np.clip(wanted - acceleration, -6.0 * TIME_STEP_S, 4.0 * TIME_STEP_S)
        v = max(0.0, v + acceleration * TIME_STEP_S)
        s[i] = s[i - 1] + v * TIME_STEP_S
    return Motion(path, times, s)


def follow(leader: Motion, gap_m: float, path: Path | None = None, wobble_m: float = 0.0, phase: float = 0.0) -> Motion:
    """The motion `gap_m` ahead (or behind, negative), on the same path or a parallel one, drifting a little."""
    drift = wobble_m * np.sin(0.5 * leader.times_s + phase)
    s = np.maximum.accumulate(leader.s_m + gap_m + drift)
    return Motion(path or leader.path, leader.times_s, s)


def ride(rng: np.random.Generator, motion: Motion, terrain: Terrain, z: float = 0.0, sprung: bool = True) -> Trajectory:
    """Poses of a body that moves so: on the ground with all wheels, nodding, leaning and shaking if `sprung`."""
    times, s, path = motion.times_s, motion.s_m, motion.path
    heading = path.heading(s)
    half = _WHEELBASE_M / 2
    front, rear = (terrain.height(path.at(s + d)) for d in (half, -half))
    left, right = (terrain.height(path.at(s, d)) for d in (_TRACK_M / 2, -_TRACK_M / 2))
    pitch = -np.arctan((front - rear) / _WHEELBASE_M)  # positive lowers the nose
    roll = np.arctan((left - right) / _TRACK_M)
    height = (front + rear) / 2 + z
    if sprung:
        speed = motion.speed_mps
        forward = gaussian_filter1d(np.gradient(speed, times), 4, mode="nearest")
        sideways = gaussian_filter1d(speed * np.gradient(heading, times), 4, mode="nearest")
        shake = np.minimum(speed / 8.0, 1.5)
        pitch = pitch - _NOD_RAD_PER_MPS2 * forward + shake * _noise(rng, times, 0.0025)
        roll = roll + _NOD_RAD_PER_MPS2 * sideways + shake * _noise(rng, times, 0.002)
        height = height + shake * _noise(rng, times, 0.006)
    xyz = np.column_stack([path.at(s), height])
    return Trajectory(times, xyz, Rotation.from_euler("ZYX", np.column_stack([heading, pitch, roll])))


class Traffic:
    """Moving bodies that keep clear of each other and of the vehicle that records."""

    def __init__(self, rng: np.random.Generator, terrain: Terrain, ego: Trajectory) -> None:
        self._rng, self._terrain = rng, terrain
        self.actors: list[Actor] = []
        self._times = np.arange(ego.times_s[0], ego.times_s[-1], 0.25)
        self._discs = [_disc_centres(ego, self._times, -2.6, 3.2)]
        self._radii = [1.3]

    def add(self, mesh: Mesh, motion: Motion, z: float = 0.0, sprung: bool = True, clear_m: float = 0.3) -> bool:
        """Put the body in motion, unless it would touch another one."""
        low, high = mesh.bounds
        radius = float(high[1] - low[1]) / 2 + clear_m
        trajectory = ride(self._rng, motion, self._terrain, z, sprung)
        discs = _disc_centres(trajectory, self._times, float(low[0]), float(high[0]))
        for other, other_radius in zip(self._discs, self._radii):
            apart = np.linalg.norm(discs[:, :, None] - other[:, None], axis=-1)
            if apart.min() < radius + other_radius:
                return False
        self._discs.append(discs)
        self._radii.append(radius)
        self.actors.append(Actor(mesh, trajectory))
        return True


def walk(path: Path, start_m: float, speed_mps: float, duration_s: float) -> Motion:
    """Steady walking along a path."""
    times = clock(duration_s)
    return Motion(path, times, start_m + speed_mps * times)


def _bend_speed(path: Path, curvature: FloatArray, s_m: FloatArray, ahead_m: FloatArray) -> float:
    bend = np.interp(s_m, path.s_m, curvature)
    in_bend = np.sqrt(CORNERING_MPS2 / np.maximum(bend, 1e-4))
    return float(np.sqrt(in_bend**2 + 2 * 0.7 * BRAKING_MPS2 * ahead_m).min())


def _noise(rng: np.random.Generator, times: FloatArray, deviation: float) -> FloatArray:
    """A sum of oscillations of a sprung body, 0.7 to 4 Hz."""
    frequency = rng.uniform(0.7, 4.0, 6)
    phase = rng.uniform(0, 2 * np.pi, 6)
    waves = np.sin(2 * np.pi * np.outer(times, frequency) + phase) / np.sqrt(frequency)
    values: FloatArray = waves.sum(axis=1) * deviation / 2
    return values


def _disc_centres(trajectory: Trajectory, times: ArrayLike, rear_m: float, front_m: float) -> FloatArray:
    """Centres (times, discs, 2) of discs along the body's length."""
    count = max(1, round((front_m - rear_m) / 1.6))
    along = rear_m + (np.arange(count) + 0.5) * (front_m - rear_m) / count
    T = trajectory.pose(times)
    centres: FloatArray = T[:, None, :2, 3] + along[None, :, None] * T[:, None, :2, 0]
    return centres
