"""Pictures of the cloud projected into the image: the quickest way for a person to judge an extrinsic."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera, FloatArray
from i2p_calib_ros.geometry.view import PinholeView, ViewRenderer
from i2p_calib_ros.geometry.visibility import visible_points

Picture = npt.NDArray[np.uint8]
"""(h, w, 3) uint8 RGB."""

WIDTH_PX = 1242
"""Width of the pictures, that of a KITTI image: enough to judge a tenth of a degree by eye."""

# The ends of turbo are too dark to read on a photograph.
_TURBO_FAR, _TURBO_NEAR = 0.10, 0.93
_DISC_RADIUS_PX = (1.2, 2.5)
_SOLID_COVER = 0.75
_SPACING_CELL_PX = 10
_FEWEST_FOR_RANGE = 10
_DEFAULT_DEPTH_RANGE_M = (2.0, 60.0)


class OverlayPainter:
    """Paints clouds on the undistorted images of one camera; the warp is prepared once."""

    def __init__(self, camera: Camera, width_px: int = WIDTH_PX) -> None:
        """Pictures are about `width_px` wide, and no wider than the camera's images."""
        width = min(width_px, camera.width)
        pixels = round(width * width * camera.height / camera.width)
        self.view = PinholeView.for_camera(camera, pixels=pixels, multiple_of=2)
        self._render = ViewRenderer(camera, self.view)

    def paint(
        self,
        frame: Frame,
        T_camera_lidar: npt.ArrayLike,
        depth_range_m: tuple[float, float] | None = None,
    ) -> Picture:
        """The image of `frame` with its visible points as discs coloured by depth, near ones warm.

        The colours span `depth_range_m` (near, far), by default that of these points; give the same range to
        pictures that are compared.
        """
        uv, depth = self._visible(frame, T_camera_lidar)
        colors = depth_colors(depth, *(depth_range_m or _range_of(depth)))
        return draw_discs(_muted(self._render(frame.image)), uv, depth, colors, _disc_radius(uv))

    def depth_range(self, frame: Frame, T_camera_lidar: npt.ArrayLike) -> tuple[float, float]:
        """(near, far) in metres that hold nearly all visible points."""
        return _range_of(self._visible(frame, T_camera_lidar)[1])

    def _visible(self, frame: Frame, T_camera_lidar: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Pixels (n, 2) and depths (n,) of the points that the image shows."""
        uv, depth = self.view.project(se3.transform_points(T_camera_lidar, frame.xyz))
        seen = visible_points(uv, depth, self.view.width, self.view.height)
        uv, depth = uv[seen], depth[seen]
        column, row = np.round(uv).astype(np.intp).T
        has_image = self._render.valid[row, column]
        return uv[has_image], depth[has_image]


def depth_colors(depth_m: npt.ArrayLike, near_m: float, far_m: float) -> Picture:
    """RGB (n, 3) of depths (n,) on a logarithmic scale of the turbo colormap, near warm and far cold."""
    depth = np.maximum(np.asarray(depth_m, dtype=np.float64), 1e-6)
    nearness = np.clip(np.log(far_m / depth) / np.log(far_m / near_m), 0.0, 1.0)
    return _turbo()[np.round(255 * (_TURBO_FAR + (_TURBO_NEAR - _TURBO_FAR) * nearness)).astype(np.intp)]


def draw_discs(
    picture: Picture, uv: npt.ArrayLike, depth_m: npt.ArrayLike, colors: Picture, radius_px: float
) -> Picture:
    """A copy of `picture` with anti-aliased discs at uv (n, 2); where they overlap the nearest is on top."""
    reach = int(np.ceil(radius_px))
    offset = np.arange(-reach, reach + 1)
    # A margin around the picture takes the parts of discs that reach beyond it.
    canvas = cv2.copyMakeBorder(picture, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    flat = canvas.reshape(-1, 3)

    far_first = np.argsort(-np.asarray(depth_m))
    centre = np.asarray(uv, dtype=np.float32)[far_first]
    pixel = np.round(centre).astype(np.int32)
    on_picture = ((pixel >= 0) & (pixel < picture.shape[1::-1])).all(axis=1)
    pixel, centre, paint = pixel[on_picture], centre[on_picture], colors[far_first[on_picture]]

    across, down = ((pixel[:, i, None] + offset - centre[:, i, None]) ** 2 for i in (0, 1))
    cover = radius_px + 0.5 - np.sqrt(down[:, :, None] + across[:, None, :])
    column, row = (pixel[:, i, None] + offset + reach for i in (0, 1))
    index = row[:, :, None] * canvas.shape[1] + column[:, None, :]

    # Of several writes to one pixel the last stays: rims first, so that no rim cuts a hole into another disc.
    rim = (cover > 0) & (cover < _SOLID_COVER)
    opacity = cover[rim, None]
    flat[index[rim]] = (1 - opacity) * flat[index[rim]] + opacity * paint[np.nonzero(rim)[0]]
    solid = cover >= _SOLID_COVER
    flat[index[solid]] = paint[np.nonzero(solid)[0]]
    return np.ascontiguousarray(canvas[reach:-reach, reach:-reach])


def _range_of(depth_m: FloatArray) -> tuple[float, float]:
    if len(depth_m) < _FEWEST_FOR_RANGE:
        return _DEFAULT_DEPTH_RANGE_M
    near, far = np.quantile(depth_m, [0.01, 0.98])
    return float(near), float(max(far, 1.5 * near))


def _disc_radius(uv: FloatArray) -> float:
    """As large as leaves gaps: 16 beams then read as well as 64, and the image shows through."""
    occupied = len(np.unique(np.floor(uv / _SPACING_CELL_PX) @ [1, 1 << 16]))
    spacing = _SPACING_CELL_PX * np.sqrt(occupied / max(len(uv), 1))
    return float(np.clip(0.3 * spacing, *_DISC_RADIUS_PX))


def _muted(picture: Picture) -> Picture:
    """Less colour and light, so that the discs stand out and the edges of the image stay readable."""
    gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(picture, 0.4, gray, 0.4, 0).astype(np.uint8, copy=False)


@lru_cache(maxsize=1)
def _turbo() -> Picture:
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return cv2.applyColorMap(ramp, cv2.COLORMAP_TURBO)[:, 0, ::-1].astype(np.uint8)
