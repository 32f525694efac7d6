"""The calibration file: an extrinsic in every form a user may need, its covariance and its origin."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray

FORMAT = "i2p_calib_ros/extrinsic"
FORMAT_VERSION = 1

COVARIANCE_CONVENTION = (
    "6x6 of a left perturbation, T_true = Exp(xi) T, xi = (x, y, z, rx, ry, rz) in m and rad along and about "
    "the axes of the parent frame, as in geometry_msgs/PoseWithCovariance"
)

ROTATION_TOLERANCE = 2e-3
"""How far R^T R may be from the identity: files written with four decimals pass."""

_HEADER = """\
# Camera-LiDAR extrinsic, written by i2p_calib_ros. Metres, degrees, quaternions as x y z w.
# T_camera_lidar maps a point in the LiDAR frame to the camera optical frame (x right, y down, z forward).
# T_lidar_camera is its inverse, and the one that goes into TF: parent = LiDAR, child = camera.
"""
_TF_NOTE = """\
# Ready to paste. A TF child has one parent: first remove what publishes this transform now.
"""


@dataclass(frozen=True)
class Provenance:
    """Where an extrinsic comes from; what is not known is None."""

    package_version: str
    model_name: str | None = None
    weights_sha256: str | None = None
    source_name: str | None = None
    frames_used: int | None = None
    date: str | None = None
    """ISO 8601 with time zone."""
    image_delay_s: float | None = None
    """The images were taken so much later than their stamps, by the clock of the clouds."""
    image_delay_sigma_s: float | None = None
    T_camera_lidar_initial: FloatArray | None = None
    """(4, 4), the extrinsic that the calibration started from."""


@dataclass(frozen=True)
class Extrinsic:
    """A camera-LiDAR extrinsic: `T_camera_lidar` (4, 4) maps LiDAR points to the camera optical frame (m)."""

    T_camera_lidar: FloatArray
    camera_frame_id: str | None = None
    lidar_frame_id: str | None = None
    covariance: FloatArray | None = None
    """(6, 6) of the left perturbation of T_camera_lidar, order x, y, z, rx, ry, rz (m, rad)."""
    provenance: Provenance | None = None

    @property
    def T_lidar_camera(self) -> FloatArray:
        """(4, 4), the inverse: the pose of the camera in the LiDAR frame."""
        return se3.inverse(self.T_camera_lidar)


def write_extrinsic(path: str | Path, extrinsic: Extrinsic) -> None:
    """Write `extrinsic` as YAML, atomically: a reader or a restart never sees half a file.

    Raises CalibrationInputError when `T_camera_lidar` is not a rigid transform or `path` cannot be written.
    """
    path = Path(path)
    text = to_yaml(extrinsic)
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise CalibrationInputError(
            f"Cannot write the extrinsic file {path}: {error}. Choose a folder you may write to."
        ) from error


def to_yaml(extrinsic: Extrinsic) -> str:
    """The text of the file that `write_extrinsic` writes."""
    T = rigid_transform(extrinsic.T_camera_lidar, "T_camera_lidar")
    extrinsic = replace(extrinsic, T_camera_lidar=T)
    camera, lidar = _frame_ids(extrinsic)
    covariance = extrinsic.covariance
    inverse_covariance = None if covariance is None else se3.covariance_of_inverse(T, covariance)
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "camera_frame_id": extrinsic.camera_frame_id,
        "lidar_frame_id": extrinsic.lidar_frame_id,
        "T_camera_lidar": _describe(T, covariance, parent=camera, child=lidar),
        "T_lidar_camera": _describe(se3.inverse(T), inverse_covariance, parent=lidar, child=camera),
    }
    if covariance is not None:
        content["covariance_convention"] = COVARIANCE_CONVENTION
    if extrinsic.provenance is not None:
        content["provenance"] = _describe_provenance(extrinsic.provenance)
    ready = {"urdf": urdf_joint(extrinsic), "static_transform_publisher": static_transform_command(extrinsic)}
    return "\n".join([_HEADER + _dump(content), _TF_NOTE + _dump(ready)])


def read_extrinsic(path: str | Path) -> Extrinsic:
    """Read a file of `write_extrinsic`, or any YAML or JSON with a 4x4 `T_camera_lidar`.

    Rotations written with few digits are made orthonormal. Raises CalibrationInputError.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationInputError(
            f"Cannot read the extrinsic file {path}: {error}. Expected a YAML or JSON file with T_camera_lidar."
        ) from error
    try:
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise CalibrationInputError(f"{path} is not valid YAML or JSON: {error}") from error
    if not isinstance(content, dict) or "T_camera_lidar" not in content:
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        hint = ""
        if isinstance(content, dict) and "T_lidar_camera" in content:
            hint = " T_lidar_camera is the other direction: invert it."
        raise CalibrationInputError(
            f"{path} has no T_camera_lidar (4x4, LiDAR point to camera optical frame); found: {found}.{hint}"
        )
    return _from_content(content, path)


