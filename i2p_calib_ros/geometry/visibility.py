"""Which projected points the camera sees, judged from the cloud alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from i2p_calib_ros.geometry.camera import BoolArray, inside_image

_SMALLEST_WINDOW = 2
_LARGEST_WINDOW = 8
_NOTHING = 1e9  # depth of an empty cell; finite, so that the margins do not overflow


def visible_points(
    uv: npt.ArrayLike,
    depth_m: npt.ArrayLike,
    width: int,
    height: int,
    cell_px: float = 2.0,
    window: int | None = None,
    relative_margin: float = 0.1,
    absolute_margin_m: float = 0.3,
) -> BoolArray:
    """Which points (n,) lie on the image, before the camera, and not behind a nearer surface of the cloud.

    `uv` (n, 2) pixels and `depth_m` (n,) of the projected points; non-finite ones count as not visible.

    The nearest depth is kept in cells of `cell_px` pixels. A point is hidden when each of the four open
    quadrants around its cell (up-left, up-right, down-left, down-right), up to `window` cells away, holds a
    surface nearer by the margins. Every plane through a point has a quadrant in which it only recedes, so
    ground and walls at grazing angles never hide themselves, while a point between two scan lines of a nearer
    surface is found. With `window` None it follows, for each axis, the spacing of the points: 16 beams need a
    taller one than 64. The rule is that of Pintus et al., "Real-time rendering of massive unstructured raw
    point clouds using screen-space operators", 2011, with four sectors and a depth margin in place of a solid
    angle.
    """
    uv = np.asarray(uv, dtype=np.float64)
    depth = np.asarray(depth_m, dtype=np.float32)
    visible: BoolArray = inside_image(uv, width, height) & (depth > 0) & np.isfinite(depth)
    if not visible.any():
        return visible
    column, row = np.floor((uv[visible] + 0.5) / cell_px).astype(np.intp).T
    depth = depth[visible]
    nearest = np.full(
        (int(np.ceil(height / cell_px)), int(np.ceil(width / cell_px))), _NOTHING, dtype=np.float32
    )
    np.minimum.at(nearest, (row, column), depth)

    occupied = nearest < _NOTHING
    rows = window if window is not None else _window_for_spacing(occupied.T)
    columns = window if window is not None else _window_for_spacing(occupied)
    surrounding = np.zeros_like(nearest)
    for up in (True, False):
        for left in (True, False):
            quadrant = np.zeros((2 * rows + 1, 2 * columns + 1), dtype=np.uint8)
            quadrant[: rows if up else None, : columns if left else None] = 1
            if not up:
                quadrant[: rows + 1] = 0
            if not left:
                quadrant[:, : columns + 1] = 0
            nearest_there = cv2.erode(nearest, quadrant, borderType=cv2.BORDER_CONSTANT, borderValue=_NOTHING)
            np.maximum(surrounding, nearest_there, out=surrounding)

    visible[visible] = depth <= (1 + relative_margin) * surrounding[row, column] + absolute_margin_m
    return visible


def _window_for_spacing(occupied: BoolArray) -> int:
    """Cells to look along a row of `occupied` to meet the next point of the same surface."""
    line, position = np.nonzero(occupied)
    spacing = np.diff(position)[np.diff(line) == 0]
    typical = int(np.median(spacing)) if spacing.size else 1
    return int(np.clip(typical + 1, _SMALLEST_WINDOW, _LARGEST_WINDOW))
