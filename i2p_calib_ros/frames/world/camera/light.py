"""Daylight, dusk and lamps: what shines on a place, and the sky that shines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.textures import look_up

FloatArray = NDArray[np.floating]

SKY_SHAPE = (384, 1536)
"""Rows (straight up to straight down) and columns (round the horizon) of the picture of the sky."""


@dataclass(frozen=True, eq=False)
class Light:
    """Linear RGB light; 1 is the radiance of a white wall that faces a clear noon sun.

    sun_direction (3,) unit, towards the sun; sun_rgb (3,): radiance that it gives a white wall facing it, zero where
    there is none; sky (rows, columns, 3): radiance by direction, see `sky_radiance`; ambient (9, 3): radiance that sky
    and ground give a white wall, spherical harmonics of its normal; bounce_rgb (3,): radiance that what
    stands around gives a white wall which sees no sky; lamp_rgb (3,): radiance that one lamp gives a white
    wall one metre away; haze_rgb (3,) and haze_range_m: colour of the air and distance at which 63 % is lost in it;
    wetness 0..1 of the ground.
    """

    sun_direction: FloatArray
    sun_rgb: FloatArray
    sky: FloatArray
    ambient: FloatArray
    bounce_rgb: FloatArray
    lamp_rgb: FloatArray
    haze_rgb: FloatArray
    haze_range_m: float
    wetness: float

    def sky_radiance(self, directions: FloatArray) -> FloatArray:
        """Radiance (n, 3) that arrives against unit directions (n, 3)."""
        rows, columns = self.sky.shape[:2]
        azimuth = np.arctan2(directions[:, 1], directions[:, 0])
        polar = np.arccos(np.clip(directions[:, 2], -1, 1))
        x = (azimuth / (2 * np.pi) + 0.5) * (columns - 1)
        return look_up(self.sky, x.astype(np.float32), (polar / np.pi * (rows - 1)).astype(np.float32))

    def ambient_radiance(self, normals: FloatArray) -> FloatArray:
        """Radiance (n, 3) of a white wall with normals (n, 3) under sky and ground, without the sun and lamps."""
        return np.maximum(_harmonics(normals) @ self.ambient, 0.0)


def random_light(rng: np.random.Generator, indoor: bool = False) -> Light:
    """A light drawn from: clear, broken clouds, overcast, low sun, dusk with lamps; indoors: lamps alone."""
    if indoor:
        return _indoor_light(rng)
    mood = rng.choice(["clear", "clouds", "overcast", "low sun", "dusk"], p=[0.26, 0.26, 0.22, 0.16, 0.10])
    elevation_deg = {"low sun": rng.uniform(4, 16), "dusk": rng.uniform(-5, 1)}.get(str(mood), rng.uniform(16, 68))
    cover = {"clear": rng.uniform(0, 0.15), "overcast": 1.0}.get(str(mood), rng.uniform(0.2, 0.7))
    return _outdoor_light(rng, np.radians(elevation_deg), cover)


def _outdoor_light(rng: np.random.Generator, elevation_rad: float, cover: float) -> Light:
    azimuth = rng.uniform(-np.pi, np.pi)
    flat = np.cos(elevation_rad)
    sun_direction = np.array(
        [flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation_rad)], dtype=np.float32
    )
    # Light that is left after the air on its way: blue is lost first.
    air_mass = 1 / (max(np.sin(elevation_rad), 0.0) + 0.03)
    transmitted = np.exp(-np.array([0.06, 0.11, 0.21]) * (air_mass - 1)).astype(np.float32)
    day = float(np.clip((np.degrees(elevation_rad) + 6) / 14, 0.02, 1.0)) ** 1.5
    overcast = cover >= 1.0
    above = float(np.clip(np.degrees(elevation_rad) / 2, 0, 1))
    sun_rgb = transmitted * (0.0 if overcast else above) * rng.uniform(0.85, 1.0)

    directions = _sky_directions()
    up = np.maximum(directions[..., 2], 0.0)
    towards_sun = directions @ sun_direction
    zenith = np.array([0.08, 0.15, 0.34], dtype=np.float32) * rng.uniform(0.8, 1.2)
    horizon = np.array([0.40, 0.47, 0.57], dtype=np.float32) * transmitted**0.3 * rng.uniform(0.8, 1.2)
    blend = ((1 - up) ** rng.uniform(3, 6))[..., None]
    sky = (zenith * (1 - blend) + horizon * blend) * day
    glow = np.exp((towards_sun - 1) * 12)[..., None] * 0.35 + np.exp((towards_sun - 1) * 120)[..., None] * 1.2
    clouds, thickness = _clouds(rng, directions, cover)
    cloud_rgb = (0.55 * day + 0.5 * sun_rgb) * (1.15 - 0.7 * thickness[..., None])
    if overcast:
        grey = np.array([0.50, 0.53, 0.57], dtype=np.float32) * day * rng.uniform(0.5, 1.0)
        sky = np.broadcast_to(grey * (0.65 + 0.5 * up[..., None]), directions.shape)
        cloud_rgb = grey * (1.1 - 0.5 * thickness[..., None])
    else:
        sky = sky + glow * np.maximum(sun_rgb, 0.1 * transmitted * day)
        cloud_rgb = cloud_rgb * (1 + 2.0 * np.exp((towards_sun - 1) * 20))[..., None]
    sky = sky * (1 - clouds[..., None]) + cloud_rgb * clouds[..., None]
    haze_rgb = sky[_rows_near(2.0)].mean(axis=(0, 1))
    ground = 0.16 * (sun_rgb * max(sun_direction[2], 0.0) + 0.5 * sky[: SKY_SHAPE[0] // 2].mean(axis=(0, 1)))
    below = np.clip(-directions[..., 2] / 0.02, 0, 1)[..., None]
    sky = sky * (1 - below) + (0.5 * ground + 0.5 * haze_rgb) * below
    picture = sky.astype(np.float32)
    return Light(
        sun_direction=sun_direction,
        sun_rgb=sun_rgb.astype(np.float32),
        sky=picture,
        ambient=_project_harmonics(np.where(below > 0.5, ground, picture), directions),
        bounce_rgb=ground.astype(np.float32),
        lamp_rgb=_lamp_colour(rng) * (2.0 if day < 0.35 else 0.0),
        haze_rgb=haze_rgb.astype(np.float32),
        haze_range_m=float(np.exp(rng.uniform(*np.log((200, 1200) if rng.random() < 0.15 else (1200, 15000))))),
        wetness=float(rng.uniform(0.3, 1.0)) if cover > 0.5 and rng.random() < 0.3 else 0.0,
    )


def _indoor_light(rng: np.random.Generator) -> Light:
    colour = _lamp_colour(rng)
    directions = _sky_directions()
    level = 0.05 * rng.uniform(0.5, 2.0)
    sky = (level * colour * (0.7 + 0.3 * directions[..., 2:])).astype(np.float32)
    return Light(
        sun_direction=np.array([0, 0, 1], dtype=np.float32),
        sun_rgb=np.zeros(3, dtype=np.float32),
        sky=sky,
        ambient=_project_harmonics(sky, directions),
        bounce_rgb=(0.5 * level * colour).astype(np.float32),
        lamp_rgb=colour * np.float32(rng.uniform(0.5, 2.0)),
        haze_rgb=(level * colour).astype(np.float32),
        haze_range_m=2000.0,
        wetness=0.0,
    )


def _lamp_colour(rng: np.random.Generator) -> FloatArray:
    """From sodium orange to cold white."""
    warm = rng.uniform(0, 1) ** 1.5
    return np.array([1.0, 0.95 - 0.3 * warm, 0.95 - 0.7 * warm], dtype=np.float32)


@cache
def _sky_directions() -> NDArray[np.float32]:
    polar = np.linspace(0, np.pi, SKY_SHAPE[0])[:, None]
    azimuth = np.linspace(-np.pi, np.pi, SKY_SHAPE[1])[None]
    towards = [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar) + 0 * azimuth]
    return np.stack(towards, axis=-1).astype(np.float32)


def _rows_near(elevation_deg: float) -> slice:
    """Rows of the sky from the horizon up to an elevation."""
    horizon = SKY_SHAPE[0] // 2
    return slice(horizon - max(int(elevation_deg / 180 * SKY_SHAPE[0]), 1), horizon)


def _clouds(
    rng: np.random.Generator, directions: NDArray[np.float32], cover: float
) -> tuple[FloatArray, FloatArray]:
    """Opacity 0..1 and thickness 0..1 of a layer of clouds, by direction."""
    side = 1024
    noise = np.zeros((side, side), dtype=np.float32)
    for octave in range(2, 9):
        cells = 2**octave
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        noise += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) * 0.55 ** (octave - 2)
    noise = (noise - noise.mean()) / noise.std()
    # The layer is a plane overhead that bends down a little at the horizon.
    scale = side / 9 / (np.maximum(directions[..., 2], 0.0) + 0.12)
    x, y = (directions[..., axis] * scale + side / 2 for axis in (0, 1))
    layer: FloatArray = np.asarray(
        cv2.remap(noise, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT),
        dtype=np.float32,
    )
    threshold = float(np.quantile(noise[::4, ::4], 1 - cover))
    opacity = np.clip((layer - threshold) / rng.uniform(0.7, 2.0), 0, 1) if cover > 0 else np.zeros_like(layer)
    return opacity, np.clip(0.4 + 0.3 * (layer - threshold if cover < 1 else layer), 0, 1)


def _harmonics(directions: NDArray[np.floating]) -> NDArray[np.floating]:
    """The nine real spherical harmonics up to degree 2 (n, 9)."""
    x, y, z = (directions[..., axis] for axis in range(3))
    return np.stack(
        [
            np.full_like(x, 0.282095), 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z,
            0.315392 * (3 * z**2 - 1), 1.092548 * x * z, 0.546274 * (x**2 - y**2),
        ],
        axis=-1,
    )  # fmt: skip


def _project_harmonics(radiance: NDArray[np.floating], directions: NDArray[np.float32]) -> FloatArray:
    """Coefficients (9, 3) of the radiance of a white wall by its normal (Ramamoorthi and Hanrahan 2001)."""
    radiance, directions = radiance[::4, ::4], directions[::4, ::4]
    solid_angle = np.sqrt(np.maximum(1 - directions[..., 2] ** 2, 0))
    solid_angle = solid_angle / solid_angle.sum() * 4 * np.pi
    basis = _harmonics(directions)
    coefficients = np.einsum("ij,ijk,ijc->kc", solid_angle, basis, radiance)
    cosine_lobe = np.array([1.0] + [2 / 3] * 3 + [1 / 4] * 5)
    return (coefficients * cosine_lobe[:, None]).astype(np.float32)
