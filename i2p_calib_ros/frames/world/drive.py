"""A drive through a random place with a random rig, as a source of frames whose extrinsic is known exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from i2p_calib_ros.frames.frame import Frame, usable_frames
from i2p_calib_ros.frames.sequence import CAMERA_FRAME_ID, FIRST_STAMP_NS, LIDAR_FRAME_ID
from i2p_calib_ros.frames.world.camera.camera_image import render_image
from i2p_calib_ros.frames.world.camera.imaging import random_imaging
from i2p_calib_ros.frames.world.camera.light import random_light
from i2p_calib_ros.frames.world.lidar.sweep import Cloud, Weather, scan
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.places.kinds import make_place
from i2p_calib_ros.frames.world.rig import Rig, random_rig
from i2p_calib_ros.frames.world.tracer import Tracer
from i2p_calib_ros.geometry import se3

FloatArray = NDArray[np.float64]

_LEAD_IN_S = 0.2
"""The world starts this much earlier than the first image, so that the first sweep sees it move."""

_ROBOT_PACE_MPS = 4.0
"""Ways that are taken slower than this are those of small robots."""

_PLACE, _RIG, _LIGHT, _FRAMES = range(4)
"""Streams of randomness of one drive: what draws more numbers in one does not change the others."""


@dataclass(frozen=True)
class Decalibration:
    """How the camera's mount moves away from where it was when the rig was calibrated.

    rotation_deg, translation_m (3,): the signed error that is reached, in axes of the camera optical frame. It grows
    from `from_s` to `until_s` after the first image, at once where these are equal.
    """

    rotation_deg: tuple[float, float, float]
    translation_m: tuple[float, float, float]
    from_s: float = -np.inf
    until_s: float = -np.inf

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        rotation_deg: float,
        translation_m: float,
        from_s: float = -np.inf,
        until_s: float = -np.inf,
    ) -> Decalibration:
        """Of exactly this size, about a random axis and in a random direction."""
        axis, direction = rng.standard_normal((2, 3))
        rotation = axis / np.linalg.norm(axis) * rotation_deg
        translation = direction / np.linalg.norm(direction) * translation_m
        return cls(tuple(rotation.tolist()), tuple(translation.tolist()), from_s, until_s)

    @property
    def constant(self) -> bool:
        """Whether it is there from the beginning and stays."""
        return self.until_s == -np.inf

    def moved(self, T_camera_lidar: npt.ArrayLike, time_s: float) -> FloatArray:
        """The extrinsic (4, 4) at a time, given the calibrated one."""
        duration_s = self.until_s - self.from_s
        share = float(np.clip((time_s - self.from_s) / duration_s, 0, 1)) if duration_s > 0 else time_s >= self.from_s
        return se3.perturb(T_camera_lidar, share * np.array(self.rotation_deg), share * np.array(self.translation_m))


class SyntheticDrive:
    """Frame source over `frames` frames at `rate_hz`; everything follows from `seed`.

    `kind` names a kind of place (places.PLACE_KINDS), else any; `size` is width and height of the images, else random;
    `lidar` names a sensor (lidar.patterns.PATTERNS), else any;
    `place` and `rig` replace the random ones; of the clouds, what lies at most `sector_deg` left or right of the
    camera's heading is kept. The recording carries the extrinsic the rig was calibrated to; `decalibration` moves the
    camera away from it.
    """

    def __init__(
        self,
        seed: int,
        frames: int,
        *,
        rate_hz: float = 10.0,
        kind: str | None = None,
        decalibration: Decalibration | None = None,
        size: tuple[int, int] | None = None,
        lidar: str | None = None,
        sector_deg: float = 180.0,
        place: Place | None = None,
        rig: Rig | None = None,
    ) -> None:
        self.seed = seed
        self.rate_hz = rate_hz
        self.rejected: Counter[str] = Counter()
        self._frames = frames
        duration_s = frames / rate_hz + 2 * _LEAD_IN_S
        self.place = make_place(self._stream(_PLACE), kind, duration_s) if place is None else place
        self.rig = random_rig(self._stream(_RIG), _slow(self.place), size, lidar) if rig is None else rig
        self.decalibration = decalibration
        self.sector_deg = sector_deg
        self.camera = self.rig.camera
        self.name = f"synthetic_{self.place.kind.replace(' ', '_')}_{seed}"
        look = self._stream(_LIGHT)
        self.light = random_light(look, self.place.indoor)
        self.imaging = random_imaging(look)
        self.tracer = Tracer(self.place)

    @property
    def T_camera_lidar_initial(self) -> FloatArray | None:
        """The extrinsic (4, 4) the rig was calibrated to."""
        return self.rig.T_camera_lidar

    def initial_extrinsic(self) -> FloatArray:
        """The extrinsic (4, 4) the rig was calibrated to."""
        return self.rig.T_camera_lidar

    def T_camera_lidar_true(self, time_s: float) -> FloatArray:
        """The extrinsic (4, 4) as it is, `time_s` after the first image."""
        if self.decalibration is None:
            return self.rig.T_camera_lidar
        return self.decalibration.moved(self.rig.T_camera_lidar, time_s)

    def T_world_camera(self, time_s: float) -> FloatArray:
        """Pose (4, 4) of the camera, `time_s` after the first image."""
        T_world_body = self.place.ego.pose(_LEAD_IN_S + time_s)
        return T_world_body @ self.rig.T_body_lidar @ se3.inverse(self.T_camera_lidar_true(time_s))

    def __len__(self) -> int:
        return self._frames

    def __iter__(self) -> Iterator[Frame]:
        return usable_frames(self.load, len(self), self.rejected)

    def load(self, index: int) -> Frame:
        """Frame number `index`, the same at every call; `FrameRejected` when the LiDAR sees next to nothing."""
        image_rng, cloud_rng = np.random.default_rng([self.seed, _FRAMES, index]).spawn(2)
        time_s = index / self.rate_hz
        stamp_s = time_s - self.rig.time_offset_s
        cloud = self.sweep(stamp_s, cloud_rng)
        return Frame.create(
            image=self.picture(time_s, image_rng),
            xyz=cloud.xyz,
            intensity=cloud.intensity,
            camera=self.camera,
            image_stamp_ns=_stamp_ns(time_s),
            cloud_stamp_ns=_stamp_ns(stamp_s),
            camera_frame_id=CAMERA_FRAME_ID,
            lidar_frame_id=LIDAR_FRAME_ID,
            ring=cloud.ring,
            time_offset_s=None if self.rig.compensated else self._since_stamp_s(cloud),
        )

    def _since_stamp_s(self, cloud: Cloud) -> NDArray[np.float32]:
        return cloud.time_offset_s - np.float32(self.rig.sweep_before_stamp_s)

    def picture(self, time_s: float, rng: np.random.Generator) -> NDArray[np.uint8]:
        """The image (h, w, 3) taken `time_s` after the first."""
        return render_image(
            self.tracer,
            self.place,
            self.light,
            self.camera,
            self.T_world_camera(time_s),
            _LEAD_IN_S + time_s,
            self.imaging,
            rng,
        )

    def sweep(self, stamp_s: float, rng: np.random.Generator) -> Cloud:
        """The sweep that passes the heading of the camera `stamp_s` after the first image."""
        return scan(
            self.tracer,
            self.place,
            self.rig.lidar,
            self.rig.T_body_lidar,
            _LEAD_IN_S + stamp_s - self.rig.sweep_before_stamp_s,
            rng,
            weather=Weather(self.light.wetness, self.light.haze_range_m),
            stamp_s=_LEAD_IN_S + stamp_s if self.rig.compensated else None,
            sees=lambda directions: self.rig.sees(directions) & self.rig.ahead(directions, self.sector_deg),
        )

    def _stream(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose])


def _slow(place: Place) -> bool:
    steps_m = np.linalg.norm(np.diff(place.ego.xyz, axis=0), axis=1)
    speeds_mps = steps_m / np.maximum(np.diff(place.ego.times_s), 1e-6)
    return bool(speeds_mps.max(initial=0.0) < _ROBOT_PACE_MPS)


def _stamp_ns(time_s: float) -> int:
    return FIRST_STAMP_NS + round(1e9 * time_s)
