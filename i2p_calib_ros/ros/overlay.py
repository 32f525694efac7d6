"""The live overlay: the cloud on the image before and after calibration, with state and numbers in words."""

from __future__ import annotations

import textwrap
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.evaluation.overlay import OverlayPainter, Picture
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.geometry.visibility import visible_points
from i2p_calib_ros.ros.session import Snapshot
from i2p_calib_ros.ros.state import State

Layout = Literal["before_after", "blended"]

STATE_COLORS: dict[State, tuple[int, int, int]] = {
    "waiting": (150, 150, 150),
    "calibrating": (70, 140, 220),
    "converged": (60, 170, 80),
    "inconclusive": (215, 160, 40),
    "decalibrated": (210, 60, 50),
}
"""RGB; markers use the same."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WIDE = 1.5  # pictures of a larger aspect are stacked, others put side by side
_LINES = 2
_ALPHABET = "the quick brown fox jumps over the lazy dog"


class OverlayRenderer:
    """Draws overlays; the warp of a camera is prepared once."""

    def __init__(self) -> None:
        self._painter: OverlayPainter | None = None
        self._painter_of: tuple[Camera, int] | None = None

    def render(self, frame: Frame, snapshot: Snapshot, layout: Layout, width_px: int) -> Picture:
        """RGB picture of one frame: the initial extrinsic beside the estimate, or both blended into one picture."""
        assert snapshot.initial is not None, "nothing to show before the calibration has started"
        painter = self._painter_for(frame.camera, width_px)
        T_before = snapshot.initial.T_camera_lidar
        T_after = current_extrinsic(snapshot)
        depth_range = painter.depth_range(frame, T_after)
        before = painter.paint(frame, T_before, depth_range)
        after = painter.paint(frame, T_after, depth_range)
        if layout == "blended":
            picture: NDArray[np.uint8] = np.asarray(cv2.addWeighted(before, 0.35, after, 0.65, 0), np.uint8)
            _label(picture, "before, faint, and after")
        else:
            _label(before, "before: initial extrinsic")
            _label(after, "after: estimate" if snapshot.estimate is not None else "after: no estimate yet")
            wide = picture_aspect(before) > _WIDE
            picture = np.concatenate([before, after], axis=0 if wide else 1)
        return np.concatenate([picture, _caption(snapshot, picture.shape[1])])

    def _painter_for(self, camera: Camera, width_px: int) -> OverlayPainter:
        if self._painter is None or self._painter_of != (camera, width_px):
            self._painter, self._painter_of = OverlayPainter(camera, width_px), (camera, width_px)
        return self._painter


def current_extrinsic(snapshot: Snapshot) -> NDArray[np.float64]:
    """The estimate, or while there is none what is trusted: T_camera_lidar (4, 4)."""
    assert snapshot.trusted is not None
    return snapshot.trusted.T_camera_lidar if snapshot.estimate is None else snapshot.estimate.T_mean


def describe(snapshot: Snapshot) -> str:
    """State, sigma and distance from the initial extrinsic on one line."""
    text = snapshot.state.upper()
    if snapshot.estimate is None or snapshot.initial is None:
        return text
    sigma = np.sqrt(np.diag(snapshot.estimate.covariance))
    off = se3.pose_error(snapshot.estimate.T_mean, snapshot.initial.T_camera_lidar)
    return (
        f"{text}   sigma {np.rad2deg(sigma[3:].max()):.2f} deg {100 * sigma[:3].max():.1f} cm   "
        f"from initial {off.rotation_deg:.2f} deg {100 * off.translation_m:.1f} cm"
    )


def colored_points(frame: Frame, T_camera_lidar: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The points (n, 3) that the image shows, LiDAR frame, and their colours (n, 3) RGB."""
    xyz_camera = se3.transform_points(T_camera_lidar, frame.xyz)
    pixels, valid = frame.camera.project(xyz_camera)
    seen = valid & visible_points(pixels, xyz_camera[:, 2], frame.camera.width, frame.camera.height)
    column, row = np.round(pixels[seen]).astype(np.intp).T
    return frame.xyz[seen], frame.image[row, column]


def picture_aspect(picture: Picture) -> float:
    """Width over height."""
    return picture.shape[1] / picture.shape[0]


def _caption(snapshot: Snapshot, width: int) -> Picture:
    """A bar in the colour of the state with numbers and the reason."""
    scale = float(np.clip(width / 1600, 0.35, 0.7))
    line = round(34 * scale)
    bar = np.full(((_LINES + 1) * line + line // 2, width, 3), 24, np.uint8)
    bar[: round(line * 1.2)] = STATE_COLORS[snapshot.state]
    _write(bar, describe(snapshot), line, scale)
    (alphabet_width, _), _ = cv2.getTextSize(_ALPHABET, _FONT, scale, 1)
    per_line = int(len(_ALPHABET) * (width - 12) / alphabet_width)
    reason = textwrap.wrap(snapshot.reason, per_line, max_lines=_LINES, placeholder=" ...")
    for index, text in enumerate(reason):
        _write(bar, text, (index + 2) * line + line // 4, scale)
    return bar


def _label(picture: NDArray[np.uint8], text: str) -> None:
    scale = float(np.clip(picture.shape[1] / 1600, 0.35, 0.7))
    (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
    picture[: height + 2 * base + 2, : width + 2 * base] //= 3
    _write(picture, text, height + base, scale)


def _write(picture: NDArray[np.uint8], text: str, baseline: int, scale: float) -> None:
    cv2.putText(picture, text, (6, baseline), _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
