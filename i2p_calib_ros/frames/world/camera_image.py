"""The image of a camera in a place: where its pixels look, what they see, and how the sensor shows it."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.imaging import Imaging, develop, random_imaging
from i2p_calib_ros.frames.world.light import Light
from i2p_calib_ros.frames.world.pixel_rays import PixelRays, pixel_rays
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.shading import Footprints, Shader
from i2p_calib_ros.frames.world.tracer import Hits, Tracer
from i2p_calib_ros.geometry.camera import Camera

__all__ = ["Imaging", "depth_image", "random_imaging", "render_image"]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

NEAR_M = 25.0
"""What moves within this distance is drawn though out of view: it may throw a shadow or be mirrored."""

TRAFFIC_REACH_M = 250.0

SUB_SAMPLES = np.array([(-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125)])
"""Further rays (right, down) in pixels where a pixel holds an edge; with the centre they lie evenly around it."""

SUB_SAMPLE_BUDGET = 0.4
"""Further rays at most, as a share of the number of pixels: where edges are everywhere, each gets fewer."""

STRATA = np.array([[0, 9, 6, 15], [13, 4, 11, 2], [7, 14, 1, 8], [10, 3, 12, 5]])
"""Which direction to the sky each pixel of a 4 x 4 block tries: any block holds all sixteen."""

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
    shader = Shader(tracer, place, light, time_s, rng)
    hits = view.centre
    rows, columns = np.divmod(np.arange(len(view.directions)), camera.width)
    openness = _smoothed(shader.open_to_sky(hits, STRATA[rows % 4, columns % 4]), hits, view.shape, SKY_SMOOTHING)
    sunlight = _smoothed(shader.sunlight(hits), hits, view.shape, SUN_SMOOTHING)
    footprints = _footprints(hits, view)
    radiance = shader.radiance(hits, view.directions, footprints, openness, sunlight)

    edges = np.flatnonzero(_edges(hits, view.shape) & view.valid)
    if edges.size:
        count = int(np.clip(SUB_SAMPLE_BUDGET * len(radiance) / edges.size, 1, len(SUB_SAMPLES)))
        order = rng.permuted(np.tile(np.arange(len(SUB_SAMPLES)), (edges.size, 1)), axis=1)[:, :count]
        pixels = np.repeat(edges, count)
        directions = view.directions_at(pixels, SUB_SAMPLES[order.ravel()])
        further = tracer.trace(view.T_world_camera[:3, 3], directions, time_s)
        like, same = _most_alike(further, hits, pixels, view.shape)
        colours = radiance[like]
        new = np.flatnonzero(~same)
        colours[new] = shader.radiance(
            further[new], directions[new], footprints[like[new]], openness[like[new]], shader.sunlight(further[new])
        )
        sums = colours.reshape(edges.size, count, 3).sum(axis=1)
        radiance[edges] = (radiance[edges] + sums) / (count + 1)
    radiance[~view.valid] = 0.0
    return develop(radiance.reshape(*view.shape, 3), imaging, rng)


def depth_image(tracer: Tracer, camera: Camera, T_world_camera: ArrayLike, time_s: float = 0.0) -> FloatArray:
    """Depth (h, w) along the optical axis, metres, of what the ray through each pixel's centre meets; else NaN."""
    rays = pixel_rays(camera)
    view = _View(tracer, rays, np.asarray(T_world_camera, dtype=np.float64), time_s)
    seen = view.centre.hit & view.valid
    depth = np.where(seen, view.centre.distance_m * rays.directions[..., 2].ravel(), np.nan)
    return depth.reshape(view.shape).astype(np.float32)


class _View:
    """The rays of all pixels of a camera at a pose, row by row, and what those through the centres meet."""

    def __init__(self, tracer: Tracer, rays: PixelRays, T_world_camera: NDArray[np.float64], time_s: float) -> None:
        self.T_world_camera = T_world_camera
        self.shape = rays.valid.shape
        self.valid = rays.valid.ravel()
        rotation = T_world_camera[:3, :3].T.astype(np.float32)
        self.directions = rays.directions.reshape(-1, 3).astype(np.float32) @ rotation
        self._along = tuple(a.reshape(-1, 3).astype(np.float32) @ rotation for a in (rays.along_u, rays.along_v))
        self.pixel_rad = np.sqrt(np.prod([np.linalg.norm(a, axis=1) for a in self._along], axis=0))
        self.centre = tracer.trace(T_world_camera[:3, 3], self.directions, time_s)

    def directions_at(self, pixels: IntArray, offsets_px: NDArray[np.float64]) -> FloatArray:
        """Unit directions (n, 3) of rays beside the centres of pixels (n,), offsets (n, 2) right and down."""
        offsets = offsets_px.astype(np.float32)
        directions = self.directions[pixels]
        directions = directions + offsets[:, :1] * self._along[0][pixels] + offsets[:, 1:] * self._along[1][pixels]
        return directions / np.linalg.norm(directions, axis=1, keepdims=True)


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
        turn = np.einsum("ijk,ijk->ij", normal[first], normal[second])
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
            same &= np.einsum("ijk,ijk->ij", normal[first], normal[second]) > 0.85
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
    cosine = np.abs(np.einsum("ij,ij->i", hits.normal, view.directions))
    around = Footprints.round(hits.distance_m, cosine, view.pixel_rad)
    widest = (2.5 * hits.distance_m * view.pixel_rad / np.maximum(cosine, 0.01)).reshape(shape)
    uv, material = hits.uv.reshape(*shape, 2), hits.material.reshape(shape)
    axes, lengths = [], []
    for axis in (1, 0):
        change = np.zeros_like(uv)
        change[tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))] = np.diff(uv, axis=axis)
        same = np.zeros(shape, dtype=bool)
        same[tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))] = np.diff(material, axis=axis) == 0
        length = np.linalg.norm(change, axis=-1)
        axes.append(change)
        lengths.append(np.where(same & (length < widest), length, np.nan))
    along_u, along_v = (length.ravel() for length in lengths)
    known = np.isfinite(along_u) & np.isfinite(along_v) & hits.hit
    u_longer = (along_u > along_v)[:, None]
    longer = np.where(u_longer, axes[0].reshape(-1, 2), axes[1].reshape(-1, 2))
    return Footprints(
        np.where(known[:, None], longer, 0.0).astype(np.float32),
        np.where(known, np.fmin(along_u, along_v), around.shorter_m).astype(np.float32),
    )


def _most_alike(
    further: Hits, hits: Hits, pixels: IntArray, shape: tuple[int, int]
) -> tuple[IntArray, NDArray[np.bool_]]:
    """For each further hit in `pixels`, the pixel among these and the four beside whose centre met the like of it,
    and whether that is the same spot of the same surface, so that it looks the same."""
    best, best_score = pixels, np.full(len(pixels), -np.inf, dtype=np.float32)
    row, column = np.divmod(pixels, shape[1])
    for down, right in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = np.clip(row + down, 0, shape[0] - 1) * shape[1] + np.clip(column + right, 0, shape[1] - 1)
        turn = 1 - np.einsum("ij,ij->i", hits.normal[beside], further.normal)
        step = np.abs(hits.distance_m[beside] / further.distance_m - 1)
        score = (hits.material[beside] == further.material) - turn - np.minimum(step * 5, 1)
        better = score > best_score + 1e-3
        best, best_score = np.where(better, beside, best), np.where(better, score, best_score)
    return best, (best_score > 0.8) & further.hit
