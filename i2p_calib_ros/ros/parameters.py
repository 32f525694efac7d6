"""The parameters of the node, each declared once: type, default, range, description and when it may change.

`python -m i2p_calib_ros.ros.parameters` prints them as a Markdown table. Nothing here needs ROS.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from i2p_calib_ros.engines.model_file import DEFAULT_MODEL
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.motion_compensation import Sweep
from i2p_calib_ros.frames.pairing import DEFAULT_SLOP_S
from i2p_calib_ros.ros.state import PublishMode

_READ_ONLY: dict[str, Any] = {"changeable": "at start only"}
_AT_CONFIGURE: dict[str, Any] = {"changeable": "while unconfigured"}
_ANY_TIME: dict[str, Any] = {"changeable": "at any time"}


class Settings(BaseModel):
    """Values of all parameters. The name of a parameter is the alias, or else the field's name."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    autostart: bool = Field(
        True,
        description="configure and activate at start; false leaves both to a lifecycle manager",
        json_schema_extra=_READ_ONLY,
    )
    publish_mode: PublishMode = Field(
        "accepted",
        description="monitor: never publish TF; accepted: TF changes only when the independent check accepts; "
        "continuous: TF follows every estimate",
        json_schema_extra=_ANY_TIME,
    )
    initial_source: Literal["tf", "parameters", "file"] = Field(
        "tf", alias="initial.source", description="where the initial extrinsic is from", json_schema_extra=_AT_CONFIGURE
    )
    initial_file: str = Field(
        "",
        alias="initial.file",
        description="extrinsic file of `~/save` or `i2p-calib replay`, for initial.source file",
        json_schema_extra=_AT_CONFIGURE,
    )
    initial_translation_m: tuple[float, ...] = Field(
        (0.0, 0.0, 0.0),
        min_length=3,
        max_length=3,
        alias="initial.translation_m",
        description="position of the camera in the LiDAR frame, for initial.source parameters",
        json_schema_extra=_AT_CONFIGURE,
    )
    initial_rotation_xyzw: tuple[float, ...] = Field(
        (0.0, 0.0, 0.0, 1.0),
        min_length=4,
        max_length=4,
        alias="initial.rotation_xyzw",
        description="orientation of the camera optical frame in the LiDAR frame, for initial.source parameters",
        json_schema_extra=_AT_CONFIGURE,
    )
    initial_rotation_sigma_deg: float = Field(
        4.0,
        ge=0.1,
        le=10.0,
        alias="initial.rotation_sigma_deg",
        description="how wrong the initial extrinsic may be: standard deviation about each axis",
        json_schema_extra=_AT_CONFIGURE,
    )
    initial_translation_sigma_m: float = Field(
        0.15,
        ge=0.001,
        le=1.0,
        alias="initial.translation_sigma_m",
        description="how wrong the initial extrinsic may be: standard deviation along each axis",
        json_schema_extra=_AT_CONFIGURE,
    )
    camera_frame: str = Field(
        "",
        description="camera optical frame; empty: the frame_id of the images",
        json_schema_extra=_AT_CONFIGURE,
    )
    lidar_frame: str = Field(
        "",
        description="LiDAR frame; empty: the frame_id of the point clouds",
        json_schema_extra=_AT_CONFIGURE,
    )
    child_frame: str = Field(
        "",
        description="TF child frame that is published; empty: the camera frame with _calibrated appended",
        json_schema_extra=_AT_CONFIGURE,
    )
    tf_topic: Literal["/tf_static", "/tf"] = Field(
        "/tf_static",
        description="/tf_static: latched, sent when it changes; /tf: sent ten times a second",
        json_schema_extra=_AT_CONFIGURE,
    )
    image_transport: Literal["auto", "raw", "compressed"] = Field(
        "auto",
        description="type of the image topic; auto: compressed when the topic's name ends in /compressed",
        json_schema_extra=_AT_CONFIGURE,
    )
    reliability: Literal["best_effort", "reliable"] = Field(
        "best_effort",
        description="of the image and point cloud subscriptions; best_effort hears every publisher",
        json_schema_extra=_AT_CONFIGURE,
    )
    sync_slop_s: float = Field(
        DEFAULT_SLOP_S,
        ge=0.001,
        le=1.0,
        description="largest difference between the stamps of image and point cloud of a pair",
        json_schema_extra=_AT_CONFIGURE,
    )
    sweep: Sweep = Field(
        "timed",
        description="when points were measured; they are moved to the image's moment. timed: by their time field, if "
        "any; stamped: at the cloud's stamp, as where the driver compensates them; instant: with the image, whatever "
        "stamps say; clockwise, counterclockwise: without a field by azimuth, of a LiDAR that turns ten times a second "
        "and triggers the camera when it looks ahead",
        json_schema_extra=_AT_CONFIGURE,
    )
    check_period_s: float = Field(
        3.0,
        ge=0.5,
        le=600.0,
        description="time between two runs of the independent alignment check",
        json_schema_extra=_ANY_TIME,
    )
    model: str = Field(
        DEFAULT_MODEL,
        description="name of an installed model, or path of a model's .yaml",
        json_schema_extra=_AT_CONFIGURE,
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where the network runs; auto: the GPU when there is one", json_schema_extra=_AT_CONFIGURE
    )
    state_dir: str = Field(
        "~/.ros/i2p_calib",
        description="folder for saved extrinsics and the last accepted one",
        json_schema_extra=_AT_CONFIGURE,
    )
    restore: bool = Field(
        True,
        description="start from the last accepted extrinsic when the initial one is still the one it corrected",
        json_schema_extra=_AT_CONFIGURE,
    )
    overlay_layout: Literal["before_after", "blended"] = Field(
        "before_after",
        alias="overlay.layout",
        description="of the overlay image: initial extrinsic above or left of the estimate, or both blended",
        json_schema_extra=_ANY_TIME,
    )
    overlay_width_px: int = Field(
        960,
        ge=160,
        le=3840,
        alias="overlay.width_px",
        description="width of one picture of the overlay",
        json_schema_extra=_ANY_TIME,
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Settings of parameters by name; CalibrationInputError names the parameter, its value and what is expected."""
        try:
            settings = cls.model_validate(dict(values))
        except ValidationError as error:
            raise CalibrationInputError("; ".join(_problem(values, item) for item in error.errors())) from error
        settings._check_initial()
        return settings

    def _check_initial(self) -> None:
        if self.initial_source == "file" and not Path(self.initial_file).expanduser().is_file():
            raise CalibrationInputError(
                f"initial.source is file, but initial.file is '{self.initial_file}', which is not a file; "
                "give the path of an extrinsic file"
            )
        norm = float(np.linalg.norm(self.initial_rotation_xyzw))
        if abs(norm - 1.0) > 0.01:
            raise CalibrationInputError(
                f"initial.rotation_xyzw must be a unit quaternion x, y, z, w; its norm is {norm:.3f}"
            )
        if self.initial_source == "parameters" and self.initial_rotation_xyzw == (0.0, 0.0, 0.0, 1.0):
            raise CalibrationInputError(
                "initial.source is parameters, but initial.rotation_xyzw is not set: give the orientation of the "
                "camera optical frame (x right, y down, z forward) in the LiDAR frame"
            )


class Parameter(NamedTuple):
    """One parameter as ROS needs it. minimum, maximum: of numbers, where there is one. choices: of texts."""

    name: str
    default: Any
    description: str
    changeable: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]

    @property
    def read_only(self) -> bool:
        return self.changeable == _READ_ONLY["changeable"]

    @property
    def fixed_while_configured(self) -> bool:
        return self.changeable == _AT_CONFIGURE["changeable"]


def all_parameters() -> list[Parameter]:
    """Every parameter, in the order of the documentation."""
    return [_parameter(name, field) for name, field in Settings.model_fields.items()]


def problem_with(name: str, value: Any) -> str | None:
    """What is wrong with a value for one parameter, by itself; None when it is fine."""
    try:
        Settings.model_validate({name: value})
    except ValidationError as error:
        return "; ".join(_problem({name: value}, item) for item in error.errors())
    return None


def markdown_table(parameters: Iterable[Parameter]) -> str:
    """The table of the documentation."""
    rows = ["| parameter | default | values | changes | meaning |", "|---|---|---|---|---|"]
    for p in parameters:
        if p.choices:
            values = ", ".join(p.choices)
        elif p.maximum is not None:
            values = f"{p.minimum:g} to {p.maximum:g}"
        else:
            values = {bool: "true, false", str: "text", tuple: "numbers"}[type(p.default)]
        default = json.dumps(p.default)
        rows.append(f"| `{p.name}` | `{default}` | {values} | {p.changeable} | {p.description} |")
    return "\n".join(rows)


def _parameter(name: str, field: FieldInfo) -> Parameter:
    limits: list[Any] = field.metadata
    lowest = next((limit.ge for limit in limits if hasattr(limit, "ge")), None)
    highest = next((limit.le for limit in limits if hasattr(limit, "le")), None)
    extra = field.json_schema_extra
    assert isinstance(extra, dict) and field.description, f"{name} is not described"
    return Parameter(
        name=field.alias or name,
        default=field.default,
        description=field.description,
        changeable=str(extra["changeable"]),
        minimum=lowest,
        maximum=highest,
        choices=get_args(field.annotation) if get_origin(field.annotation) is Literal else (),
    )


def _problem(values: Mapping[str, Any], error: Any) -> str:
    name = str(error["loc"][0])
    return f"{name} = {values.get(name)!r}: {error['msg']}"


if __name__ == "__main__":
    print(markdown_table(all_parameters()))
