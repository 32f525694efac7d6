"""The image of a camera in a place: where its pixels look, what they see, and how the sensor shows it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.camera.imaging import Imaging, develop, random_imaging
from i2p_calib_ros.frames.world.camera.light import Light
from i2p_calib_ros.frames.world.camera.pixel_rays import PixelRays, pixel_rays
from i2p_calib_ros.frames.world.camera.shading import Footprints, Shader
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.tracer import Hits, Tracer
from i2p_calib_ros.frames.world.vectors import dot, length, unit
from i2p_calib_ros.geometry.camera import Camera

__all__ = ["Imaging", "depth_image", "random_imaging", "render_image"]

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

NEAR_M = 25.0
"""What moves within this distance is drawn though out of view: it may throw a shadow or be mirrored."""

TRAFFIC_REACH_M = 250.0

VISIBLE = 0.2
"""Log contrast from which an edge is worth further rays."""

STRATA = np.array([[0, 9, 6, 15], [13, 4, 11, 2], [7, 14, 1, 8], [10, 3, 12, 5]])
"""Which direction to the sky each pixel of a 4 x 4 block tries: any block holds all sixteen."""

FOCUS_M = 10.0
"""Distance ahead of the camera around which lamps count."""

SKY_SMOOTHING = ((1, 1.0), (4, 0.8))
"""Exactly the mean of a block, then wider against the noise that is left."""

SUN_SMOOTHING = ((1, 0.4),)
"""The sun is no point: at street distances the edge of its shadow is a pixel or two wide."""


def render_image(
    tracer: Tracer,
    place: Place,
    light: Light,
    camera: Camera,
    T_world_camera: ArrayLike,
    time_s: float,
    imaging: Imaging,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """The picture (h, w, 3) uint8 RGB of a camera at pose `T_world_camera` (4, 4, optical frame) at a time.

    Pixels that the lens does not reach are black.
    """
    rays, T = pixel_rays(camera), np.asarray(T_world_camera, dtype=np.float64)
    tracer = tracer.at(time_s, _near_or_in_view(*tracer.moving(time_s), rays, T))
    view = _View(tracer, rays, T, time_s)
    shader = Shader(tracer, place, light, time_s, T[:3, 3] + FOCUS_M * T[:3, 2], rng)
    hits = view.centre
    rows, columns = np.divmod(np.arange(len(view.directions)), camera.width)
    openness = _smoothed(shader.open_to_sky(hits, STRATA[rows % 4, columns % 4]), hits, view.shape, SKY_SMOOTHING)
    sunlight = _smoothed(shader.sunlight(hits), hits, view.shape, SUN_SMOOTHING)
    footprints = _footprints(hits, view)
    matt, mirrored = shader.radiance(hits, view.directions, footprints, openness, sunlight)
    if light.wetness > 0:
        mirrored = _streaked(mirrored, shader.wet(hits), view.shape)
    radiance = matt + mirrored

    edges = _edges(hits, view.shape) & _contrasts(radiance, view.shape) & _surrounded(view.valid, view.shape)
    borders = _Borders.of(edges.reshape(view.shape))
    further = tracer.trace(T[:3, 3], view.directions_at(borders.pixels, borders.offsets_px), time_s)
    like, same = _most_alike(further, hits, borders)
    colours = radiance.take(like, axis=0)
    new = np.flatnonzero(~same)
    if new.size:
        directions = view.directions_at(borders.pixels[new], borders.offsets_px[new])
        further, like = further[new], like[new]
        sunlight = shader.sunlight(further)
        colours[new] = sum(shader.radiance(further, directions, footprints[like], openness.take(like), sunlight))
    radiance[edges] = borders.means_with(radiance, colours)[edges]
    radiance[~view.valid] = 0.0
    return develop(radiance.reshape(*view.shape, 3), imaging, rng)


def depth_image(tracer: Tracer, camera: Camera, T_world_camera: ArrayLike, time_s: float = 0.0) -> FloatArray:
    """Depth (h, w) along the optical axis, metres, of what the ray through each pixel's centre meets; else NaN."""
    rays = pixel_rays(camera)
    view = _View(tracer, rays, np.asarray(T_world_camera, dtype=np.float64), time_s)
    seen = view.centre.hit & view.valid
    depth = np.where(seen, view.centre.distance_m * rays.directions[..., 2].ravel(), np.nan)
    return depth.reshape(view.shape).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Borders:
    """Sub-samples on the borders of pixels that hold an edge, each shared by the two pixels beside it.

    With its centre a pixel has five, no two in a row or column of a 5 x 5 grid, at the cost of about two (FLIPQUAD,
    Akenine-Moller 2003). pixels, beside (n,): those that share the border; offsets_px (n, 2): where the sample lies
    from the centre of `pixels`, right and down.
    """

    shape: tuple[int, int]
    upright: NDArray[np.bool_]
    level: NDArray[np.bool_]
    pixels: IntArray
    beside: IntArray
    offsets_px: NDArray[np.float64]

    @classmethod
    def of(cls, edges: NDArray[np.bool_]) -> _Borders:
        """The borders of the pixels (h, w) that hold an edge."""
        height, width = edges.shape
        upright = np.pad(edges, ((0, 0), (0, 1))) | np.pad(edges, ((0, 0), (1, 0)))
        level = np.pad(edges, ((0, 1), (0, 0))) | np.pad(edges, ((1, 0), (0, 0)))
        row, column = np.nonzero(upright)
        left, right = np.maximum(column - 1, 0), np.minimum(column, width - 1)
        aside = np.stack([column - 0.5 - left, 0.25 - 0.5 * (column % 2)], axis=1)
        first, second = [row * width + left], [row * width + right]
        row, column = np.nonzero(level)
        above, below = np.maximum(row - 1, 0), np.minimum(row, height - 1)
        upwards = np.stack([0.25 - 0.5 * (row % 2), row - 0.5 - above], axis=1)
        first.append(above * width + column)
        second.append(below * width + column)
        return cls(
            (height, width), upright, level, np.concatenate(first), np.concatenate(second), np.vstack([aside, upwards])
        )

    def means_with(self, centres: FloatArray, colours: FloatArray) -> FloatArray:
        """Means (h w, 3) of the pixels' centres (h w, 3) and the samples (n, 3) on their borders, if there are all."""
        count = int(np.count_nonzero(self.upright))
        upright, level = (np.zeros((*mask.shape, 3), np.float32) for mask in (self.upright, self.level))
        upright[self.upright], level[self.level] = colours[:count], colours[count:]
        total = upright[:, :-1] + upright[:, 1:] + level[:-1] + level[1:]
        return (total.reshape(-1, 3) + centres) / np.float32(5)


