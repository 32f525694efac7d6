"""Tileable surface textures made of noise and patterns, and their mip-mapped look-up.

Every texture multiplies the albedo of its material: linear RGB with mean 1 over the tile in every channel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from i2p_calib_ros.frames.world.vectors import length

FloatArray = NDArray[np.floating]

TILE_PX = 512
"""Side of one tile at the finest level."""


def _noise(rng: np.random.Generator, slope: float, low: float = 1.0, high: float = TILE_PX / 2) -> FloatArray:
    """Periodic noise (TILE_PX, TILE_PX), mean 0, deviation 1: amplitude falls as frequency^-slope between `low`
    and `high` cycles a tile."""
    spectrum = fft.rfft2(rng.standard_normal((TILE_PX, TILE_PX), dtype=np.float32))
    frequency = _frequencies()
    inside = (frequency >= low) & (frequency <= high)
    field = fft.irfft2(spectrum * (inside * np.maximum(frequency, 1) ** np.float32(-slope)))
    return np.asarray(field / field.std())


@cache
def _frequencies() -> FloatArray:
    """Of the spectrum of a tile (TILE_PX, TILE_PX / 2 + 1), cycles a tile."""
    fy, fx = fft.fftfreq(TILE_PX, 1 / TILE_PX)[:, None], fft.rfftfreq(TILE_PX, 1 / TILE_PX)[None]
    return np.hypot(fx, fy).astype(np.float32)


def _grid() -> tuple[FloatArray, FloatArray]:
    """Coordinates x (right) and y (down) of the texels, 0..1."""
    axis = (np.arange(TILE_PX, dtype=np.float32) + 0.5) / TILE_PX
    return axis[None, :].repeat(TILE_PX, 0), axis[:, None].repeat(TILE_PX, 1)


def _cells(rows: int, columns: int, stagger: float = 0.0) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """A bond of rows x columns: index of the cell, and where in it a texel is along and across, 0..1."""
    x, y = _grid()
    row = np.minimum((y * rows).astype(np.int64), rows - 1)
    along = x * columns + stagger * (row % 2).astype(np.float32)
    column = np.floor(along).astype(np.int64) % columns
    return row * columns + column, along % 1.0, (y * rows) % 1.0


def _joint(along: FloatArray, across: FloatArray, width_along: float, width_across: float) -> FloatArray:
    """1 in the joints between cells, 0 in the cells; widths are shares of a cell."""
    a = np.minimum(along, 1 - along) / (width_along / 2)
    b = np.minimum(across, 1 - across) / (width_across / 2)
    return np.clip(2.0 - 1.5 * np.minimum(a, b), 0, 1)


def _grey(field: FloatArray) -> FloatArray:
    return np.asarray(cv2.merge([field] * 3), dtype=np.float32)


def _mix(a: FloatArray, b: FloatArray | tuple[float, float, float], share: FloatArray) -> FloatArray:
    weight = share[..., None]
    return a * (1 - weight) + np.asarray(b, dtype=np.float32) * weight


def _plain(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.012 * _noise(rng, 1.2))


def _asphalt(rng: np.random.Generator) -> FloatArray:
    grain = 1 + 0.13 * _noise(rng, 0.2, low=60) + 0.06 * _noise(rng, 1.3) + 0.05 * _noise(rng, 2.0, high=8)
    chips = _noise(rng, 0.0, low=110, high=230) > 2.3
    return _grey(np.where(chips, grain + 0.6, grain))


def _concrete(rng: np.random.Generator) -> FloatArray:
    stains = _noise(rng, 1.8)
    return _grey(1 + 0.07 * stains + 0.03 * _noise(rng, 0.3, low=40)) * (1 + 0.02 * stains[..., None] * (1, 0, -1))


def _bond(
    rng: np.random.Generator,
    rows: int,
    columns: int,
    stagger: float,
    joints: tuple[float, float],
    joint_rgb: tuple[float, float, float],
    spread: float,
    tint: float,
) -> FloatArray:
    cell, along, across = _cells(rows, columns, stagger)
    count = rows * columns
    level = 1 + spread * rng.standard_normal((count, 1)) + tint * rng.standard_normal((count, 3))
    face = level.astype(np.float32)[cell] * (1 + 0.05 * _noise(rng, 0.8, low=8))[..., None]
    return _mix(face, joint_rgb, _joint(along, across, *joints))


def _paving(rng: np.random.Generator) -> FloatArray:
    return _bond(rng, 4, 4, 0.5, (0.05, 0.05), (0.45, 0.45, 0.42), 0.07, 0.015)


def _brick(rng: np.random.Generator) -> FloatArray:
    return _bond(rng, 16, 4, 0.5, (0.05, 0.16), (1.35, 1.5, 1.6), 0.14, 0.05)


def _plaster(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.035 * _noise(rng, 1.6) + 0.035 * _noise(rng, 0.2, low=60))


def _stone(rng: np.random.Generator) -> FloatArray:
    return _bond(rng, 6, 3, 0.5, (0.04, 0.07), (0.6, 0.58, 0.55), 0.16, 0.03) * _grey(1 + 0.1 * _noise(rng, 1.0, 6))


def _roof_tiles(rng: np.random.Generator) -> FloatArray:
    cell, along, across = _cells(8, 10, 0.5)
    level = 1 + 0.12 * rng.standard_normal((80, 1)) + 0.04 * rng.standard_normal((80, 3))
    shade = (0.75 + 0.4 * np.sin(np.pi * along)) * np.where(across > 0.85, 0.45, 1.0)
    return level.astype(np.float32)[cell] * _grey(shade.astype(np.float32))


def _wood(rng: np.random.Generator) -> FloatArray:
    _, y = _grid()
    warp = _noise(rng, 2.2, high=12)
    fibre = np.sin(2 * np.pi * (12 * y + 0.35 * warp)) * 0.08 + 0.06 * _noise(rng, 0.4, low=30)
    board, _, across = _cells(8, 1)
    level = (1 + 0.1 * rng.standard_normal(8)).astype(np.float32)[board]
    return _grey((1 + fibre) * level * np.where(np.minimum(across, 1 - across) < 0.03, 0.35, 1.0))


def _metal(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.05 * _noise(rng, 1.5) + 0.03 * _noise(rng, 0.3, low=30))


def _corrugated(rng: np.random.Generator) -> FloatArray:
    x, _ = _grid()
    return _grey((1 + 0.3 * np.sin(2 * np.pi * 16 * x)) * (1 + 0.05 * _noise(rng, 1.8)))


def _paint(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.008 * _noise(rng, 1.5))


def _glass(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.02 * _noise(rng, 2.0))


def _bark(rng: np.random.Generator) -> FloatArray:
    x, _ = _grid()
    ridges = np.sin(2 * np.pi * (14 * x + 0.5 * _noise(rng, 1.6, high=20)))
    return _grey(1 + 0.3 * ridges + 0.15 * _noise(rng, 0.8, low=8))


def _foliage(rng: np.random.Generator) -> FloatArray:
    leaves = _noise(rng, 0.5, low=12, high=120)
    colour = _noise(rng, 1.0, low=4)[..., None] * np.array([0.10, 0.03, 0.06])
    return np.clip(_grey(1 + 0.42 * leaves), 0.1, None) + colour.astype(np.float32)


def _grass(rng: np.random.Generator) -> FloatArray:
    blades = 0.25 * _noise(rng, 0.3, low=40) + 0.15 * _noise(rng, 1.5)
    dry = np.clip(_noise(rng, 1.8), 0, 2)[..., None] * np.array([0.12, 0.03, 0.02])
    return np.clip(_grey(1 + blades), 0.2, None) + dry.astype(np.float32)


def _soil(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.14 * _noise(rng, 1.2) + 0.12 * _noise(rng, 0.3, low=40))


def _gravel(rng: np.random.Generator) -> FloatArray:
    stones = _noise(rng, 0.0, low=30, high=90)
    return _grey(np.clip(1 + 0.28 * stones, 0.35, None)) * (1 + 0.04 * _noise(rng, 0.5, 20)[..., None] * (1, 0.6, 0))


def _fabric(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.12 * _noise(rng, 2.0, low=2) + 0.03 * _noise(rng, 0.0, low=100))


def _skin(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.04 * _noise(rng, 1.5))


def _sign_stripes(rng: np.random.Generator) -> FloatArray:
    x, y = _grid()
    return _grey(np.where(((x + y) * 4) % 1.0 < 0.5, 1.9, 0.1).astype(np.float32))


def _graffiti(rng: np.random.Generator) -> FloatArray:
    image = _plaster(rng)
    for _ in range(7):
        stroke = np.abs(_noise(rng, 2.2, high=14)) < 0.1
        area = _noise(rng, 2.4, high=5) > 0.9
        colour = rng.uniform(0.1, 2.2, 3)
        image = _mix(image, tuple(colour), (stroke & area).astype(np.float32))
    return image


def _tiles(rng: np.random.Generator) -> FloatArray:
    return _bond(rng, 8, 8, 0.0, (0.04, 0.04), (0.5, 0.5, 0.5), 0.03, 0.006)


def _planks(rng: np.random.Generator) -> FloatArray:
    return _wood(rng).transpose(1, 0, 2)


def _panels(rng: np.random.Generator) -> FloatArray:
    return _bond(rng, 2, 2, 0.0, (0.012, 0.012), (0.35, 0.35, 0.35), 0.02, 0.005)


def _cobbles(rng: np.random.Generator) -> FloatArray:
    return _bond(rng, 16, 12, 0.5, (0.22, 0.2), (0.4, 0.38, 0.34), 0.15, 0.02)


def _hedge(rng: np.random.Generator) -> FloatArray:
    return _foliage(rng) * _grey(np.clip(1 + 0.3 * _noise(rng, 1.4, high=30), 0.2, None))


def _carpet(rng: np.random.Generator) -> FloatArray:
    return _grey(1 + 0.12 * _noise(rng, 0.1, low=60) + 0.04 * _noise(rng, 1.5))


TEXTURES: dict[str, Callable[[np.random.Generator], FloatArray]] = {
    "plain": _plain,
    "asphalt": _asphalt,
    "concrete": _concrete,
    "paving": _paving,
    "cobbles": _cobbles,
    "brick": _brick,
    "plaster": _plaster,
    "stone": _stone,
    "roof_tiles": _roof_tiles,
    "wood": _wood,
    "planks": _planks,
    "metal": _metal,
    "corrugated": _corrugated,
    "panels": _panels,
    "paint": _paint,
    "glass": _glass,
    "bark": _bark,
    "foliage": _foliage,
    "hedge": _hedge,
    "grass": _grass,
    "soil": _soil,
    "gravel": _gravel,
    "fabric": _fabric,
    "carpet": _carpet,
    "skin": _skin,
    "sign_stripes": _sign_stripes,
    "graffiti": _graffiti,
    "tiles": _tiles,
}
"""Maker of each texture by the name that `Material.texture` holds."""

LEVELS = 8
"""Mip levels below the finest; beyond them a tile is its mean."""
PAD_PX = 2
TAPS = (1, 3, 8)
"""Look-ups along footprints that are up to as many times longer than wide: a road seen from far along it needs most."""
SHARPNESS = 0.7
"""Texels a footprint holds are taken for fewer, because bilinear look-ups blur by themselves."""
STEP = 0.01
"""Value of one count of the 8-bit tiles."""


class TextureAtlas:
    """All textures at all mip levels in one 8-bit image, so that one look-up serves every pixel of a picture."""

    def __init__(self, seed: int = 0) -> None:
        self.names = tuple(TEXTURES)
        sizes = [TILE_PX >> level for level in range(LEVELS + 1)]
        self._columns = np.cumsum([0] + [size + 2 * PAD_PX for size in sizes])[:-1].astype(np.float32) + PAD_PX
        self._rows = np.arange(len(TEXTURES), dtype=np.float32) * (TILE_PX + 2 * PAD_PX) + PAD_PX
        width = int(self._columns[-1]) + sizes[-1] + PAD_PX
        self._image = np.zeros((len(TEXTURES) * (TILE_PX + 2 * PAD_PX), width, 3), dtype=np.uint8)
        for index, make in enumerate(TEXTURES.values()):
            tile = np.maximum(make(np.random.default_rng([seed, index])).astype(np.float32), 0)
            tile /= np.array(cv2.mean(tile)[:3], dtype=np.float32)
            for level, size in enumerate(sizes):
                tile = cv2.resize(tile, (size, size), interpolation=cv2.INTER_AREA)
                counts = cv2.convertScaleAbs(tile, alpha=1 / STEP)
                top, left = int(self._rows[index]) - PAD_PX, int(self._columns[level]) - PAD_PX
                padded = cv2.copyMakeBorder(counts, PAD_PX, PAD_PX, PAD_PX, PAD_PX, cv2.BORDER_WRAP)
                self._image[top : top + len(padded), left : left + len(padded)] = padded

    def sample(
        self, texture: NDArray[np.int32], uv_tiles: FloatArray, longer_tiles: FloatArray, shorter_tiles: FloatArray
    ) -> FloatArray:
        """Factors (n, 3) of the textures with index `texture` (n,) at uv (n, 2), filtered over a footprint.

        All in tiles: the footprint is `longer_tiles` (n, 2) one way and `shorter_tiles` (n,) across it; v points up in
        the tile.
        """
        extent = length(longer_tiles)
        width = np.maximum(shorter_tiles, extent / TAPS[-1])
        taps = np.searchsorted(TAPS, extent / np.maximum(width, 1e-12) - 0.5)
        factor = np.empty((len(texture), 3), dtype=np.float32)
        rows = np.flatnonzero(taps == 0)
        round_m = np.maximum(width, extent).take(rows)
        factor[rows] = self.sample_round(texture.take(rows), uv_tiles.take(rows, axis=0), round_m)
        for group, count in enumerate(TAPS[1:], start=1):
            rows = np.flatnonzero(taps == group)
            names, uv, step = texture.take(rows), uv_tiles.take(rows, axis=0), longer_tiles.take(rows, axis=0) / count
            level = np.round(_level(width.take(rows))).astype(np.int32)
            looks = (self._bilinear(names, uv + step * (tap - (count - 1) / 2), level) for tap in range(count))
            factor[rows] = sum(looks) / np.float32(count)
        return factor

    def sample_soft(
        self, texture: int | NDArray[np.int32], uv_tiles: FloatArray, width_tiles: FloatArray
    ) -> FloatArray:
        """Factors (n, 3) of one texture or one each (n,) at uv (n, 2), filtered over a width (n,) within a factor of
        1.4: enough where nobody sees the steps in between."""
        level = np.round(_level(width_tiles)).astype(np.int32)
        return self._bilinear(np.broadcast_to(texture, level.shape), uv_tiles, level)

    def sample_round(self, texture: NDArray[np.int32], uv_tiles: FloatArray, width_tiles: FloatArray) -> FloatArray:
        """Factors (n, 3) as `sample` has them, of footprints that are as long as wide (n,)."""
        level = _level(width_tiles)
        fine = np.floor(level).astype(np.int32)
        blend = (level - fine)[:, None]
        coarse = np.minimum(fine + 1, LEVELS)
        return self._bilinear(texture, uv_tiles, fine) * (1 - blend) + self._bilinear(texture, uv_tiles, coarse) * blend

    def _bilinear(self, texture: NDArray[np.int32], uv: FloatArray, level: NDArray[np.int32]) -> FloatArray:
        size = (TILE_PX >> level).astype(np.float32)
        x = self._columns[level] + (uv[:, 0] - np.floor(uv[:, 0])) * size - 0.5
        y = self._rows[texture] + (np.ceil(uv[:, 1]) - uv[:, 1]) * size - 0.5
        return look_up(self._image, x, y) * np.float32(STEP)


def _level(width_tiles: FloatArray) -> FloatArray:
    """Mip level (n,), fractional, at which a texel is about as wide as a footprint (n,)."""
    return np.clip(np.log2(width_tiles * (TILE_PX * SHARPNESS) + 1e-6), 0, LEVELS).astype(np.float32)


@lru_cache(maxsize=4)
def texture_atlas(seed: int) -> TextureAtlas:
    """The atlas of a seed, made once a process: 30 MB and most of a second."""
    return TextureAtlas(seed)


def look_up(image: NDArray[np.integer | np.floating], x: FloatArray, y: FloatArray) -> FloatArray:
    """Bilinear values (n, channels) of an image at columns x and rows y (n,); outside, those of the border."""
    if len(x) == 0:
        return np.zeros((0, image.shape[2]), dtype=np.float32)
    side = 256
    rows = -(-len(x) // side)
    maps = np.zeros((2, rows * side), dtype=np.float32)
    maps[0, : len(x)], maps[1, : len(x)] = x, y
    values = cv2.remap(
        image,
        maps[0].reshape(rows, side),
        maps[1].reshape(rows, side),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return values.reshape(rows * side, -1)[: len(x)].astype(np.float32)
