"""Motion compensation: a cloud as the LiDAR would have measured it all at once, at the moment of the image.

A turning LiDAR measures its points one after the other while the vehicle drives on: at 11 m/s those 40 degrees beside
the heading are 12 cm off along the way, which moves the extrinsic that fits best by some centimetres. How the LiDAR
moves is told by the clouds themselves: each is registered against the one before, and the velocity in between taken as
constant (as in KISS-ICP, Vizzo et al. 2023; the registration is small_gicp, Koide 2024).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import small_gicp
from numpy.typing import NDArray

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.geometry import se3

Sweep = Literal["timed", "stamped", "instant", "clockwise", "counterclockwise"]
"""When the points of a cloud were measured.

timed: as the cloud says, or with the image if it says nothing. stamped: at the cloud's stamp, as where a driver has
compensated them already. instant: with the image, whatever cloud and stamps say. clockwise, counterclockwise (seen from
above): as the cloud says, or by their azimuth, as ten turns a second trigger the camera when they pass straight ahead
(x).
"""

_TURN_S = 0.1
_LONGEST_GAP_S = 0.5  # the vehicle may have turned since, and the clouds have less in common
_VOXEL_M = 0.5
# From far to near: the first cloud is registered without knowing the velocity, which may be metres in the gap.
_CORRESPONDENCES_M = (5.0, 2.0, 0.7)
_LEAST_INLIERS = 0.6  # a registration that went wrong in a street shows 0.4 to 0.55, one that did not 0.64 to 0.95


@dataclass(frozen=True)
class _Observed:
    stamp_s: float
    points: small_gicp.PointCloud
    tree: small_gicp.KdTree


class MotionCompensation:
    """Feed it the frames of one drive in turn; it returns each with its motion and its points at the time of the image.

    The points stay as they are in frames that do not say when they were measured. Frames whose motion is not known are
    unchanged, as no cloud came half a second or less before or the registration fails.
    """

    def __init__(self, sweep: Sweep = "timed") -> None:
        self.sweep = sweep
        self._last: _Observed | None = None
        self._twist_s = np.zeros(6)

    def __call__(self, frame: Frame) -> Frame:
        """The frame as of its image; compensated ones have no times of points any more."""
        if not self._observe(frame):
            return frame
        frame = replace(frame, lidar_twist=self._twist_s)
        since_image_s = self._since_image_s(frame)
        if since_image_s is None:
            return frame
        xyz = _moved(frame.xyz, self._twist_s, since_image_s)
        return replace(frame, xyz=xyz, time_offset_s=None, cloud_stamp_ns=frame.image_stamp_ns)

    def _since_image_s(self, frame: Frame) -> NDArray[np.floating] | None:
        """Seconds (n,) from the image to the measurement of each point."""
        if self.sweep == "instant":
            return None
        since_stamp_s = frame.time_offset_s
        if self.sweep == "stamped":
            since_stamp_s = np.zeros(len(frame.xyz), dtype=np.float32)
        if since_stamp_s is not None:
            return since_stamp_s + (frame.cloud_stamp_ns - frame.image_stamp_ns) * 1e-9
        if self.sweep == "timed":
            return None
        turns = np.arctan2(frame.xyz[:, 1], frame.xyz[:, 0]) / (2 * np.pi)
        return _TURN_S * (turns if self.sweep == "counterclockwise" else -turns)

    def _observe(self, frame: Frame) -> bool:
        """Register the cloud against the last one; whether the velocity is known."""
        points, tree = small_gicp.preprocess_points(frame.xyz.astype(np.float64), downsampling_resolution=_VOXEL_M)
        last, self._last = self._last, _Observed(frame.cloud_stamp_ns * 1e-9, points, tree)
        gap_s = 0.0 if last is None else self._last.stamp_s - last.stamp_s
        if last is None or not 0.0 < gap_s <= _LONGEST_GAP_S:
            self._twist_s = np.zeros(6)
            return False
        T_last_now = se3.exp(self._twist_s * gap_s)
        for distance_m in _CORRESPONDENCES_M:
            found = small_gicp.align(last.points, points, last.tree, T_last_now, max_correspondence_distance=distance_m)
            T_last_now = found.T_target_source
        known = bool(found.num_inliers >= _LEAST_INLIERS * points.size())
        self._twist_s = se3.log(T_last_now) / gap_s if known else np.zeros(6)
        return known


def delayed(frame: Frame, image_delay_s: float) -> Frame:
    """The frame with its points where they are `image_delay_s` later; unchanged where its motion is not known."""
    if frame.lidar_twist is None:
        return frame
    since_image_s = np.full(len(frame.xyz), -image_delay_s, dtype=np.float32)
    return replace(frame, xyz=_moved(frame.xyz, frame.lidar_twist, since_image_s))


def frames_as_of_images(
    frames: Iterable[Frame], sweep: Sweep, image_delay_s: float, left_out: Counter[str]
) -> Iterator[Frame]:
    """The frames of one drive, their points where they are when the image is taken: `image_delay_s` after its stamp.

    Frames whose motion is not known are left out and counted; with `sweep` instant and no delay all are kept.
    """
    compensation = MotionCompensation(sweep)
    for frame in frames:
        if sweep == "instant" and image_delay_s == 0:
            yield frame
            continue
        compensated = compensation(frame)
        if compensated.lidar_twist is None:
            left_out["motion not known from the cloud before"] += 1
            continue
        yield delayed(compensated, image_delay_s)


def _moved(
    xyz: NDArray[np.float32], twist_s: NDArray[np.float64], since_image_s: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Points (n, 3), each measured `since_image_s` (n,) after the image, in the LiDAR's frame of the image's time.

    `twist_s` (6,): velocity of the LiDAR in its own frame, m/s and rad/s. The exponential to second order: what is left
    out is below a millimetre at 50 m for a tenth of a second at 30 deg/s.
    """
    velocity, rate = twist_s[:3].astype(np.float32), twist_s[3:].astype(np.float32)
    t = since_image_s.astype(np.float32)[:, None]
    first = velocity + np.cross(rate, xyz)
    moved: NDArray[np.float32] = xyz + t * (first + 0.5 * t * np.cross(rate, first))
    return moved
