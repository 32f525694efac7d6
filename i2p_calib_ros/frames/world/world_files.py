"""Synthetic drives on disk: sequence folders to train on, and bags with their truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_writer import write_bag
from i2p_calib_ros.frames.sequence import FIRST_STAMP_NS
from i2p_calib_ros.frames.sequence_writer import write_json, write_sequence
from i2p_calib_ros.frames.world.drive import Decalibration, SyntheticDrive
from i2p_calib_ros.frames.world.lidar.patterns import PATTERNS
from i2p_calib_ros.frames.world.places.kinds import PLACE_KINDS
from i2p_calib_ros.worker_pool import run_jobs

_SETTINGS_FILE = "world.json"
_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class WorldSettings:
    """What a world on disk is made of: `frames` in all, in drives of `frames_per_drive`, of every `every`-th sweep of
    a 10 Hz LiDAR. `size`: width and height of all images, else random; `kind`: of the places, else any; `lidar`: model
    of all LiDARs, else any; `sector_deg`: how far left and right of the camera's heading clouds reach.

    As bags (`bag`), the camera may have moved since it was calibrated: by `rotation_deg` and `translation_m` in a
    random direction, `decalibration` constant from the start, drifting over the whole drive, or a bump in its middle.
    """

    frames: int
    seed: int
    frames_per_drive: int = 15
    every: int = 3
    size: tuple[int, int] | None = None
    kind: str | None = None
    lidar: str | None = None
    sector_deg: float = 180.0
    bag: bool = False
    decalibration: str = "constant"
    rotation_deg: float = 0.0
    translation_m: float = 0.0

    def drives(self) -> list[tuple[str, int, int]]:
        """(name, seed, frames) of every drive."""
        starts = range(0, self.frames, self.frames_per_drive)
        seeds = np.random.SeedSequence(self.seed).generate_state(len(starts), np.uint32)
        return [
            (f"world_{self.seed}_{i:05d}", int(seed), min(self.frames_per_drive, self.frames - start))
            for i, (seed, start) in enumerate(zip(seeds, starts))
        ]

    def drive(self, seed: int, frames: int) -> SyntheticDrive:
        """The drive that a seed of `drives` stands for."""
        return SyntheticDrive(
            seed,
            frames,
            rate_hz=10.0 / self.every,
            kind=self.kind,
            size=self.size,
            lidar=self.lidar,
            sector_deg=self.sector_deg,
            decalibration=self._decalibration_of(seed, 0.1 * self.every * frames),
        )

    def _decalibration_of(self, seed: int, duration_s: float) -> Decalibration | None:
        if self.rotation_deg == 0 and self.translation_m == 0:
            return None
        span = {
            "constant": (-np.inf, -np.inf),
            "drifting": (0.0, duration_s),
            "bump": (duration_s / 2, duration_s / 2),
        }
        return Decalibration.random(
            np.random.default_rng(seed), self.rotation_deg, self.translation_m, *span[self.decalibration]
        )


DECALIBRATIONS = ("constant", "drifting", "bump")


class NothingSeen(CalibrationInputError):
    """No frame of a drive can be used."""


def make_world(settings: WorldSettings, out: str | Path, processes: int) -> Iterator[int]:
    """Write all drives under `out`; yields the number of frames of each when it is done.

    The files depend on the settings alone. Drives that are there already are kept, so that a run that was stopped
    goes on. Raises `CalibrationInputError` when `out` holds a world of other settings.
    """
    out = Path(out)
    _claim(out, settings)
    missing = []
    for name, seed, frames in settings.drives():
        if (out / name).exists() or (out / f"{name}.mcap").exists():
            yield frames
        else:
            missing.append((settings, out, name, seed, frames))
    if processes == 1:
        for job in missing:
            yield _write_drive(*job)
        return
    for _, frames in run_jobs(_write_drive, missing, processes):
        yield frames


def write_drive_folder(drive: SyntheticDrive, folder: str | Path) -> int:
    """Write the drive as a sequence folder, which has one extrinsic: the true one. Returns the number of frames.

    Raises `CalibrationInputError` when the folder exists or the extrinsic changes during the drive, `NothingSeen` when
    the LiDAR sees next to nothing in any frame.
    """
    if drive.decalibration is not None and not drive.decalibration.constant:
        raise CalibrationInputError("A sequence folder has one extrinsic: write a drive whose mount moves as a bag.")
    written = write_sequence(drive, folder, drive.camera, drive.T_camera_lidar_true(0.0), _about(drive))
    if not written:
        raise NothingSeen(f"{drive.name} has no usable frame: {dict(drive.rejected)}.")
    return written


def write_drive_bag(
    drive: SyntheticDrive, path: str | Path, *, on_frame: Callable[[], None] = lambda: None
) -> int:
    """Write the drive as a bag whose tf has the extrinsic the rig was calibrated to, and the truth beside it, in
    PATH with the suffix .truth.json, as `replay --truth` reads it. Returns the number of frames."""
    path = Path(path)
    written = write_bag(drive, path, compressed=True, on_frame=on_frame)
    write_json(path.with_suffix(".truth.json"), truth_of(drive))
    return written.frames


def truth_of(drive: SyntheticDrive) -> dict[str, Any]:
    """`T_camera_lidar` as it is at the end of the drive, and `by_time`: as it is at every image."""
    times_s = np.arange(len(drive)) / drive.rate_hz
    by_time = [
        {"stamp_s": FIRST_STAMP_NS / 1e9 + time_s, "T_camera_lidar": drive.T_camera_lidar_true(time_s).tolist()}
        for time_s in times_s
    ]
    return {
        "name": drive.name,
        "seed": drive.seed,
        "T_camera_lidar": by_time[-1]["T_camera_lidar"],
        "T_camera_lidar_calibrated": drive.initial_extrinsic().tolist(),
        "by_time": by_time,
    }


def _write_drive(settings: WorldSettings, out: Path, name: str, seed: int, frames: int) -> int:
    """One drive. A sequence in which the LiDAR sees next to nothing is left out."""
    cv2.setNumThreads(1)
    drive = settings.drive(seed, frames)
    if settings.bag:
        write_drive_bag(drive, out / f"{name}.mcap")
    else:
        with suppress(NothingSeen):
            write_drive_folder(drive, out / name)
    return frames


def _claim(out: Path, settings: WorldSettings) -> None:
    """Write the settings into the folder, or find the same ones there."""
    if settings.kind not in (None, *PLACE_KINDS):
        raise CalibrationInputError(f"unknown kind of place '{settings.kind}'; there are: {', '.join(PLACE_KINDS)}")
    if settings.lidar not in (None, *PATTERNS):
        raise CalibrationInputError(f"unknown LiDAR '{settings.lidar}'; there are: {', '.join(PATTERNS)}")
    if settings.decalibration not in DECALIBRATIONS:
        raise CalibrationInputError(
            f"unknown decalibration '{settings.decalibration}'; there are: {', '.join(DECALIBRATIONS)}"
        )
    if not settings.bag and (settings.rotation_deg or settings.translation_m):
        raise CalibrationInputError(
            "A sequence folder carries the true extrinsic alone: a decalibration needs a bag (--bag)."
        )
    described = json.loads(json.dumps(asdict(settings)))
    path = out / _SETTINGS_FILE
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != described:
            raise CalibrationInputError(
                f"{out} holds a world of other settings: {found}. Choose another folder or remove it."
            )
        return
    if out.is_dir() and any(out.iterdir()):
        raise CalibrationInputError(f"{out} is not empty and holds no world. Choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, described)


def _about(drive: SyntheticDrive) -> dict[str, Any]:
    return {
        "name": drive.name,
        "dataset": "synthetic street world of i2p_calib_ros",
        "licence": _LICENCE,
        "extrinsic_grade": "exact",
        "seed": drive.seed,
        "place": drive.place.kind,
        "vehicle": drive.rig.vehicle,
        "lidar": drive.rig.lidar.pattern.name,
        "rate_hz": drive.rate_hz,
    }
