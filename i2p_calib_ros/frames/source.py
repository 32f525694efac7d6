"""What every source of frames offers, and how the right reader is found from a path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag import BagSource
from i2p_calib_ros.frames.bag_file import BAG_SUFFIXES
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.frames.pairing import DEFAULT_SLOP_S
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry.camera import Camera


@runtime_checkable
class FrameSource(Protocol):
    """A recording of one camera and one LiDAR, read frame by frame; iterating again starts again."""

    name: str
    camera: Camera
    rejected: Counter[str]
    """Reason -> number of pairs or messages skipped, filled by the iteration and cleared when it starts."""

    @property
    def T_camera_lidar_initial(self) -> NDArray[np.float64] | None:
        """The extrinsic (4, 4) that the recording carries, LiDAR to camera optical frame, or None."""

    def initial_extrinsic(self) -> NDArray[np.float64]:
        """As `T_camera_lidar_initial`; `CalibrationInputError` saying what is missing instead of None."""

    def __len__(self) -> int:
        """Number of frames; for a bag an upper estimate, for progress."""

    def __iter__(self) -> Iterator[Frame]: ...


def open_source(
    path: str | Path,
    *,
    image_topic: str | None = None,
    camera_info_topic: str | None = None,
    points_topic: str | None = None,
    slop_s: float = DEFAULT_SLOP_S,
) -> FrameSource:
    """Open a sequence folder (with sequence.json), a rosbag2 directory, a single .mcap or a single .db3 file.

    The topics and the slop are for bags; a topic that is not given is guessed where only one fits.
    Raises `CalibrationInputError` when the path is none of these or the recording cannot be used.
    """
    path = Path(path)
    if not path.exists():
        raise CalibrationInputError(
            f"{path} does not exist. Expected a rosbag2 directory, a .mcap or .db3 file or a sequence folder."
        )

    if (path / "sequence.json").is_file() or path.name == "sequence.json":
        return SequenceFolder(path.parent if path.is_file() else path)

    if looks_like_bag(path):
        return BagSource(
            path,
            image_topic=image_topic,
            camera_info_topic=camera_info_topic,
            points_topic=points_topic,
            slop_s=slop_s,
        )

    if path.suffix == ".bag":
        raise CalibrationInputError(
            f"{path} is a ROS 1 bag; this reads ROS 2 bags. "
            f"Convert it: rosbags-convert --src {path} --dst {path.with_suffix('')}"
        )
    inside = ", ".join(sorted(entry.name for entry in path.iterdir())[:6]) if path.is_dir() else "a file"
    raise CalibrationInputError(
        f"{path} is not a recording this can read. Expected a rosbag2 directory (metadata.yaml with .mcap or "
        ".db3 files), a single .mcap or .db3 file, or a sequence folder (sequence.json); "
        f"found: {inside or 'an empty folder'}."
    )


def looks_like_bag(path: Path) -> bool:
    """Whether the path is a .mcap or .db3 file, or a directory that holds one or a metadata.yaml."""
    if path.is_dir():
        return any(file.name == "metadata.yaml" or file.suffix in BAG_SUFFIXES for file in path.iterdir())
    return path.suffix in BAG_SUFFIXES
