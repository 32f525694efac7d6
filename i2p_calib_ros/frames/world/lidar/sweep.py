"""A LiDAR in the world: what comes back of each pulse, and what the sensor makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.camera.shading import WETTABLE
from i2p_calib_ros.frames.world.lidar.patterns import Beams, ScanPattern, SpinningPattern
from i2p_calib_ros.frames.world.materials import Material
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.textures import TEXTURES, texture_atlas
from i2p_calib_ros.frames.world.tracer import NOTHING_M, Hits, Tracer
from i2p_calib_ros.frames.world.vectors import dot, unit
from i2p_calib_ros.geometry import se3

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

_PANES = 3
"""How many panes a pulse may pass: into a car and out of it again, and one more."""

_ROUGH_INCIDENCE, _GLOSSY_INCIDENCE = 0.3, 1.5
"""Power returned as cos(incidence)^this. Most surfaces are rough: asphalt is seen at 85 deg from its normal, which it
would not be by Lambert's law. Clear coats and glazes mirror the light away."""

_GLOSSY = 0.04
"""Gloss of a clear coat."""

_REACH_SCATTER = 0.15
"""Relative standard deviation of the range up to which a pulse is seen: speckle and noise of the receiver."""

_FOOTPRINT_RAD = 0.003
"""Angle over which the texture of a surface is averaged in an echo."""

_GREY = np.full(3, 1 / 3, dtype=np.float32)

_PULSE_M = 1.2
"""Two echoes nearer to each other than this melt into one: about 8 ns of light."""

_MIXED_CHANCE = 0.35
"""Share of the pulses beside a step in depth that catch both sides of it."""

_STRONG_RETRO = 8.0
_BLOOM_REACH_M = 45.0
_POSE_KNOTS = 9


@dataclass(frozen=True, eq=False)
class Lidar:
    """One device of a model: `pattern` is what its driver believes, `fired` where its beams really look.

    range_error_m (rings,): offset of each beam; gain (rings,): relative brightness of each beam; noise_m: standard
    deviation of a range; divergence_rad: full angle of a beam; dark_range_m: range up to which 10 % reflectivity is
    seen head-on; miss_chance: share of pulses lost for no reason; bloom: chance that a pulse beside a retro-reflector
    is answered by it. Intensity of a diffuse surface: full_scale * reflectivity^contrast * cos(incidence)^incidence *
    (10 m / range)^falloff, sensors that report calibrated reflectivity having a falloff of 0.
    """

    pattern: ScanPattern
    fired: ScanPattern
    range_error_m: Float32Array
    gain: Float32Array
    noise_m: float
    divergence_rad: float
    dark_range_m: float
    miss_chance: float
    bloom: float
    full_scale: float
    contrast: float
    incidence: float
    falloff: float

    @classmethod
    def exact(cls, pattern: ScanPattern) -> Lidar:
        """A device without any error that sees everything up to its longest range; intensity is reflectivity."""
        return cls(
            pattern,
            pattern,
            np.zeros(pattern.rings, dtype=np.float32),
            np.ones(pattern.rings, dtype=np.float32),
            noise_m=0.0,
            divergence_rad=0.0,
            dark_range_m=1e6,
            miss_chance=0.0,
            bloom=0.0,
            full_scale=1.0,
            contrast=1.0,
            incidence=0.0,
            falloff=0.0,
        )