class _View:
    """The rays of all pixels of a camera at a pose, row by row, and what those through the centres meet."""

    def __init__(self, tracer: Tracer, rays: PixelRays, T_world_camera: NDArray[np.float64], time_s: float) -> None:
        self.T_world_camera = T_world_camera
        self.shape = rays.valid.shape
        self.valid = rays.valid.ravel()
        rotation = T_world_camera[:3, :3].T.astype(np.float32)
        self.directions = rays.directions.reshape(-1, 3).astype(np.float32) @ rotation
        self._along = tuple(a.reshape(-1, 3).astype(np.float32) @ rotation for a in (rays.along_u, rays.along_v))
        self.pixel_rad = rays.span_rad.ravel().astype(np.float32)
        self.centre = tracer.trace(T_world_camera[:3, 3], self.directions, time_s)

    def directions_at(self, pixels: IntArray, offsets_px: NDArray[np.float64]) -> FloatArray:
        """Unit directions (n, 3) of rays beside the centres of pixels (n,), offsets (n, 2) right and down."""
        offsets = offsets_px.astype(np.float32)
        directions = self.directions.take(pixels, axis=0)
        directions += offsets[:, :1] * self._along[0].take(pixels, axis=0)
        directions += offsets[:, 1:] * self._along[1].take(pixels, axis=0)
        return unit(directions)


