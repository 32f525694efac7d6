"""Write frames as a sequence folder."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_writer import JPEG_QUALITY
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.geometry.camera import Camera

CLOUD_UNIT_M = 0.005
CLOUD_DIR = "lidar"


def write_sequence(
    frames: Iterable[Frame],
    folder: str | Path,
    camera: Camera,
    T_camera_lidar: NDArray[np.float64],
    about: dict[str, Any],
) -> int:
    """Write frames of one camera as a sequence folder whose reference extrinsic is `T_camera_lidar` (4, 4).

    about: what else sequence.json says. JPEG images are kept as they are, others are encoded; points further than
    163 m along an axis are dropped. Returns the number of frames; without any, no folder is made. Raises
    `CalibrationInputError` when the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise CalibrationInputError(f"{folder} exists already and is not overwritten. Choose another name.")
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "image").mkdir(parents=True)
    (scratch / CLOUD_DIR).mkdir()
    try:
        stamps = [_write_frame(scratch, f"{i:06d}", frame) for i, frame in enumerate(frames)]
        if stamps:
            write_json(scratch / "sequence.json", about | _description(camera, T_camera_lidar, stamps))
            scratch.rename(folder)  # last, so that a folder that is there is whole
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return len(stamps)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as a text that people can read."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_frame(folder: Path, name: str, frame: Frame) -> dict[str, float]:
    image = folder / "image" / f"{name}.jpg"
    if frame.encoded_image is not None and frame.encoded_image.format == "jpeg":
        image.write_bytes(frame.encoded_image.data)
    else:
        bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(image), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    units = np.round(frame.xyz / np.float32(CLOUD_UNIT_M))
    fits = (np.abs(units) <= np.iinfo(np.int16).max).all(axis=1)
    arrays: dict[str, NDArray[np.generic]] = {"xyz": units[fits].astype(np.int16)}
    if frame.intensity is not None:
        arrays["intensity"] = np.round(255 * frame.intensity[fits]).astype(np.uint8)
    _write_arrays(folder / CLOUD_DIR / f"{name}.npz", arrays)
    return {"camera": frame.image_stamp_ns / 1e9, "lidar": frame.cloud_stamp_ns / 1e9}


def _description(
    camera: Camera, T_camera_lidar: NDArray[np.float64], stamps: list[dict[str, float]]
) -> dict[str, Any]:
    return {
        "frames": [f"{i:06d}" for i in range(len(stamps))],
        "timestamps": {sensor: [stamp[sensor] for stamp in stamps] for sensor in ("camera", "lidar")},
        "image_size": [camera.width, camera.height],
        "K": camera.K.tolist(),
        "distortion_model": camera.model,
        "D": camera.D.tolist(),
        "T_camera_lidar": T_camera_lidar.tolist(),
        "cloud_dir": CLOUD_DIR,
        "cloud_unit_m": CLOUD_UNIT_M,
    }


def _write_arrays(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    """As `np.savez_compressed` does, in a third of the time and with little more space."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