def rigid_transform(matrix: Any, name: str) -> FloatArray:
    """`matrix` as float64 (4, 4) with an exactly orthonormal rotation.

    Raises CalibrationInputError, naming the matrix, when it is not a rigid transform.
    """
    try:
        T = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CalibrationInputError(f"{name} must be 4 rows of 4 numbers, got {matrix!r}.") from error
    if T.shape != (4, 4):
        raise CalibrationInputError(f"{name} must be 4 rows of 4 numbers, got shape {T.shape}.")
    if not np.isfinite(T).all():
        raise CalibrationInputError(f"{name} must be finite, got {T.tolist()}.")
    if not np.allclose(T[3], [0, 0, 0, 1], rtol=0, atol=1e-6):
        raise CalibrationInputError(
            f"The last row of {name} must be 0 0 0 1, got {T[3].tolist()}. Is the matrix transposed?"
        )
    R = T[:3, :3]
    deviation = float(np.abs(R.T @ R - np.eye(3)).max())
    if deviation > ROTATION_TOLERANCE:
        raise CalibrationInputError(
            f"The rotation of {name} is not orthonormal: R^T R differs from the identity by {deviation:.3g}, "
            f"at most {ROTATION_TOLERANCE:g} is accepted. Check for a scale, swapped rows or missing digits."
        )
    if np.linalg.det(R) < 0:
        raise CalibrationInputError(
            f"The rotation of {name} is a reflection (determinant -1). Check the signs of its rows: "
            "the camera frame is x right, y down, z forward."
        )
    U, _, Vt = np.linalg.svd(R)
    T[:3, :3] = U @ Vt
    T[3] = [0, 0, 0, 1]
    return T


def urdf_origin(T_lidar_camera: npt.ArrayLike) -> str:
    """`<origin xyz rpy/>` of a joint with the LiDAR link as parent and the camera optical link as child."""
    T = np.asarray(T_lidar_camera, dtype=np.float64)
    return f'<origin xyz="{_numbers(T[:3, 3])}" rpy="{_numbers(se3.euler_rpy(T))}"/>'


def urdf_joint(extrinsic: Extrinsic) -> str:
    """The fixed URDF joint from the LiDAR link to the camera optical link."""
    camera, lidar = _frame_ids(extrinsic)
    return (
        f'<joint name="{lidar}_to_{camera}" type="fixed">\n'
        f'  <parent link="{lidar}"/>\n'
        f'  <child link="{camera}"/>\n'
        f"  {urdf_origin(extrinsic.T_lidar_camera)}\n"
        "</joint>\n"
    )


def static_transform_command(extrinsic: Extrinsic) -> str:
    """The command that publishes the extrinsic in TF: parent = LiDAR frame, child = camera optical frame."""
    camera, lidar = _frame_ids(extrinsic)
    T = extrinsic.T_lidar_camera
    values = {
        **dict(zip(("x", "y", "z"), T[:3, 3])),
        **dict(zip(("qx", "qy", "qz", "qw"), se3.quaternion_xyzw(T))),
    }
    options = " ".join(f"--{name} {_numbers([value])}" for name, value in values.items())
    return f"ros2 run tf2_ros static_transform_publisher {options} --frame-id {lidar} --child-frame-id {camera}"


