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
        return Footprints(self.longer_m[rows], self.shorter_m[rows])


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
        radius = np.sqrt((cell // 4 + self.rng.random(n, dtype=np.float32)) / 4)
        angle = (2 * np.pi / 4) * (cell % 4 + self.rng.random(n, dtype=np.float32)).astype(np.float32)
        first, second = _tangents(hits.normal)
        directions = (radius * np.cos(angle))[:, None] * first + (radius * np.sin(angle))[:, None] * second
        directions += np.sqrt(np.maximum(1 - radius**2, 0))[:, None] * hits.normal
        # What comes from below is light that the ground throws back; it is estimated, not traced.
        directions[directions[:, 2] < 0] *= -1
        inward = np.einsum("ij,ij->i", directions, hits.normal) <= 0
        rows = np.flatnonzero(hits.hit & ~inward)
        free = np.where(inward, 0.5, 1.0).astype(np.float32)
        free[rows] = ~self.tracer.occluded(
            _lifted(hits, rows), directions[rows], self.time_s, SKY_REACH_M[self.place.indoor]
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
        matt = self._matt(hits, directions, footprints, openness, sunlight)
        mirrored = np.zeros_like(matt)
        rows = np.flatnonzero(hits.hit)
        gloss, mirror_normal = self._gloss(hits, rows)
        cosine = np.clip(-np.einsum("ij,ij->i", mirror_normal, directions[rows]), 0.02, 1)
        share = np.where(gloss > 0, gloss + (1 - gloss) * (1 - cosine) ** 5 * ROUGH, 0)  # Schlick 1994
        shiny = np.flatnonzero((share > FAINTEST) | self._materials.transparent[hits.material[rows]])
        if shiny.size:
            rows, share = rows[shiny], share[shiny]
            outward = directions[rows] + 2 * cosine[shiny, None] * mirror_normal[shiny]
            outward /= np.linalg.norm(outward, axis=1, keepdims=True)
            mirrored[rows] = self._mirrored(hits, rows, outward, share, sunlight[rows])
            matt[rows] *= 1 - share[:, None]
            panes = np.flatnonzero(self._materials.transparent[hits.material[rows]])
            matt[rows[panes]] += PANE_TINT * (1 - share[panes, None]) * self._behind(hits, rows[panes], directions)
        clear = np.where(hits.hit, np.exp(-hits.distance_m / np.float32(self.light.haze_range_m)), 1)[:, None]
        return matt * clear + self.light.haze_rgb * (1 - clear), mirrored * clear

    def wet(self, hits: Hits) -> NDArray[np.bool_]:
        """Which hits (n,) are ground that the rain has wetted."""
        wettable = self._materials.wettable[hits.material] & (hits.normal[:, 2] > 0.9)
        return wettable & hits.hit & (self.light.wetness > 0)

    def _matt(
        self,
        hits: Hits,
        directions: FloatArray,
        footprints: Footprints,
        openness: FloatArray,
        sunlight: FloatArray,
    ) -> FloatArray:
        """Light scattered evenly and emitted; the sky where a ray met nothing."""
        result = np.zeros((len(directions), 3), dtype=np.float32)
        missed = np.flatnonzero(~hits.hit)
        result[missed] = self.light.sky_radiance(directions[missed])
        rows = np.flatnonzero(hits.hit)
        if rows.size == 0:
            return result
        normal, open_above = hits.normal[rows], openness[rows, None]
        incoming = self.light.ambient_radiance(normal) * open_above
        incoming += self.light.bounce_rgb * ((1 - open_above) * (0.2 + 0.8 * open_above))
        facing = np.maximum(normal @ self.light.sun_direction, 0) * sunlight[rows]
        incoming += facing[:, None] * self.light.sun_rgb
        if self.light.lamp_rgb.any() and len(self._lamps):
            self._add_lamps(incoming, hits, rows)
        emitted = self._materials.emission[hits.material[rows]]
        result[rows] = self._albedo(hits, rows, footprints) * incoming + emitted
        return result

    def _albedo(self, hits: Hits, rows: NDArray[np.int64], footprints: Footprints) -> FloatArray:
        table, atlas = self._materials, self._atlas
        material = hits.material[rows]
        tile = table.tile_m[material, None]
        texture, uv = table.texture[material], hits.uv[rows] / tile
        footprints = footprints[rows]
        factor = atlas.sample(texture, uv, footprints.longer_m / tile, footprints.shorter_m / tile[:, 0])
        weathered = np.flatnonzero(table.weathers[material])
        stains = atlas.sample_soft(
            atlas.names.index("soil"),
            hits.uv[rows[weathered]] / WEATHER_TILE_M,
            footprints.shorter_m[weathered] / WEATHER_TILE_M,
        )
        factor[weathered] *= 0.5 + 0.5 * stains
        albedo = table.albedo[material] * factor
        if self.light.wetness > 0:
            albedo *= 1 - 0.5 * self.light.wetness * self.wet(hits)[rows, None]
        return np.minimum(albedo, 0.95)

    def _gloss(self, hits: Hits, rows: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Mirrored share at normal incidence (n,) of hits `rows`, and the normals (n, 3) of the mirrors."""
        gloss, normal = self._materials.gloss[hits.material[rows]], hits.normal[rows]
        if self.light.wetness == 0:
            return gloss, normal
        wet = np.flatnonzero(self.wet(hits)[rows])
        # Water gathers in a slow pattern along the ground.
        pattern = self._atlas.sample_soft(
            self._atlas.names.index("concrete"), hits.xyz[rows[wet], :2] / PUDDLE_TILE_M, np.full(len(wet), 0.01)
        )[:, 0]
        puddle = np.clip(0.3 + 6 * (pattern - 1), 0, 1) * self.light.wetness
        gloss[wet] = 0.005 + 0.02 * puddle
        # Water lies level on the coarse grain below.
        normal[wet] = (0.0, 0.0, 1.0)
        return gloss, normal

    def _mirrored(
        self, hits: Hits, rows: NDArray[np.int64], outward: FloatArray, share: FloatArray, sunlight: FloatArray
    ) -> FloatArray:
        """What hits `rows` (m,) show of the place in directions `outward` (m, 3), and the glint of the sun (m, 3)."""
        image = self._second_sight(_lifted(hits, rows), outward)
        glint = np.maximum(outward @ self.light.sun_direction, 0) ** GLINT_EXPONENT * GLINT_STRENGTH * sunlight
        return share[:, None] * (image + glint[:, None] * self.light.sun_rgb)

    def _behind(self, hits: Hits, rows: NDArray[np.int64], directions: FloatArray) -> FloatArray:
        """What lies behind the panes that rays `rows` (m,) met (m, 3)."""
        return self._second_sight(hits.xyz[rows] + directions[rows] * PANE_THICKNESS_M, directions[rows])

    def _second_sight(self, origins: FloatArray, directions: FloatArray) -> FloatArray:
        """Radiance (n, 3) of what rays from surfaces meet, matt and without textures' detail."""
        hits = self.tracer.trace(origins, directions, self.time_s)
        blurred = Footprints.round(hits.distance_m, np.ones(len(directions)), np.full(len(directions), 0.01))
        openness = np.full(len(directions), SECOND_SIGHT, dtype=np.float32)
        return self._matt(hits, directions, blurred, openness, self.sunlight(hits))

    def _add_lamps(self, incoming: FloatArray, hits: Hits, rows: NDArray[np.int64]) -> None:
        """Add the light of the lamps, which shine downwards; only the brightest at each hit casts a shadow."""
        xyz, normal = hits.xyz[rows], hits.normal[rows]
        total = np.zeros(len(rows), dtype=np.float32)
        most, which = np.zeros(len(rows), dtype=np.float32), np.zeros(len(rows), dtype=np.int64)
        for index, lamp in enumerate(self._lamps):
            offset = lamp - xyz
            square = np.einsum("ij,ij->i", offset, offset)
            facing = np.einsum("ij,ij->i", offset, normal)
            near = np.flatnonzero((square < LAMP_REACH_M**2) & (facing > 0) & (offset[:, 2] > 0))
            square = np.maximum(square[near], 0.25)
            fade = (1 - square / LAMP_REACH_M**2) ** 2
            share = facing[near] * offset[near, 2] * fade / square**2
            total[near] += share
            brighter = share > most[near]
            most[near[brighter]], which[near[brighter]] = share[brighter], index
        shaded = np.flatnonzero(most > 0.02 * max(float(most.max()), 1e-9))
        offset = self._lamps[which[shaded]] - xyz[shaded]
        reach = np.linalg.norm(offset, axis=1)
        # A lamp hangs inside its housing: what is close to it does not count.
        start, towards = _lifted(hits, rows[shaded]), offset / reach[:, None]
        blocked = self.tracer.occluded(start, towards, self.time_s, np.maximum(reach - HOUSING_M, 0))
        total[shaded] -= np.where(blocked, most[shaded], 0)
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


def _lifted(hits: Hits, rows: NDArray[np.int64]) -> FloatArray:
    """Points just off the surfaces, from where rays do not meet the surface itself."""
    return hits.xyz[rows] + hits.normal[rows] * (0.003 + 1e-4 * hits.distance_m[rows, None])


def _tangents(normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors (n, 3) that make a frame with unit normals (n, 3), without branches (Duff et al. 2017)."""
    x, y, z = normal.T
    sign = np.where(z >= 0, 1.0, -1.0).astype(np.float32)
    a = -1.0 / (sign + z)
    b = x * y * a
    first = np.stack([1 + sign * x * x * a, sign * b, -sign * x], axis=1)
    return first, np.stack([b, sign + y * y * a, -y], axis=1)
