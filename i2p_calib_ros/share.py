"""Where the files that come with the package are: models, weights, configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from i2p_calib_ros.errors import CalibrationInputError


def share_folders() -> list[Path]:
    """Where `config/`, `models/` and `weights/` may be: the source tree, an installed prefix, a ROS workspace."""
    prefixes = [Path(sys.prefix)] + [
        Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p
    ]
    return [Path(__file__).parents[1]] + [prefix / "share" / "i2p_calib_ros" for prefix in prefixes]


def share_file(relative: str) -> Path:
    """A file such as `config/fastdds.xml`. Raises CalibrationInputError where the package lacks it."""
    for folder in share_folders():
        if (folder / relative).is_file():
            return folder / relative
    raise CalibrationInputError(f"{relative} is not installed; install i2p_calib_ros again")
