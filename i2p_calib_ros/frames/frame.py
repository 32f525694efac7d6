"""One synchronized camera image and LiDAR cloud, and the reasons for which such a pair is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.geometry.camera import Camera

MIN_POINTS = 100
"""A cloud with fewer points carries too little to align; a 16-beam sensor gives about 30 000 a turn."""

NO_RETURN_RANGE_M = 1e-3
"""Drivers of organised clouds mark a missing return as NaN or as a point at the sensor origin."""


class FrameRejected(ValueError):
    """This pair cannot be used, the next one may. `reason` is one text for one cause, to be counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """The bytes an image was decoded from, kept so that a copy need not be encoded again."""

    format: str
    """"jpeg" or "png"."""
    data: bytes


@dataclass(frozen=True, eq=False)
class Frame:
    """A camera image and the LiDAR cloud closest to it in time; build it with `Frame.create`.

    image (h, w, 3) uint8 RGB, as the camera made it (not rectified); xyz (n, 3) float32 metres in the LiDAR
    frame, all finite; intensity (n,) float32 in 0..1 or None; ring (n,) integer beam index or None;
    time_offset_s (n,) float32 seconds from `cloud_stamp_ns` to the measurement of the point, or None where that is
    not known or all points are as of the stamp;
    lidar_twist (6,) velocity of the LiDAR in its own frame, m/s and rad/s, or None where it is not known;
    dropped_points: how many points of the message had no return (NaN, infinite or at the sensor origin).
    """

    image: NDArray[np.uint8]
    xyz: NDArray[np.float32]
    intensity: NDArray[np.float32] | None
    camera: Camera
    image_stamp_ns: int
    cloud_stamp_ns: int
    camera_frame_id: str
    lidar_frame_id: str
    ring: NDArray[np.integer] | None = None
    time_offset_s: NDArray[np.float32] | None = None
    lidar_twist: NDArray[np.float64] | None = None
    dropped_points: int = 0
    encoded_image: EncodedImage | None = None

    @classmethod
    def create(
        cls,
        *,
        image: NDArray[np.uint8],
        xyz: NDArray[np.floating],
        intensity: NDArray[np.float32] | None,
        camera: Camera,
        image_stamp_ns: int,
        cloud_stamp_ns: int,
        camera_frame_id: str,
        lidar_frame_id: str,
        ring: NDArray[np.integer] | None = None,
        time_offset_s: NDArray[np.float32] | None = None,
        encoded_image: EncodedImage | None = None,
    ) -> Frame:
        """Drop the points without a return and check the rest; `FrameRejected` when too few is left."""
        keep = has_return(xyz)
        dropped = int(keep.size - np.count_nonzero(keep))
        if dropped:
            xyz = xyz[keep]
            intensity = None if intensity is None else intensity[keep]
            ring = None if ring is None else ring[keep]
            time_offset_s = None if time_offset_s is None else time_offset_s[keep]

        frame = cls(
            image=image,
            xyz=np.ascontiguousarray(xyz, dtype=np.float32),
            intensity=intensity,
            camera=camera,
            image_stamp_ns=int(image_stamp_ns),
            cloud_stamp_ns=int(cloud_stamp_ns),
            camera_frame_id=camera_frame_id,
            lidar_frame_id=lidar_frame_id,
            ring=ring,
            time_offset_s=time_offset_s,
            dropped_points=dropped,
            encoded_image=encoded_image,
        )
        frame._check()
        return frame

    def _check(self) -> None:
        """Raise `FrameRejected` when the cloud is too small or the image is not of the size of the camera."""
        height, width = self.image.shape[:2]
        if (width, height) != (self.camera.width, self.camera.height):
            raise FrameRejected(
                f"image is {width}x{height} but the camera info says {self.camera.width}x{self.camera.height}"
            )
        if len(self.xyz) == 0:
            raise FrameRejected("empty point cloud", f"{self.dropped_points} points without a return")
        if len(self.xyz) < MIN_POINTS:
            raise FrameRejected(f"point cloud with fewer than {MIN_POINTS} valid points", f"{len(self.xyz)} points")


def usable_frames(load: Callable[[int], Frame], count: int, rejected: Counter[str]) -> Iterator[Frame]:
    """Frames 0 to `count` of a source that reads by index; `rejected` is cleared, then counts those left out."""
    rejected.clear()
    for index in range(count):
        try:
            yield load(index)
        except FrameRejected as rejection:
            rejected[rejection.reason] += 1


def has_return(xyz: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mask (n,) of the points xyz (n, 3) that are finite and not at the sensor origin."""
    # Comparing the sum of squares with a bound is False for NaN and infinity alike.
    squared: NDArray[np.floating] = np.einsum("ij,ij->i", xyz, xyz)
    return (squared > NO_RETURN_RANGE_M**2) & (squared < np.inf)