def random_lidar(rng: np.random.Generator, pattern: ScanPattern) -> Lidar:
    """A device as it may leave the factory, with an intensity scale as makers choose it, calibrated or raw."""
    fired = pattern
    if isinstance(pattern, SpinningPattern):
        fired = replace(
            pattern,
            elevation_deg=pattern.elevation_deg + rng.normal(0, 0.02, pattern.rings),
            azimuth_offset_deg=pattern.azimuth_offset_deg + rng.normal(0, 0.02, pattern.rings),
        )
    return Lidar(
        pattern,
        fired,
        rng.normal(0, 0.008, pattern.rings).astype(np.float32),
        np.exp(rng.normal(0, rng.uniform(0.02, 0.2), pattern.rings)).astype(np.float32),
        noise_m=pattern.sheet.noise_m * rng.uniform(0.6, 1.4),
        divergence_rad=pattern.sheet.divergence_rad,
        dark_range_m=pattern.sheet.dark_range_m * rng.uniform(0.8, 1.3),
        miss_chance=rng.uniform(0.0, 0.03),
        bloom=rng.uniform(0.0, 0.8),
        full_scale=float(np.exp(rng.uniform(np.log(0.12), np.log(1.0)))),
        contrast=rng.uniform(0.6, 1.2),
        incidence=rng.uniform(0.1, 1.0),
        falloff=float(rng.choice([0.0, 0.0, rng.uniform(0.0, 1.0)])),
    )


@dataclass(frozen=True, eq=False)
class Cloud:
    """xyz (n, 3) float32 metres in the LiDAR frame; intensity (n,) float32 0..1; ring (n,) uint16 from the lowest
    beam; time_offset_s (n,) float32 from the start of the sweep."""

    xyz: Float32Array
    intensity: Float32Array
    ring: NDArray[np.uint16]
    time_offset_s: Float32Array


@dataclass(frozen=True)
class Weather:
    """wetness 0..1 of the ground; haze_range_m: distance at which 63 % of the light is lost in the air."""

    wetness: float = 0.0
    haze_range_m: float = np.inf


def scan(
    tracer: Tracer,
    place: Place,
    lidar: Lidar,
    T_body_lidar: ArrayLike,
    start_s: float,
    rng: np.random.Generator,
    *,
    weather: Weather = Weather(),
    stamp_s: float | None = None,
    sees: Callable[[Float32Array], BoolArray] | None = None,
) -> Cloud:
    """One sweep that starts at `start_s` of a LiDAR mounted at T_body_lidar (4, 4) on the vehicle of the place.

    With `stamp_s` all points are brought to the LiDAR frame of that moment, as a driver does that knows how the
    vehicle moves; without, each is in the frame of its own moment. `sees` tells which directions (..., 3) in the
    LiDAR frame are not blocked by the vehicle itself.
    """
    nominal, fired = lidar.pattern.beams(start_s), lidar.fired.beams(start_s)
    shape = nominal.time_offset_s.shape
    wanted = np.ones(shape, dtype=bool) if sees is None else sees(nominal.directions)
    rows = np.flatnonzero(wanted)
    poses = _Poses(place.ego, np.asarray(T_body_lidar), start_s, float(nominal.time_offset_s.max()))

    times_s = nominal.time_offset_s.ravel().take(rows)
    directions = _within_beam(fired.directions.reshape(-1, 3).take(rows, axis=0), lidar.divergence_rad, rng)
    echo = _echoes(tracer, place, weather, *poses.rays(directions, times_s), start_s + times_s, rng)

    range_m = np.full(shape, NOTHING_M, dtype=np.float32)
    signal, retro = (np.zeros(shape, dtype=np.float32) for _ in range(2))
    range_m.ravel()[rows] = np.where(_seen(lidar, echo, weather, rng), echo.range_m, NOTHING_M)
    signal.ravel()[rows] = echo.reflectivity**lidar.contrast * echo.cosine**lidar.incidence
    retro.ravel()[rows] = echo.retro

    range_m = _mix_at_steps(range_m, lidar, rng)
    range_m, signal, retro = _bloom(range_m, signal, retro, wanted, lidar, rng)
    kept = np.flatnonzero(range_m < NOTHING_M)
    range_m, signal, retro = (field.ravel().take(kept) for field in (range_m, signal, retro))
    return _report(lidar, nominal, kept, range_m, signal, retro, poses, stamp_s, rng)