def _near_or_in_view(
    centres: NDArray[np.float64], radii: NDArray[np.float64], rays: PixelRays, T_world_camera: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which spheres (n,) an image may show, itself or by shadows."""
    offsets = (centres - T_world_camera[:3, 3]) @ T_world_camera[:3, :3]
    distance = np.maximum(np.linalg.norm(offsets, axis=1), 1e-6)
    off_axis = np.arccos(np.clip(offsets[:, 2] / distance, -1, 1))
    widest = np.arccos(rays.directions[..., 2].min())
    beside = np.arcsin(np.clip(radii / distance, 0, 1))
    in_view = (off_axis < widest + beside) & (distance < TRAFFIC_REACH_M)
    return in_view | (distance < NEAR_M + radii)


def _edges(hits: Hits, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (n,) beside which the surface or its direction changes at once."""
    edges = np.zeros(shape, dtype=bool)
    material, normal = hits.material.reshape(shape), hits.normal.reshape(*shape, 3)
    inverse = 1 / hits.distance_m.reshape(shape)
    for axis in (0, 1):
        first = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        second = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        turn = dot(normal[first], normal[second])
        change = material[first] != material[second]
        change |= (turn < 0.9) & (material[first] >= 0)
        # Along a plane the inverse of the distance is nearly linear: its slope may not change abruptly.
        slope = np.diff(inverse, axis=axis)
        bend = np.abs(np.diff(slope, axis=axis, prepend=slope.take([0], axis), append=slope.take([-1], axis)))
        bend = np.minimum(bend[first], bend[second]) if bend.shape[axis] > slope.shape[axis] else bend
        change |= bend > 0.04 * np.maximum(inverse[first], inverse[second])
        edges[first] |= change
        edges[second] |= change
    return edges.ravel()


def _contrasts(radiance: FloatArray, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (n,) that differ visibly from one beside them."""
    brightness = np.log(radiance.sum(axis=1).reshape(shape) + 1e-4)
    around = np.ones((3, 3), dtype=np.uint8)
    return (cv2.dilate(brightness, around) - cv2.erode(brightness, around) > VISIBLE).ravel()


def _streaked(mirrored: FloatArray, wet: NDArray[np.bool_], shape: tuple[int, int]) -> FloatArray:
    """Mirror images (n, 3) on wet ground drawn out downwards, as its grain does to them."""
    window = (shape[0] // 60 * 2 + 1, shape[0] // 20 * 2 + 1)
    share = cv2.blur(wet.reshape(shape).astype(np.float32), window)[..., None]
    blurred = cv2.blur((mirrored * wet[:, None]).reshape(*shape, 3), window) / np.maximum(share, 1e-6)
    return np.where(wet[:, None], blurred.reshape(-1, 3), mirrored)


def _smoothed(
    values: FloatArray, hits: Hits, shape: tuple[int, int], passes: tuple[tuple[int, float], ...]
) -> FloatArray:
    """Weighted means (n,) over neighbours on one surface.

    A pass (step, weight) adds along rows and then columns those `step` away with the weight, twice as far with half.
    """
    normal = hits.normal.reshape(*shape, 3)
    log_distance = np.log(hits.distance_m).reshape(shape)
    smooth = values.reshape(shape)
    for (step, weight), axis in product(passes, (1, 0)):
        total, weights = smooth.copy(), np.ones(shape, dtype=np.float32)
        for reach, share in ((step, weight), (2 * step, weight / 2)):
            first = tuple(slice(None, -reach) if a == axis else slice(None) for a in (0, 1))
            second = tuple(slice(reach, None) if a == axis else slice(None) for a in (0, 1))
            same = np.abs(log_distance[first] - log_distance[second]) < 0.05 * reach
            same &= dot(normal[first], normal[second]) > 0.85
            weight_here = same * np.float32(share)
            total[first] += weight_here * smooth[second]
            total[second] += weight_here * smooth[first]
            weights[first] += weight_here
            weights[second] += weight_here
        smooth = total / weights
    return smooth.ravel()


def _footprints(hits: Hits, view: _View) -> Footprints:
    """Texture footprints from the coordinates of neighbouring pixels; round ones where a neighbour is elsewhere."""
    shape = view.shape
    cosine = np.abs(dot(hits.normal, view.directions))
    around = Footprints.round(hits.distance_m, cosine, view.pixel_rad)
    widest = (2.5 * hits.distance_m * view.pixel_rad / np.maximum(cosine, 0.01)).reshape(shape)
    uv, material = hits.uv.reshape(*shape, 2), hits.material.reshape(shape)
    axes, extents = [], []
    for axis in (1, 0):
        change = np.zeros_like(uv)
        change[tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))] = np.diff(uv, axis=axis)
        same = np.zeros(shape, dtype=bool)
        same[tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))] = np.diff(material, axis=axis) == 0
        extent = length(change)
        axes.append(change)
        extents.append(np.where(same & (extent < widest), extent, np.nan))
    along_u, along_v = (extent.ravel() for extent in extents)
    known = np.isfinite(along_u) & np.isfinite(along_v) & hits.hit
    u_longer = (along_u > along_v)[:, None]
    longer = np.where(u_longer, axes[0].reshape(-1, 2), axes[1].reshape(-1, 2))
    return Footprints(
        np.where(known[:, None], longer, 0.0).astype(np.float32),
        np.where(known, np.fmin(along_u, along_v), around.shorter_m).astype(np.float32),
    )


def _surrounded(valid: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (n,) that have rays on all sides."""
    return cv2.erode(valid.reshape(shape).astype(np.uint8), np.ones((3, 3), dtype=np.uint8)).ravel() > 0


def _most_alike(further: Hits, hits: Hits, borders: _Borders) -> tuple[IntArray, NDArray[np.bool_]]:
    """For each further hit on a border, the pixel beside whose centre met the more alike, and whether that is the same
    spot of the same surface, so that it looks the same."""

    def likeness(pixels: IntArray) -> FloatArray:
        turn = 1 - dot(hits.normal.take(pixels, axis=0), further.normal)
        step = np.abs(hits.distance_m.take(pixels) / further.distance_m - 1)
        return (hits.material.take(pixels) == further.material) - turn - np.minimum(step * 5, 1)

    first, second = likeness(borders.pixels), likeness(borders.beside)
    like = np.where(first >= second, borders.pixels, borders.beside)
    return like, (np.maximum(first, second) > 0.8) & further.hit