def _frame_ids(extrinsic: Extrinsic) -> tuple[str, str]:
    """Frame ids of camera and LiDAR, with names that say what to fill in where they are not known."""
    return extrinsic.camera_frame_id or "CAMERA_OPTICAL_FRAME", extrinsic.lidar_frame_id or "LIDAR_FRAME"


def _describe(T: FloatArray, covariance: FloatArray | None, *, parent: str, child: str) -> dict[str, Any]:
    description: dict[str, Any] = {
        "parent_frame_id": parent,
        "child_frame_id": child,
        "matrix": _rounded(T, 12),
        "translation_m": _rounded(T[:3, 3], 9),
        "quaternion_xyzw": _rounded(se3.quaternion_xyzw(T), 12),
        "rpy_deg": _rounded(np.rad2deg(se3.euler_rpy(T)), 9),
    }
    if covariance is not None:
        sigma = np.sqrt(np.diag(covariance))
        description["sigma_translation_m"] = _rounded(sigma[:3], 6)
        description["sigma_rotation_deg"] = _rounded(np.rad2deg(sigma[3:]), 6)
        description["covariance"] = [[float(f"{value:.9g}") for value in row] for row in covariance]
    return description


def _describe_provenance(provenance: Provenance) -> dict[str, Any]:
    known = {name: value for name, value in vars(provenance).items() if value is not None}
    if provenance.T_camera_lidar_initial is not None:
        known["T_camera_lidar_initial"] = _rounded(provenance.T_camera_lidar_initial, 12)
    return known


def _from_content(content: dict[str, Any], path: Path) -> Extrinsic:
    name = f"T_camera_lidar in {path}"
    described = content["T_camera_lidar"]
    if not isinstance(described, dict):
        return Extrinsic(rigid_transform(described, name))
    if content.get("format") != FORMAT or content.get("version") != FORMAT_VERSION:
        raise CalibrationInputError(
            f"{path} is of format {content.get('format')} version {content.get('version')}; expected "
            f"{FORMAT} version {FORMAT_VERSION}, or a plain 4x4 T_camera_lidar."
        )
    covariance = described.get("covariance")
    provenance = content.get("provenance")
    return Extrinsic(
        T_camera_lidar=rigid_transform(described.get("matrix"), f"The matrix of {name}"),
        camera_frame_id=content.get("camera_frame_id"),
        lidar_frame_id=content.get("lidar_frame_id"),
        covariance=None if covariance is None else _covariance(covariance, name),
        provenance=None if provenance is None else _provenance(provenance, path),
    )


def _covariance(value: Any, name: str) -> FloatArray:
    try:
        covariance = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CalibrationInputError(f"The covariance of {name} must be 6 rows of 6 numbers.") from error
    if covariance.shape != (6, 6) or not np.isfinite(covariance).all():
        raise CalibrationInputError(
            f"The covariance of {name} must be 6 rows of 6 finite numbers, got shape {covariance.shape}."
        )
    return (covariance + covariance.T) / 2


def _provenance(value: Any, path: Path) -> Provenance:
    fields = Provenance.__dataclass_fields__
    if not isinstance(value, dict) or "package_version" not in value or not fields.keys() >= value.keys():
        raise CalibrationInputError(
            f"The provenance in {path} must name package_version and none but: {', '.join(fields)}."
        )
    initial = value.get("T_camera_lidar_initial")
    if initial is not None:
        value = {
            **value,
            "T_camera_lidar_initial": rigid_transform(initial, f"T_camera_lidar_initial in {path}"),
        }
    return Provenance(**value)


def _rounded(values: FloatArray, digits: int) -> Any:
    return (np.round(values, digits) + 0.0).tolist()  # + 0.0 turns -0.0 into 0.0


def _numbers(values: npt.ArrayLike) -> str:
    return " ".join(f"{value:.9f}" for value in _rounded(np.asarray(values), 9))


class _Dumper(yaml.SafeDumper):
    """Rows of numbers on one line, texts of several lines as blocks."""


def _represent_list(dumper: _Dumper, values: list[Any]) -> yaml.Node:
    flow = not any(isinstance(value, list) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=flow)


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(str, _represent_text)


def _dump(content: dict[str, Any]) -> str:
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return text
