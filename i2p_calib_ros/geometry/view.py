"""The virtual pinhole camera the network sees, and the warp from a real image to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry.camera import BoolArray, Camera, FloatArray, inside_image

_COVERAGE_GRID = 257


@dataclass(frozen=True)
class PinholeView:
    """A distortion-free camera, sizes in pixels. Pixel (0, 0) is the centre of the top-left pixel."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def for_camera(
        cls, camera: Camera, pixels: int = 81920, multiple_of: int = 16, max_fov_deg: float = 100.0
    ) -> PinholeView:
        """The view of about `pixels` pixels that covers the camera's image, with square pixels.

        The sides are multiples of `multiple_of` and keep the image's aspect. The longer side spans at most
        `max_fov_deg` (exactly so when centred on the optical axis, near which a view of a wider image stays).
        """
        aspect = camera.width / camera.height
        width = max(1, round(np.sqrt(pixels * aspect) / multiple_of)) * multiple_of
        height = max(1, round(width / aspect / multiple_of)) * multiple_of
        limit = np.tan(np.deg2rad(max_fov_deg) / 2)
        low, high = _covered_tangents(camera, limit)
        size = np.array([width, height])
        focal = float(max(np.min(size / (high - low)), max(width, height) / (2 * limit)))
        half = size / (2 * focal)
        middle = (low + high) / 2
        # A view narrower than the image moves from the image's middle towards the optical axis.
        slack = np.maximum((high - low) / 2 - half, 0.0)
        centre = np.clip(0.0, middle - slack, middle + slack)
        cx, cy = (size - 1) / 2 - focal * centre
        return cls(width, height, focal, focal, float(cx), float(cy))

    def project(self, xyz_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Pixels (..., 2) and depths (...) in metres of points (..., 3) in the frame of the view.

        That is the camera optical frame, or `R_view_camera` times it for a rotated view. The depth is z;
        where that is not positive the pixels are NaN. Pixels may lie outside the view.
        """
        xyz = np.asarray(xyz_camera, dtype=np.float64)
        depth = xyz[..., 2]
        z = np.where(depth > 0, depth, np.nan)
        uv = np.stack([self.fx * xyz[..., 0] / z + self.cx, self.fy * xyz[..., 1] / z + self.cy], axis=-1)
        return uv, depth

    def rays(self) -> FloatArray:
        """Directions (height, width, 3) with z = 1 of all pixels, in the frame of the view."""
        x = (np.arange(self.width) - self.cx) / self.fx
        y = (np.arange(self.height) - self.cy) / self.fy
        return np.stack([*np.meshgrid(x, y), np.ones((self.height, self.width))], axis=-1)


class ViewRenderer:
    """Warps images of `camera` to `view`; the maps are computed once.

    `R_view_camera` (3, 3) turns the view: points in its frame are `R_view_camera @ xyz_camera`. Without it
    the view looks along the camera's optical axis.
    """

    def __init__(self, camera: Camera, view: PinholeView, R_view_camera: npt.ArrayLike | None = None) -> None:
        self.camera = camera
        self.view = view
        rays = view.rays()
        if R_view_camera is not None:
            rays = rays @ np.asarray(R_view_camera, dtype=np.float64)  # rows: R^T @ ray
        source, in_front = camera.project(rays)
        self.valid: BoolArray = in_front & inside_image(source, camera.width, camera.height)
        """(height, width): which pixels of the view show a part of the image; the others are black."""

        reduction = max(1, round(_source_pixels_per_pixel(source, self.valid)))
        self._reduced_size = max(1, round(camera.width / reduction)), max(1, round(camera.height / reduction))
        ratio = np.array(self._reduced_size) / (camera.width, camera.height)
        reduced = np.where(self.valid[..., None], (source + 0.5) * ratio - 0.5, 0.0)
        map_u, map_v = reduced[..., 0], reduced[..., 1]
        self._maps = np.ascontiguousarray(map_u, np.float32), np.ascontiguousarray(map_v, np.float32)

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The view (view.height, view.width, 3) of an image (camera.height, camera.width, 3), both uint8.

        Raises CalibrationInputError for an image of another shape or type.
        """
        expected = (self.camera.height, self.camera.width, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise CalibrationInputError(
                f"Expected a uint8 image of shape {expected} as the camera info describes, "
                f"got {image.dtype} of shape {image.shape}. "
                "Use the camera info of this image topic, at this resolution."
            )
        source: npt.NDArray[Any] = image
        if self._reduced_size != (self.camera.width, self.camera.height):
            # Averaging first keeps detail finer than a view pixel from aliasing in the bilinear lookup.
            source = cv2.resize(image, self._reduced_size, interpolation=cv2.INTER_AREA)
        rendered = cv2.remap(
            source, *self._maps, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        rendered[~self.valid] = 0
        return rendered.astype(np.uint8, copy=False)


def _covered_tangents(camera: Camera, limit: float) -> tuple[FloatArray, FloatArray]:
    """Least and greatest (x/z, y/z), each (2,) and within +-limit, of the rays that fall on the image."""
    low, high = np.array([-limit, -limit]), np.array([limit, limit])
    # The first pass finds where the image is among all rays, the second measures its extent there finely.
    for _ in range(2):
        x, y = (np.linspace(low[i], high[i], _COVERAGE_GRID) for i in range(2))
        rays = np.stack([*np.meshgrid(x, y), np.ones((y.size, x.size))], axis=-1)
        pixels, valid = camera.project(rays)
        covered = rays[valid & inside_image(pixels, camera.width, camera.height), :2]
        if not len(covered):
            raise CalibrationInputError(
                f"No part of the {camera.width} x {camera.height} image lies within "
                f"{np.rad2deg(np.arctan(limit)):.0f} degrees of the optical axis. "
                f"Check the camera matrix: {camera.K.tolist()}."
            )
        step = (high - low) / (_COVERAGE_GRID - 1)
        low = np.maximum(covered.min(axis=0) - step, -limit)
        high = np.minimum(covered.max(axis=0) + step, limit)
    return low, high


def _source_pixels_per_pixel(source: FloatArray, valid: BoolArray) -> float:
    """Median side, in image pixels, of what one view pixel covers."""
    du, dv = np.gradient(source[..., 0]), np.gradient(source[..., 1])
    area = np.abs(du[0] * dv[1] - du[1] * dv[0])
    area = area[valid & np.isfinite(area)]
    return float(np.sqrt(np.median(area))) if area.size else 1.0
