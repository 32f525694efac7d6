from __future__ import annotations

from pathlib import Path

import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.source import open_source


def test_a_missing_path(tmp_path: Path):
    with pytest.raises(CalibrationInputError, match="does not exist"):
        open_source(tmp_path / "nowhere.mcap")


def test_a_ros_1_bag_gets_the_command_that_converts_it(tmp_path: Path):
    path = tmp_path / "drive.bag"
    path.write_bytes(b"#ROSBAG V2.0\n")
    command = f"rosbags-convert --src {path} --dst {tmp_path / 'drive'}"
    with pytest.raises(CalibrationInputError, match=command):
        open_source(path)


def test_what_is_no_recording_is_described(tmp_path: Path):
    with pytest.raises(CalibrationInputError, match="found: an empty folder"):
        open_source(tmp_path)
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(CalibrationInputError, match=r"found: holiday\.jpg"):
        open_source(tmp_path)
    with pytest.raises(CalibrationInputError, match="found: a file"):
        open_source(tmp_path / "holiday.jpg")
