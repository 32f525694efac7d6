"""Sequence folders: `sequence.json`, `image/NAME.jpg` and one cloud `NAME.npz` a frame.

`sequence.json` gives K, distortion_model and D, image_size, T_camera_lidar (4x4), frames (names), cloud_dir
(relative), cloud_unit_m, and optionally timestamps {camera, lidar} and rate_hz. A cloud holds `xyz` int16 in
units of cloud_unit_m, in the LiDAR frame, and optionally `intensity` uint8.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import Frame, FrameRejected, usable_frames
from i2p_calib_ros.frames.image_msg import decode_compressed
from i2p_calib_ros.geometry.camera import Camera

CAMERA_FRAME_ID = "camera_optical"
LIDAR_FRAME_ID = "lidar"

FIRST_STAMP_NS = 1_000_000_000
"""Sequences without timestamps start at one second: tf reads a stamp of zero as "the latest"."""

REQUIRED_KEYS = (
    "K",
    "distortion_model",
    "D",
    "image_size",
    "T_camera_lidar",
    "frames",
    "cloud_dir",
    "cloud_unit_m",
)


class SequenceFolder:
    """Frame source over one sequence folder; frames can also be read by index with `load`.

    `info` is the content of sequence.json. Raises `CalibrationInputError` when the folder is not one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.info = _read_description(self.path)
        self.name: str = self.info.get("name", self.path.name)
        self.frame_names: list[str] = list(self.info["frames"])
        self.camera = self._camera()
        self.rejected: Counter[str] = Counter()
        self._T_camera_lidar = _transform(self.info["T_camera_lidar"], self.path)
        self._image_stamps = self._stamps("camera")
        self._cloud_stamps = self._stamps("lidar")

    @property
    def T_camera_lidar_initial(self) -> NDArray[np.float64] | None:
        """The reference extrinsic of the data set (4, 4)."""
        return self._T_camera_lidar

    def initial_extrinsic(self) -> NDArray[np.float64]:
        """The reference extrinsic of the data set (4, 4)."""
        return self._T_camera_lidar

    def __len__(self) -> int:
        return len(self.frame_names)

    def __iter__(self) -> Iterator[Frame]:
        return usable_frames(self.load, len(self), self.rejected)

    def load(self, index: int) -> Frame:
        """Frame number `index`; `FrameRejected` when its image or cloud is missing, broken or empty."""
        image_path = self.image_path(index)
        if not image_path.is_file():
            raise FrameRejected("image file missing", str(image_path))
        image, encoded_image = decode_compressed(image_path.read_bytes())
        xyz, intensity = self._load_cloud(index)

        return Frame.create(
            image=image,
            xyz=xyz,
            intensity=intensity,
            camera=self.camera,
            image_stamp_ns=self._image_stamps[index],
            cloud_stamp_ns=self._cloud_stamps[index],
            camera_frame_id=CAMERA_FRAME_ID,
            lidar_frame_id=LIDAR_FRAME_ID,
            encoded_image=encoded_image,
        )

    def image_path(self, index: int) -> Path:
        """Where the image of frame `index` lies."""
        return self.path / "image" / f"{self.frame_names[index]}.jpg"

    def cloud_path(self, index: int) -> Path:
        """Where the cloud of frame `index` lies."""
        return self.path / str(self.info["cloud_dir"]) / f"{self.frame_names[index]}.npz"

    def _load_cloud(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        path = self.cloud_path(index)
        if not path.is_file():
            raise FrameRejected("cloud file missing", str(path))
        try:
            with np.load(path) as cloud:
                xyz = cloud["xyz"].astype(np.float32) * np.float32(self.info["cloud_unit_m"])
                given = cloud.get("intensity")
                intensity = None if given is None else given.astype(np.float32) / np.float32(255)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise FrameRejected("cloud file does not decode", f"{path}: {error}") from error
        return xyz, intensity

    def _camera(self) -> Camera:
        width, height = self.info["image_size"]
        return Camera.validated(
            model=self.info["distortion_model"],
            K=np.asarray(self.info["K"], dtype=np.float64),
            D=np.asarray(self.info["D"], dtype=np.float64),
            width=int(width),
            height=int(height),
        )

    def _stamps(self, sensor: str) -> list[int]:
        given = (self.info.get("timestamps") or {}).get(sensor)
        if given is None:
            period_ns = 1e9 / (self.info.get("rate_hz") or 1.0)
            return [FIRST_STAMP_NS + round(index * period_ns) for index in range(len(self.frame_names))]
        if len(given) != len(self.frame_names):
            raise CalibrationInputError(
                f"{self.path / 'sequence.json'}: expected one {sensor} timestamp for each of the "
                f"{len(self.frame_names)} frames, found {len(given)}."
            )
        try:
            return [_stamp_ns(stamp) for stamp in given]
        except (ValueError, ArithmeticError) as error:
            raise CalibrationInputError(
                f"{self.path / 'sequence.json'}: expected {sensor} timestamps in seconds or as "
                f"'YYYY-MM-DD hh:mm:ss.fraction': {error}."
            ) from error


def iter_sequences(folder: str | Path) -> Iterator[SequenceFolder]:
    """Every sequence folder directly under `folder`, by name; `folder` itself when it is one."""
    folder = Path(folder)
    if (folder / "sequence.json").is_file():
        yield SequenceFolder(folder)
        return
    for description in sorted(folder.glob("*/sequence.json")):
        yield SequenceFolder(description.parent)


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / "sequence.json"
    if not path.is_file():
        raise CalibrationInputError(f"{folder} is not a sequence folder: {path} is missing.")
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CalibrationInputError(f"{path} is not valid JSON: {error}.") from error

    missing = [key for key in REQUIRED_KEYS if not isinstance(info, dict) or key not in info]
    if missing:
        raise CalibrationInputError(f"{path} lacks {', '.join(missing)}.")
    return info


def _transform(value: Sequence[Sequence[float]], folder: Path) -> NDArray[np.float64]:
    T = np.asarray(value, dtype=np.float64)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise CalibrationInputError(
            f"{folder / 'sequence.json'}: expected T_camera_lidar as 4 rows of 4 finite numbers, found shape {T.shape}."
        )
    return T


def _stamp_ns(stamp: str | float) -> int:
    if isinstance(stamp, str):
        return int(np.datetime64(stamp.strip(), "ns").astype(np.int64))
    # Through the decimal digits: a product of floats is off by some 100 ns for present-day stamps.
    return int(Decimal(str(stamp)) * 1_000_000_000)
