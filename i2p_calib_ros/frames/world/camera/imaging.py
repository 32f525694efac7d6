"""From light on the sensor to the picture that a driver publishes: lens, exposure, noise, tone curve, compression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

DAYLIGHT = 0.12
"""Middle radiance of a street by day, where a white wall in the sun has 1."""

BRIGHTEST = 4.0
"""Light, of white, that a pixel can hold; more would make halos of the blur alone."""

TONES = 2**15
"""Steps of the tone curve's table."""


@dataclass(frozen=True)
class Imaging:
    """exposure_stops: brighter (+) or darker than the automatic exposure; contrast: slope of the tone curve around
    the middle, 1 is that of sRGB; saturation: 1 leaves colours; white_balance: gains of red and blue; vignetting: share
    of light lost in the corners; glare: share of light that the lens scatters over the picture; blur_px: deviation of
    the lens's blur; sharpening: how much the camera overdoes edges, 0 not at all; noise: deviation of the noise of a
    white pixel, 1 is white; jpeg_quality 1..100, None is uncompressed; grey: one channel in all three.
    """

    exposure_stops: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    white_balance: tuple[float, float] = (1.0, 1.0)
    vignetting: float = 0.0
    glare: float = 0.0
    blur_px: float = 0.4
    sharpening: float = 0.0
    noise: float = 0.005
    jpeg_quality: int | None = None
    grey: bool = False


def random_imaging(rng: np.random.Generator) -> Imaging:
    """A camera: mostly good, sometimes badly exposed, soft, noisy or strongly compressed."""
    return Imaging(
        exposure_stops=float(np.clip(rng.normal(0.1, 0.45), -1.0, 1.1)),
        contrast=float(rng.uniform(0.9, 1.4)),
        saturation=float(rng.uniform(0.6, 1.3)),
        white_balance=(float(np.exp(rng.normal(0, 0.06))), float(np.exp(rng.normal(0, 0.06)))),
        vignetting=float(rng.uniform(0, 0.4)),
        glare=float(rng.uniform(0, 0.06)),
        blur_px=float(rng.uniform(0.4, 0.75) if rng.random() < 0.88 else rng.uniform(0.75, 1.4)),
        sharpening=float(rng.uniform(0, 0.9) if rng.random() < 0.6 else 0.0),
        noise=float(np.exp(rng.uniform(np.log(0.002), np.log(0.02)))),
        jpeg_quality=int(rng.integers(60, 98)) if rng.random() < 0.7 else None,
        grey=bool(rng.random() < 0.08),
    )


def develop(radiance: FloatArray, imaging: Imaging, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (h, w, 3) uint8 RGB of linear radiance (h, w, 3) at the pixels."""
    height, width = radiance.shape[:2]
    gain = _automatic_exposure(radiance) * 2.0**imaging.exposure_stops
    light = radiance * np.float32(gain)
    light = light * np.array([imaging.white_balance[0], 1.0, imaging.white_balance[1]], dtype=np.float32)
    if imaging.vignetting:
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        light *= (1 - imaging.vignetting * (x**2 + y**2) / 2)[..., None].astype(np.float32)
    light = np.minimum(light, BRIGHTEST)
    if imaging.glare:
        light += np.float32(imaging.glare) * (_scattered(light) - light)
    if imaging.blur_px > 0:
        light = cv2.GaussianBlur(light, (0, 0), imaging.blur_px)
    # Photons come at random, and the fewer there are the more they are amplified.
    noise = np.float32(imaging.noise * np.clip(gain, 1, 6) ** 0.5)
    light = light + rng.standard_normal(light.shape, dtype=np.float32) * noise * np.sqrt(light + 0.02)
    picture = _tone(light, imaging.contrast)
    if imaging.sharpening:
        picture += np.float32(imaging.sharpening) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.0))
    luma = picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    saturation = 0.0 if imaging.grey else imaging.saturation
    picture = luma[..., None] + (picture - luma[..., None]) * np.float32(saturation)
    image = np.clip(np.round(picture * 255), 0, 255).astype(np.uint8)
    return image if imaging.jpeg_quality is None else _compress(image, imaging.jpeg_quality)


def _scattered(light: FloatArray) -> FloatArray:
    """The picture spread over a tenth of its width, as dust and reflections in the lens spread it."""
    height, width = light.shape[:2]
    small = cv2.resize(light, (max(width // 16, 2), max(height // 16, 2)), interpolation=cv2.INTER_AREA)
    spread = cv2.resize(cv2.GaussianBlur(small, (0, 0), max(width / 160, 1.0)), (width, height))
    return np.asarray(spread, dtype=np.float32)


def _automatic_exposure(radiance: FloatArray) -> float:
    """Factor that brings the light of the lower two thirds to a fifth of white, at dusk a little less."""
    luma = radiance[len(radiance) // 3 :: 4, ::4].mean(axis=2)
    luma = luma[luma > 0]
    if luma.size == 0:
        return 1.0
    middle = float(np.exp(np.log(np.maximum(luma, 1e-4)).mean()))
    return 0.18 / (middle**0.85 * DAYLIGHT**0.15)


def _tone(light: FloatArray, contrast: float) -> FloatArray:
    """Encoded values 0..1: the curve of sRGB with a soft shoulder, steeper or flatter around the middle."""
    index = np.clip(light * ((TONES - 1) / BRIGHTEST) + 0.5, 0, TONES - 1).astype(np.int32)
    return _tone_curve(contrast).take(index)


@lru_cache(maxsize=4)
def _tone_curve(contrast: float) -> FloatArray:
    level = np.linspace(0, BRIGHTEST, TONES)
    shoulder = np.where(level > 0.7, 0.7 + 0.3 * (1 - np.exp(-(level - 0.7) / 0.3)), level)
    encoded = np.where(shoulder < 0.0031308, 12.92 * shoulder, 1.055 * shoulder ** (1 / 2.4) - 0.055)
    return np.asarray(encoded + (contrast - 1) * (encoded - 0.46) * 4 * encoded * (1 - encoded), dtype=np.float32)


def _compress(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1].copy()
