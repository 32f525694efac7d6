from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.extrinsic_file import (
    Extrinsic,
    Provenance,
    read_extrinsic,
    rigid_transform,
    static_transform_command,
    to_yaml,
    urdf_origin,
    write_extrinsic,
)
from i2p_calib_ros.geometry import se3


def from_rpy_deg(translation: npt.ArrayLike, rpy_deg: npt.ArrayLike) -> np.ndarray:
    """The transform of a URDF origin."""
    return se3.from_rotation_vector(translation, Rotation.from_euler("xyz", rpy_deg, degrees=True).as_rotvec())


T = from_rpy_deg([0.06, -0.08, -0.27], [-89.4, 0.6, -90.1])


def full_extrinsic() -> Extrinsic:
    root = np.random.default_rng(3).normal(size=(6, 6)) * np.array([0.02] * 3 + [0.002] * 3)[:, None]
    provenance = Provenance(
        package_version="0.1.0",
        model_name="small",
        weights_sha256="0" * 64,
        source_name="drive",
        frames_used=40,
        date="2026-01-02T03:04:05+00:00",
        T_camera_lidar_initial=se3.perturb(T, [3, -4, 5], [0.1, 0.2, -0.3]),
    )
    return Extrinsic(T, "camera_optical", "velodyne", root @ root.T, provenance)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "extrinsic.yaml"
    written = full_extrinsic()
    write_extrinsic(path, written)
    read = read_extrinsic(path)

    np.testing.assert_allclose(read.T_camera_lidar, T, atol=1e-10)
    assert read.covariance is not None and written.covariance is not None
    np.testing.assert_allclose(read.covariance, written.covariance, rtol=1e-7)
    assert (read.camera_frame_id, read.lidar_frame_id) == ("camera_optical", "velodyne")
    assert read.provenance is not None and written.provenance is not None
    assert read.provenance.weights_sha256 == "0" * 64
    assert read.provenance.frames_used == 40
    np.testing.assert_allclose(
        read.provenance.T_camera_lidar_initial, written.provenance.T_camera_lidar_initial, atol=1e-10
    )
    assert [file.name for file in path.parent.iterdir()] == ["extrinsic.yaml"]


def test_the_least_extrinsic_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "extrinsic.yaml"
    write_extrinsic(path, Extrinsic(T))
    read = read_extrinsic(path)
    assert read.covariance is None and read.provenance is None and read.camera_frame_id is None


def test_both_directions_agree_in_every_form() -> None:
    content = yaml.safe_load(to_yaml(full_extrinsic()))
    for name, expected in (("T_camera_lidar", T), ("T_lidar_camera", se3.inverse(T))):
        form = content[name]
        by_quaternion = se3.from_quaternion(form["translation_m"], form["quaternion_xyzw"])
        by_rpy = from_rpy_deg(form["translation_m"], form["rpy_deg"])
        for pose in (form["matrix"], by_quaternion, by_rpy):
            np.testing.assert_allclose(pose, expected, atol=1e-8)
    assert content["T_lidar_camera"]["parent_frame_id"] == "velodyne"
    assert content["T_lidar_camera"]["child_frame_id"] == "camera_optical"


def test_the_covariance_of_the_inverse_is_that_of_inverted_samples() -> None:
    extrinsic = full_extrinsic()
    content = yaml.safe_load(to_yaml(extrinsic))
    xi = np.random.default_rng(0).multivariate_normal(np.zeros(6), extrinsic.covariance, size=40_000)
    inverted = se3.log(se3.inverse(se3.exp(xi) @ T) @ T)
    sampled = np.cov(inverted.T)
    written = np.array(content["T_lidar_camera"]["covariance"])
    sigma = np.sqrt(np.diag(written))
    np.testing.assert_allclose(sampled / np.outer(sigma, sigma), written / np.outer(sigma, sigma), atol=0.05)
    np.testing.assert_allclose(content["T_lidar_camera"]["sigma_translation_m"], sigma[:3], atol=1e-6)
    np.testing.assert_allclose(content["T_lidar_camera"]["sigma_rotation_deg"], np.rad2deg(sigma[3:]), atol=1e-6)


