"""What surfaces send to a camera: texture, sun and its shadows, sky, lamps, mirrors, panes, wetness and haze."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.camera.light import Light
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.textures import TextureAtlas, texture_atlas
from i2p_calib_ros.frames.world.tracer import Hits, Tracer
from i2p_calib_ros.frames.world.vectors import dot, length, unit

FloatArray = NDArray[np.floating]

SUN_REACH_M = 200.0
SKY_REACH_M = {False: 30.0, True: 2.5}
"""How far (indoors or not) a surface must see to count as open to the light from all around."""

LAMPS = 7
"""The lamps nearest to the focus shine; the others are too far to matter."""
LAMP_REACH_M = 25.0
HOUSING_M = 0.6

SECOND_SIGHT = 0.55
"""Share of the sky that things in mirrors and behind panes are taken to see."""
PANE_TINT = 0.55
"""Share of light that passes a pane."""
PANE_THICKNESS_M = 0.01

ROUGH = 0.85
"""How much of the mirroring at a grazing angle real surfaces keep."""
FAINTEST = 0.02
"""Mirrored share below which nobody sees the mirror image."""

WETTABLE = ("asphalt", "concrete", "paving", "cobbles", "tiles")
WEATHERLESS = ("plain", "paint", "glass", "skin", "sign_stripes", "graffiti", "fabric", "carpet")
WEATHER_TILE_M = 19.0

PUDDLE_TILE_M = 14.0

GLINT_EXPONENT = 400.0
GLINT_STRENGTH = 40.0


@dataclass(frozen=True, eq=False)
class Footprints:
    """What pixels cover of the texture coordinates: the longer axis as a vector (n, 2) and the shorter (n,), metres."""

    longer_m: FloatArray
    shorter_m: FloatArray

    @classmethod
    def round(cls, distance_m: FloatArray, cosine: FloatArray, pixel_rad: FloatArray) -> Footprints:
        """Footprints of which only the area is known."""
        shorter = distance_m * pixel_rad / np.sqrt(np.maximum(cosine, 0.03))
        return cls(np.zeros((len(shorter), 2), dtype=np.float32), shorter)

    def __getitem__(self, rows: NDArray[np.int64]) -> Footprints:
        return Footprints(self.longer_m.take(rows, axis=0), self.shorter_m.take(rows))


@dataclass(frozen=True, eq=False)
class Shader:
    """Light that the surfaces of a place send at one time.

    focus (3,): the point around which lamps count, metres; `rng` dithers what is sampled rather than integrated.
    """

    tracer: Tracer
    place: Place
    light: Light
    time_s: float
    focus: NDArray[np.float64]
    rng: np.random.Generator

    def open_to_sky(self, hits: Hits, cell: NDArray[np.int64]) -> FloatArray:
        """For each hit 1 where one ray to the upper hemisphere is free, else 0 (n,).

        `cell` (n,) 0..15 picks one of 16 strata of cosine-weighted directions: the mean of 16 hits of one surface with
        different cells is the share of the light from above that reaches it.
        """
        n = len(cell)
        row, column = (part.astype(np.float32) for part in np.divmod(cell, 4))
        radius = np.sqrt((row + self.rng.random(n, dtype=np.float32)) / 4)
        angle = (column + self.rng.random(n, dtype=np.float32)) * np.float32(2 * np.pi / 4)
        first, second = _tangents(hits.normal)
        directions = (radius * np.cos(angle))[:, None] * first + (radius * np.sin(angle))[:, None] * second
        directions += np.sqrt(np.maximum(1 - radius**2, 0))[:, None] * hits.normal
        # What comes from below is light that the ground throws back; it is estimated, not traced.
        directions *= np.where(directions[:, 2] < 0, np.float32(-1), np.float32(1))[:, None]
        inward = dot(directions, hits.normal) <= 0
        rows = np.flatnonzero(hits.hit & ~inward)
        free = np.where(inward, np.float32(0.5), np.float32(1.0))
        free[rows] = ~self.tracer.occluded(
            _lifted(hits, rows), directions.take(rows, axis=0), self.time_s, SKY_REACH_M[self.place.indoor]
        )
        return free

    def sunlight(self, hits: Hits) -> FloatArray:
        """For each hit 1 where the sun reaches it, else 0 (n,); its own side turned away counts as shadow."""
        lit = np.zeros(len(hits.material), dtype=np.float32)
        if self.light.sun_rgb.any():
            towards = np.flatnonzero(hits.hit & (hits.normal @ self.light.sun_direction > 0))
            start = _lifted(hits, towards)
            sun = np.broadcast_to(self.light.sun_direction, start.shape)
            lit[towards] = ~self.tracer.occluded(start, sun, self.time_s, SUN_REACH_M)
        return lit

    def radiance(
        self,
        hits: Hits,
        directions: FloatArray,
        footprints: Footprints,
        openness: FloatArray,
        sunlight: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Linear RGB that arrives along rays with unit directions (n, 3): what is not mirrored and what is (n, 3).

        openness (n,) and sunlight (n,) 0..1: see `open_to_sky` and `sunlight`.
        """
        rows = np.flatnonzero(hits.hit)
        seen, towards, sunlight = hits[rows], directions.take(rows, axis=0), sunlight.take(rows)
        matt = self._scattered(seen, self._albedo(seen, footprints[rows]), openness.take(rows), sunlight)
        mirrored = np.zeros((len(directions), 3), dtype=np.float32)
        gloss, mirror_normal = self._gloss(seen)
        cosine = np.clip(-dot(mirror_normal, towards), 0.02, 1)
        share = np.where(gloss > 0, gloss + (1 - gloss) * (1 - cosine) ** 5 * ROUGH, 0)  # Schlick 1994
        transparent = self._materials.transparent.take(seen.material)
        clear = np.exp(-seen.distance_m / np.float32(self.light.haze_range_m))[:, None]
        shiny = np.flatnonzero((share > FAINTEST) | transparent)
        if shiny.size:
            share, normal = share.take(shiny), mirror_normal.take(shiny, axis=0)
            outward = unit(towards.take(shiny, axis=0) + 2 * cosine.take(shiny)[:, None] * normal)
            image = self._mirrored(seen[shiny], outward, share, sunlight.take(shiny))
            mirrored[rows.take(shiny)] = image * clear.take(shiny, axis=0)
            matt[shiny] *= 1 - share[:, None]
            panes = np.flatnonzero(transparent.take(shiny))
            behind = shiny.take(panes)
            light = self._behind(seen[behind], towards.take(behind, axis=0))
            matt[behind] += PANE_TINT * (1 - share.take(panes)[:, None]) * light
        return self._before_sky(hits, directions, rows, matt * clear + self.light.haze_rgb * (1 - clear)), mirrored

    def wet(self, hits: Hits) -> NDArray[np.bool_]:
        """Which hits (n,) are ground that the rain has wetted."""
        wettable = self._materials.wettable.take(hits.material) & (hits.normal[:, 2] > 0.9)
        return wettable & hits.hit & (self.light.wetness > 0)

    def _before_sky(
        self, hits: Hits, directions: FloatArray, rows: NDArray[np.int64], radiance: FloatArray
    ) -> FloatArray:
        """`radiance` (m, 3) of the rays `rows`, which met something, and that of the sky for the other rays (n, 3)."""
        if rows.size == len(directions):
            return radiance
        result = np.empty((len(directions), 3), dtype=np.float32)
        missed = np.flatnonzero(~hits.hit)
        result[missed] = self.light.sky_radiance(directions.take(missed, axis=0))
        result[rows] = radiance
        return result

    def _scattered(self, hits: Hits, albedo: FloatArray, openness: FloatArray, sunlight: FloatArray) -> FloatArray:
        """Light (n, 3) that rays find scattered evenly and emitted where each met something."""
        open_above = openness[:, None]
        incoming = self.light.ambient_radiance(hits.normal) * open_above
        incoming += self.light.bounce_rgb * ((1 - open_above) * (0.2 + 0.8 * open_above))
        facing = np.maximum(hits.normal @ self.light.sun_direction, 0) * sunlight
        incoming += facing[:, None] * self.light.sun_rgb
        if self.light.lamp_rgb.any() and len(self._lamps):
            self._add_lamps(incoming, hits)
        if self.light.wetness > 0:
            incoming *= 1 - np.float32(0.5 * self.light.wetness) * self.wet(hits)[:, None]
        return np.minimum(albedo, 0.95) * incoming + self._materials.emission.take(hits.material, axis=0)

    def _albedo(self, hits: Hits, footprints: Footprints) -> FloatArray:
        """Albedo (n, 3) of what rays met, textured."""
        table, atlas = self._materials, self._atlas
        tile = table.tile_m.take(hits.material)[:, None]
        factor = atlas.sample(
            table.texture.take(hits.material),
            hits.uv / tile,
            footprints.longer_m / tile,
            footprints.shorter_m / tile[:, 0],
        )
        weathered = np.flatnonzero(table.weathers.take(hits.material))
        stains = atlas.sample_soft(
            atlas.names.index("soil"),
            hits.uv.take(weathered, axis=0) / WEATHER_TILE_M,
            footprints.shorter_m.take(weathered) / WEATHER_TILE_M,
        )
        factor[weathered] *= 0.5 + 0.5 * stains
        return table.albedo.take(hits.material, axis=0) * factor

    def _gloss(self, hits: Hits) -> tuple[FloatArray, FloatArray]:
        """Mirrored share at normal incidence (n,) of hits, and the normals (n, 3) of the mirrors."""
        gloss, normal = self._materials.gloss.take(hits.material), hits.normal
        if self.light.wetness == 0:
            return gloss, normal
        wet = np.flatnonzero(self.wet(hits))
        # Water gathers in a slow pattern along the ground.
        pattern = self._atlas.sample_soft(
            self._atlas.names.index("concrete"), hits.xyz[wet, :2] / PUDDLE_TILE_M, np.full(len(wet), 0.01)
        )[:, 0]
        puddle = np.clip(0.3 + 6 * (pattern - 1), 0, 1) * self.light.wetness
        gloss[wet] = 0.005 + 0.02 * puddle
        # Water lies level on the coarse grain below.
        normal = normal.copy()
        normal[wet] = (0.0, 0.0, 1.0)
        return gloss, normal

    def _mirrored(self, hits: Hits, outward: FloatArray, share: FloatArray, sunlight: FloatArray) -> FloatArray:
        """What hits (m,) show of the place in directions `outward` (m, 3), and the glint of the sun (m, 3)."""
        image = self._second_sight(_lifted(hits), outward)
        glint = np.maximum(outward @ self.light.sun_direction, 0) ** GLINT_EXPONENT * GLINT_STRENGTH * sunlight
        return share[:, None] * (image + glint[:, None] * self.light.sun_rgb)

    def _behind(self, panes: Hits, directions: FloatArray) -> FloatArray:
        """What lies behind the panes that rays (m,) met (m, 3)."""
        return self._second_sight(panes.xyz + directions * PANE_THICKNESS_M, directions)

    def _second_sight(self, origins: FloatArray, directions: FloatArray) -> FloatArray:
        """Radiance (n, 3) of what rays from surfaces meet, matt and without textures."""
        hits = self.tracer.trace(origins, directions, self.time_s)
        rows = np.flatnonzero(hits.hit)
        seen = hits[rows]
        albedo = self._materials.albedo.take(seen.material, axis=0)
        openness = np.full(len(rows), SECOND_SIGHT, dtype=np.float32)
        return self._before_sky(
            hits, directions, rows, self._scattered(seen, albedo, openness, self.sunlight(seen))
        )

    def _add_lamps(self, incoming: FloatArray, hits: Hits) -> None:
        """Add the light of the lamps, which shine downwards; only the brightest at each hit casts a shadow."""
        total, most = (np.zeros(len(hits.material), dtype=np.float32) for _ in range(2))
        which = np.zeros(len(hits.material), dtype=np.int64)
        for index, lamp in enumerate(self._lamps):
            offset = lamp - hits.xyz
            square = dot(offset, offset)
            facing = dot(offset, hits.normal)
            near = np.flatnonzero((square < LAMP_REACH_M**2) & (facing > 0) & (offset[:, 2] > 0))
            square = np.maximum(square.take(near), 0.25)
            fade = (1 - square / LAMP_REACH_M**2) ** 2
            share = facing.take(near) * offset[:, 2].take(near) * fade / square**2
            total[near] += share
            brighter = np.flatnonzero(share > most.take(near))
            most[near.take(brighter)], which[near.take(brighter)] = share.take(brighter), index
        shaded = np.flatnonzero(most > 0.02 * max(float(most.max(initial=0.0)), 1e-9))
        offset = self._lamps.take(which.take(shaded), axis=0) - hits.xyz.take(shaded, axis=0)
        reach = length(offset)
        # A lamp hangs inside its housing: what is close to it does not count.
        start, towards = _lifted(hits, shaded), offset / reach[:, None]
        blocked = self.tracer.occluded(start, towards, self.time_s, np.maximum(reach - HOUSING_M, 0))
        total[shaded] -= np.where(blocked, most.take(shaded), 0)
        incoming += total[:, None] * self.light.lamp_rgb

    @cached_property
    def _lamps(self) -> FloatArray:
        nearest = np.argsort(np.linalg.norm(self.place.lamps - self.focus, axis=1))[:LAMPS]
        return self.place.lamps[nearest].astype(np.float32)

    @cached_property
    def _atlas(self) -> TextureAtlas:
        return texture_atlas(self.place.texture_seed)

    @cached_property
    def _materials(self) -> _MaterialTable:
        return _MaterialTable.of(self.place, self._atlas)