@dataclass(frozen=True, eq=False)
class _Echo:
    """First surface of n rays that answers: range_m (NOTHING_M: none), reflectivity, retro gain, cosine of the
    incidence, and the share of the power that comes back at this incidence (n,)."""

    range_m: Float32Array
    reflectivity: Float32Array
    retro: Float32Array
    cosine: Float32Array
    returned: Float32Array


def _echoes(
    tracer: Tracer,
    place: Place,
    weather: Weather,
    origins: Float32Array,
    directions: Float32Array,
    times_s: NDArray[np.float64],
    rng: np.random.Generator,
) -> _Echo:
    """Trace, and go on behind glass that is not met head-on."""
    table, atlas = _MaterialTable.of(place.materials), texture_atlas(place.texture_seed)
    n = len(directions)
    echo = _Echo(np.full(n, NOTHING_M, dtype=np.float32), *(np.zeros(n, dtype=np.float32) for _ in range(4)))
    rows, passed_m = np.arange(n), np.zeros(n, dtype=np.float32)
    for _ in range(_PANES):
        hits: Hits = tracer.trace(origins, directions, times_s)
        cosine = np.abs(dot(hits.normal, directions))
        looked_through = rng.random(len(rows), dtype=np.float32) > _mirrored_back(cosine)
        through = hits.hit & table.transparent.take(hits.material) & looked_through
        answered = np.flatnonzero(hits.hit & ~through)
        target, met, cosine = rows.take(answered), hits[answered], cosine.take(answered)
        wet = weather.wetness * (table.wettable.take(met.material) & (met.normal[:, 2] > 0.9))
        gloss = np.maximum(table.gloss.take(met.material), wet)
        range_m = passed_m.take(answered) + met.distance_m
        tile_m = table.tile_m.take(met.material)
        uv_tiles = met.uv / tile_m[:, None]
        pattern = atlas.sample_soft(table.texture.take(met.material), uv_tiles, range_m * _FOOTPRINT_RAD / tile_m)
        echo.range_m[target] = range_m
        echo.reflectivity[target] = table.reflectivity.take(met.material) * dot(pattern, _GREY) * (1 - 0.5 * wet)
        # Corner cubes and glass beads send light back up to some 50 deg off their normal.
        echo.retro[target] = table.retro.take(met.material) * (cosine > 0.6)
        echo.cosine[target] = cosine
        echo.returned[target] = cosine ** (_ROUGH_INCIDENCE + (_GLOSSY_INCIDENCE - _ROUGH_INCIDENCE) * gloss)
        onward = np.flatnonzero(through)
        if onward.size == 0:
            break
        step_m = hits.distance_m.take(onward) + np.float32(0.005)
        rows, times_s, directions = rows.take(onward), times_s.take(onward), directions.take(onward, axis=0)
        passed_m = passed_m.take(onward) + step_m
        origins = origins.take(onward, axis=0) + step_m[:, None] * directions
    return echo


@dataclass(frozen=True, eq=False)
class _MaterialTable:
    """The materials of a place as arrays, one row a material; gloss 0..1, where 1 is a clear coat or more."""

    reflectivity: Float32Array
    retro: Float32Array
    gloss: Float32Array
    texture: NDArray[np.int32]
    tile_m: Float32Array
    transparent: BoolArray
    wettable: BoolArray

    @classmethod
    def of(cls, materials: Sequence[Material]) -> _MaterialTable:
        names = list(TEXTURES)
        return cls(
            np.array([m.lidar_reflectivity for m in materials], dtype=np.float32),
            np.array([m.retro for m in materials], dtype=np.float32),
            np.array([min(m.gloss / _GLOSSY, 1.0) for m in materials], dtype=np.float32),
            np.array([names.index(m.texture) for m in materials], dtype=np.int32),
            np.array([m.tile_m for m in materials], dtype=np.float32),
            np.array([m.transparent for m in materials]),
            np.array([m.texture in WETTABLE for m in materials]),
        )