@given(translation=st.tuples(*[st.floats(-5, 5)] * 3), rpy_deg=st.tuples(*[st.floats(-179, 179)] * 3))
def test_the_urdf_origin_is_the_pose_of_the_camera_in_the_lidar_frame(
    translation: tuple[float, ...], rpy_deg: tuple[float, ...]
) -> None:
    pose = from_rpy_deg(translation, rpy_deg)
    origin = ElementTree.fromstring(urdf_origin(pose))
    xyz, rpy = (np.array(origin.attrib[name].split(), dtype=float) for name in ("xyz", "rpy"))
    np.testing.assert_allclose(from_rpy_deg(xyz, np.rad2deg(rpy)), pose, atol=1e-7)


def test_the_tf_command_publishes_the_camera_in_the_lidar_frame() -> None:
    command = static_transform_command(full_extrinsic())
    option = dict(re.findall(r"--([\w-]+) (\S+)", command))
    pose = se3.from_quaternion(
        [float(option[name]) for name in ("x", "y", "z")],
        [float(option[name]) for name in ("qx", "qy", "qz", "qw")],
    )
    np.testing.assert_allclose(pose, se3.inverse(T), atol=1e-8)
    assert (option["frame-id"], option["child-frame-id"]) == ("velodyne", "camera_optical")
    assert command.startswith("ros2 run tf2_ros static_transform_publisher --x ")


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_plain_matrix_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"truth{suffix}"
    content = {"T_camera_lidar": np.round(T, 4).tolist()}
    path.write_text(json.dumps(content) if suffix == ".json" else yaml.safe_dump(content))
    read = read_extrinsic(path)
    np.testing.assert_allclose(read.T_camera_lidar, T, atol=1e-4)
    R = read.T_camera_lidar[:3, :3]
    np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.diag([1.1, 1, 1, 1]), "not orthonormal"),
        (np.diag([-1.0, 1, 1, 1]), "reflection"),
        (np.eye(3), r"got shape \(3, 3\)"),
        (T.T, "transposed"),
        (np.full((4, 4), np.nan), "finite"),
        ([[1, 2], [3]], "4 rows of 4 numbers"),
        ("near the bumper", "4 rows of 4 numbers"),
    ],
)
def test_what_is_not_a_rigid_transform_is_refused_by_name(matrix: object, message: str) -> None:
    with pytest.raises(CalibrationInputError, match=message) as raised:
        rigid_transform(matrix, "T_camera_lidar")
    assert "T_camera_lidar" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("T_lidar_camera: []", "other direction"),
        ("a: [1, 2", "not valid YAML"),
        ("- 1\n- 2", "found: list"),
        ("", "found: NoneType"),
        ("T_camera_lidar: {matrix: []}", "expected i2p_calib_ros/extrinsic version 1"),
        ("format: i2p_calib_ros/extrinsic\nversion: 1\nT_camera_lidar: {}", "4 rows of 4 numbers"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "extrinsic.yaml"
    path.write_text(text)
    with pytest.raises(CalibrationInputError, match=message) as raised:
        read_extrinsic(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("covariance", [[1.0]], "6 rows of 6"),
        ("provenance", {"model_name": "small"}, "package_version"),
        ("provenance", {"package_version": "1", "wheel": "left"}, "none but"),
    ],
)
def test_a_broken_part_of_an_own_file_says_why(tmp_path: Path, part: str, value: object, message: str) -> None:
    content = yaml.safe_load(to_yaml(full_extrinsic()))
    (content["T_camera_lidar"] if part == "covariance" else content)[part] = value
    path = tmp_path / "extrinsic.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(CalibrationInputError, match=message):
        read_extrinsic(path)


def test_a_missing_file_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInputError, match="Expected a YAML or JSON file"):
        read_extrinsic(tmp_path / "none.yaml")


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationInputError, match="Cannot write"):
        write_extrinsic(tmp_path / "file" / "extrinsic.yaml", Extrinsic(T))


def test_an_old_file_stays_when_the_new_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "extrinsic.yaml"
    write_extrinsic(path, Extrinsic(T))
    with pytest.raises(CalibrationInputError):
        write_extrinsic(path, Extrinsic(2 * T))
    np.testing.assert_allclose(read_extrinsic(path).T_camera_lidar, T, atol=1e-10)
