"""Rig files: several cameras with common and own launch arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.ros.rig import read_rig

EXAMPLE = Path(__file__).parents[2] / "config" / "rig.example.yaml"


def rig(folder: Path, text: str) -> list[dict[str, str]]:
    path = folder / "rig.yaml"
    path.write_text(text)
    return read_rig(path)


def test_every_camera_has_the_common_arguments_and_its_own() -> None:
    front, left = read_rig(EXAMPLE)
    assert front == {
        "namespace": "front",
        "points": "/lidar/points",
        "publish_mode": "accepted",
        "image": "/camera/front/image_raw",
    }
    assert left["namespace"] == "left" and left["image"].endswith("/compressed") and left["initial"] == "tf"


def test_a_camera_overrides_what_is_common_and_files_are_beside_the_rig(tmp_path: Path) -> None:
    (camera,) = rig(
        tmp_path,
        "common: {points: /points, initial: common.yaml, use_sim_time: true}\n"
        "cameras: {rear: {image: /rear, points: /rear_points, initial: rear.yaml, params_file: /etc/rear.yaml}}",
    )
    assert camera == {
        "namespace": "rear",
        "image": "/rear",
        "points": "/rear_points",
        "initial": str(tmp_path / "rear.yaml"),
        "params_file": "/etc/rear.yaml",
        "use_sim_time": "true",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cameras: {front: {image: /front}}", "'front' has no 'points'"),
        ("cameras: {front: {points: /points}}", "'front' has no 'image'"),
        ("cameras: {}", "cameras"),
        ("cameras: {front: {image: /a, points: /b, colour: red}}", "colour"),
        ("cameras: [", "not a rig file"),
    ],
)
def test_says_which_camera_lacks_what(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(CalibrationInputError, match=complaint):
        rig(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInputError, match=r"nowhere\.yaml"):
        read_rig(tmp_path / "nowhere.yaml")