def _mirrored_back(cosine: Float32Array) -> Float32Array:
    """Chance that a pane answers: its mirror image of the beam meets the receiver only near the normal."""
    return np.clip((cosine - 0.95) / 0.04, 0.02, 0.9)


def _seen(lidar: Lidar, echo: _Echo, weather: Weather, rng: np.random.Generator) -> BoolArray:
    """Which echoes are strong enough, by the range equation: power falls with the square of the range."""
    sheet = lidar.pattern.sheet
    strength = (echo.reflectivity + echo.retro) * echo.returned * np.exp(-2 * echo.range_m / weather.haze_range_m)
    reach_m = lidar.dark_range_m * np.sqrt(strength / 0.1)
    reach_m *= np.exp(_REACH_SCATTER * rng.standard_normal(len(strength), dtype=np.float32))
    limits = (echo.range_m >= sheet.near_m) & (echo.range_m <= sheet.far_m)
    seen: BoolArray = limits & (echo.range_m < reach_m)
    return seen & (rng.random(len(strength), dtype=np.float32) >= lidar.miss_chance)


def _within_beam(directions: Float32Array, divergence_rad: float, rng: np.random.Generator) -> Float32Array:
    """Where in its beam each pulse finds its surface: at edges a beam answers from either side."""
    if divergence_rad == 0:
        return directions
    # Four standard deviations across the full angle.
    scattered = rng.standard_normal(directions.shape, dtype=np.float32)
    scattered *= np.float32(divergence_rad / 4)
    scattered += directions
    return unit(scattered)


def _mix_at_steps(range_m: Float32Array, lidar: Lidar, rng: np.random.Generator) -> Float32Array:
    """Beside a step in depth that is shorter than the pulse, both echoes melt into a range in between."""
    if lidar.divergence_rad == 0:
        return range_m
    step = np.zeros_like(range_m)
    step[:-1] = range_m[1:] - range_m[:-1]
    column, beam = np.nonzero((np.abs(step) > 0.1) & (np.abs(step) < _PULSE_M))
    chosen = rng.random(len(column)) < _MIXED_CHANCE
    column, beam = column[chosen], beam[chosen]
    mixed = range_m.copy()
    mixed[column, beam] += step[column, beam] * rng.random(len(column), dtype=np.float32)
    return mixed


