"""The image of a camera in a place: rays through its pixels, their surfaces shaded, the sensor's picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.imaging import Imaging, develop, random_imaging
from i2p_calib_ros.frames.world.light import Light
from i2p_calib_ros.frames.world.pixel_rays import pixel_rays
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.textures import TextureAtlas
from i2p_calib_ros.frames.world.tracer import Hits, Tracer
from i2p_calib_ros.geometry.camera import Camera

__all__ = ["Imaging", "depth_image", "random_imaging", "render_image"]

FloatArray = NDArray[np.float32]


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
    rays = pixel_rays(camera)
    T = np.asarray(T_world_camera, dtype=np.float64)
    directions = (rays.directions[rays.valid] @ T[:3, :3].T).astype(np.float32)
    spread = np.linalg.norm(rays.along_v, axis=-1)[rays.valid].astype(np.float32)
    hits = tracer.trace(T[:3, 3], directions, time_s)
    radiance = np.zeros((camera.height, camera.width, 3), dtype=np.float32)
    radiance[rays.valid] = _Shader(tracer, place, light, time_s).radiance(hits, directions, spread)
    return develop(radiance, imaging, rng)


def depth_image(tracer: Tracer, camera: Camera, T_world_camera: ArrayLike, time_s: float = 0.0) -> FloatArray:
    """Depth (h, w) along the optical axis, metres, of what the ray through each pixel's centre meets; else NaN."""
    rays = pixel_rays(camera)
    T = np.asarray(T_world_camera, dtype=np.float64)
    hits = tracer.trace(T[:3, 3], rays.directions[rays.valid] @ T[:3, :3].T, time_s)
    depth = np.full(rays.valid.shape, np.nan, dtype=np.float32)
    depth[rays.valid] = np.where(hits.hit, hits.distance_m * rays.directions[rays.valid][:, 2], np.nan)
    return depth


@lru_cache(maxsize=1)
def _atlas() -> TextureAtlas:
    return TextureAtlas()


@dataclass(frozen=True, eq=False)
class _Shader:
    """Light that surfaces of one place send to the camera at one time."""

    tracer: Tracer
    place: Place
    light: Light
    time_s: float

    def radiance(self, hits: Hits, directions: FloatArray, spread: FloatArray) -> FloatArray:
        """Linear RGB (n, 3) that arrives along rays with unit directions (n, 3) whose pixels span `spread` radians."""
        light = self.light
        result = light.sky_radiance(directions)
        rows = np.flatnonzero(hits.hit)
        if rows.size == 0:
            return result
        xyz, normal, distance = hits.xyz[rows], hits.normal[rows], hits.distance_m[rows]
        materials = _MaterialTable.of(self.place)
        material = hits.material[rows]
        cosine = np.maximum(np.abs(np.einsum("ij,ij->i", normal, directions[rows])), 0.05)
        tile_m = materials.tile_m[material]
        footprint = distance * spread[rows] / np.sqrt(cosine) / tile_m
        albedo = materials.albedo[material] * _atlas().sample(
            materials.texture[material], hits.uv[rows] / tile_m[:, None], footprint
        )
        incoming = light.ambient_radiance(normal)
        facing = np.einsum("ij,j->i", normal, light.sun_direction)
        if light.sun_rgb.any():
            lit = np.flatnonzero(facing > 0)
            start = xyz[lit] + normal[lit] * (0.002 + 2e-4 * distance[lit, None])
            shadow = self.tracer.occluded(start, np.broadcast_to(light.sun_direction, start.shape), self.time_s)
            lit = lit[~shadow]
            incoming[lit] += facing[lit, None] * light.sun_rgb
        surface = albedo * incoming + materials.emission[material]
        clear = np.exp(-distance / light.haze_range_m)[:, None]
        result[rows] = surface * clear + light.haze_rgb * (1 - clear)
        return result


@dataclass(frozen=True, eq=False)
class _MaterialTable:
    """The materials of a place as arrays, one row a material."""

    albedo: FloatArray
    emission: FloatArray
    tile_m: FloatArray
    texture: NDArray[np.int32]

    @classmethod
    def of(cls, place: Place) -> _MaterialTable:
        names = _atlas().names
        return cls(
            np.array([m.albedo for m in place.materials], dtype=np.float32),
            np.array([m.emission for m in place.materials], dtype=np.float32),
            np.array([m.tile_m for m in place.materials], dtype=np.float32),
            np.array([names.index(m.texture) for m in place.materials], dtype=np.int32),
        )
