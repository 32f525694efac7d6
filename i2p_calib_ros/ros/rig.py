"""Rig files: the cameras of a vehicle and the launch arguments of each. Imports nothing of ROS."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from i2p_calib_ros.errors import CalibrationInputError


class CameraArguments(BaseModel):
    """Arguments of calibrate.launch.py that a camera may have; None where the launch file's default holds."""

    model_config = ConfigDict(extra="forbid")

    image: str | None = None
    points: str | None = None
    camera_info: str | None = None
    initial: str | None = None
    publish_mode: str | None = None
    model: str | None = None
    device: str | None = None
    params_file: str | None = None
    use_sim_time: bool | None = None
    autostart: bool | None = None


class Rig(BaseModel):
    """The content of a rig file: arguments of all cameras, then of each, by its name."""

    model_config = ConfigDict(extra="forbid")

    common: CameraArguments = Field(default_factory=CameraArguments)
    cameras: dict[str, CameraArguments] = Field(min_length=1)


def read_rig(path: str | Path) -> list[dict[str, str]]:
    """Launch arguments of every camera, its name as `namespace`; files are relative to the rig file.

    Raises CalibrationInputError naming the camera and what is missing or unknown.
    """
    path = Path(path).expanduser()
    try:
        rig = Rig.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise CalibrationInputError(f"{path} is not a rig file: {error}. See config/rig.example.yaml") from error
    return [_launch_arguments(name, rig, path) for name in rig.cameras]


def _launch_arguments(name: str, rig: Rig, path: Path) -> dict[str, str]:
    values = {**rig.common.model_dump(exclude_none=True), **rig.cameras[name].model_dump(exclude_none=True)}
    for topic in ("image", "points"):
        if topic not in values:
            raise CalibrationInputError(f"{path}: camera '{name}' has no '{topic}' topic, and neither has 'common'")
    for file in ("initial", "params_file"):
        if values.get(file, "tf") != "tf":
            values[file] = path.absolute().parent / Path(values[file]).expanduser()
    return {"namespace": name, **{key: _launch_text(value) for key, value in values.items()}}


def _launch_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