@dataclass(frozen=True, eq=False)
class _MaterialTable:
    """The materials of a place as arrays, one row a material."""

    albedo: FloatArray
    emission: FloatArray
    tile_m: FloatArray
    gloss: FloatArray
    texture: NDArray[np.int32]
    transparent: NDArray[np.bool_]
    wettable: NDArray[np.bool_]
    weathers: NDArray[np.bool_]

    @classmethod
    def of(cls, place: Place, atlas: TextureAtlas) -> _MaterialTable:
        materials = place.materials
        return cls(
            np.array([m.albedo for m in materials], dtype=np.float32),
            np.array([m.emission for m in materials], dtype=np.float32),
            np.array([m.tile_m for m in materials], dtype=np.float32),
            np.array([m.gloss for m in materials], dtype=np.float32),
            np.array([atlas.names.index(m.texture) for m in materials], dtype=np.int32),
            np.array([m.transparent for m in materials]),
            np.array([m.texture in WETTABLE for m in materials]),
            np.array([m.texture not in WEATHERLESS for m in materials]),
        )


def _lifted(hits: Hits, rows: NDArray[np.int64] | None = None) -> FloatArray:
    """Points just off the surfaces, of some or all hits, from where rays do not meet the surface itself."""
    points = hits.xyz + hits.normal * (0.003 + 1e-4 * hits.distance_m)[:, None]
    return points if rows is None else points.take(rows, axis=0)


def _tangents(normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors (n, 3) that make a frame with unit normals (n, 3), without branches (Duff et al. 2017)."""
    x, y, z = normal.T
    sign = np.where(z >= 0, 1.0, -1.0).astype(np.float32)
    a = -1.0 / (sign + z)
    b = x * y * a
    first = np.stack([1 + sign * x * x * a, sign * b, -sign * x], axis=1)
    return first, np.stack([b, sign + y * y * a, -y], axis=1)