def _bloom(
    range_m: Float32Array,
    signal: Float32Array,
    retro: Float32Array,
    wanted: BoolArray,
    lidar: Lidar,
    rng: np.random.Generator,
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """A near retro-reflector is so bright that the pulses beside it are answered by it too."""
    column, beam = np.nonzero((retro > _STRONG_RETRO) & (range_m < _BLOOM_REACH_M))
    if lidar.bloom == 0 or column.size == 0:
        return range_m, signal, retro
    range_m, signal, retro = range_m.copy(), signal.copy(), retro.copy()
    for shift, chance in ((-2, 0.4), (-1, 1.0), (1, 1.0), (2, 0.4)):
        beside = column + shift
        inside = (beside >= 0) & (beside < len(range_m))
        from_column, to_column, at = column[inside], beside[inside], beam[inside]
        source_m = range_m[from_column, at]
        taken = (rng.random(len(at)) < lidar.bloom * chance) & wanted[to_column, at]
        taken &= range_m[to_column, at] > source_m + 0.3
        to_column, at = to_column[taken], at[taken]
        range_m[to_column, at] = source_m[taken]
        signal[to_column, at] = 0.5
        retro[to_column, at] = retro[from_column[taken], at] * 0.05
    return range_m, signal, retro


def _report(
    lidar: Lidar,
    nominal: Beams,
    kept: NDArray[np.int64],
    range_m: Float32Array,
    signal: Float32Array,
    retro: Float32Array,
    poses: _Poses,
    stamp_s: float | None,
    rng: np.random.Generator,
) -> Cloud:
    """What the driver publishes of the pulses `kept`: measured ranges along the directions it believes in."""
    ring = nominal.ring.take(kept % len(nominal.ring))
    time_offset_s = nominal.time_offset_s.ravel().take(kept)
    n = len(range_m)
    measured = range_m + lidar.range_error_m[ring]
    if lidar.noise_m:
        measured += np.float32(lidar.noise_m) * rng.standard_normal(n, dtype=np.float32)
    xyz = measured[:, None] * nominal.directions.reshape(-1, 3).take(kept, axis=0)
    if stamp_s is not None:
        xyz = poses.at_stamp(xyz, time_offset_s, stamp_s)

    intensity = lidar.full_scale * signal * lidar.gain[ring] * (10.0 / np.maximum(range_m, 1.0)) ** lidar.falloff
    intensity = intensity + 0.1 * retro
    if lidar.noise_m:
        speckle, floor = rng.standard_normal((2, n), dtype=np.float32)
        intensity = intensity * np.exp(np.float32(0.08) * speckle) + np.float32(0.004) * np.abs(floor)
    digits = np.round(255 * np.clip(intensity, 0, 1)) / 255
    return Cloud(xyz.astype(np.float32), digits.astype(np.float32), ring, time_offset_s.astype(np.float32))


class _Poses:
    """Poses of the LiDAR during one sweep, linear between a few knots: a tenth of a second is nearly straight."""

    def __init__(self, ego: Trajectory, T_body_lidar: NDArray[np.float64], start_s: float, duration_s: float) -> None:
        self._ego, self._T_body_lidar = ego, T_body_lidar
        self._step_s = max(duration_s, 1e-6) / (_POSE_KNOTS - 1)
        knots_s = start_s + self._step_s * np.arange(_POSE_KNOTS)
        self._T_world_lidar = ego.pose(knots_s) @ T_body_lidar

    def rays(self, directions: Float32Array, time_offset_s: NDArray[np.float64]) -> tuple[Float32Array, Float32Array]:
        """Origins (n, 3) and unit directions (n, 3) in the world, of directions (n, 3) in the LiDAR frame."""
        turned, origins = self._turned(self._T_world_lidar, directions, time_offset_s)
        return origins, unit(turned)

    def at_stamp(
        self, xyz: Float32Array, time_offset_s: NDArray[np.float64], stamp_s: float
    ) -> Float32Array:
        """Points (n, 3) of their own moments, in the LiDAR frame at `stamp_s`."""
        T_lidar_world = se3.inverse(self._ego.pose(stamp_s) @ self._T_body_lidar)
        turned, shift = self._turned(T_lidar_world @ self._T_world_lidar, xyz, time_offset_s)
        return turned + shift

    def _turned(
        self, T_knots: NDArray[np.float64], vectors: Float32Array, time_offset_s: NDArray[np.float64]
    ) -> tuple[Float32Array, Float32Array]:
        """Vectors (n, 3) turned by the poses of their times, and the translations (n, 3) of these."""
        place = np.clip(time_offset_s / self._step_s, 0, _POSE_KNOTS - 1).astype(np.float32)
        before = np.minimum(place.astype(np.int8), _POSE_KNOTS - 2)
        share = (place - before)[:, None]
        starts, changes = T_knots.astype(np.float32), np.diff(T_knots, axis=0).astype(np.float32)
        rows = [np.flatnonzero(before == knot) for knot in range(_POSE_KNOTS - 1)]
        parts = []
        for some, start, change in zip(rows, starts, changes):
            of_knot = vectors.take(some, axis=0)
            parts.append(of_knot @ start[:3, :3].T + share.take(some, axis=0) * (of_knot @ change[:3, :3].T))
        back = np.empty(len(vectors), dtype=np.int64)
        back[np.concatenate(rows)] = np.arange(len(vectors))
        shift = starts[:, :3, 3].take(before, axis=0) + share * changes[:, :3, 3].take(before, axis=0)
        return np.concatenate(parts).take(back, axis=0), shift
