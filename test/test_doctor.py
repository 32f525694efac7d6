"""What the doctor says of recordings and models, without running a network."""

from pathlib import Path

import yaml

from i2p_calib_ros import doctor
from i2p_calib_ros.doctor import describe_installation, describe_recording
from i2p_calib_ros.engines import model_file


def test_a_usable_bag_is_described_by_topics_camera_and_extrinsic(recording, make, tmp_path):
    recording.drive(frames=3).static(make.transform("lidar", "cam"))
    (title, topics), (_, usable) = describe_recording(recording.write(tmp_path / "bag"))
    assert "bag" in title
    assert dict(topics)["/points"] == "sensor_msgs/msg/PointCloud2  x3"
    described = dict(usable)
    assert described["camera"] == "64 x 48, plumb_bob, fx 50.0"
    assert described["pairs, about"] == "3"
    assert described["initial extrinsic on tf"] == "yes"


def test_a_bag_without_tf_is_told_which_option_helps(recording, tmp_path):
    _, (_, usable) = describe_recording(recording.drive().write(tmp_path / "bag"))
    assert "--initial" in dict(usable)["initial extrinsic on tf"]


def test_a_bag_that_cannot_be_used_says_why_and_still_lists_its_topics(recording, tmp_path):
    path = recording.drive().without("/cam/camera_info").write(tmp_path / "bag")
    (_, topics), (_, usable) = describe_recording(path)
    assert "/points" in dict(topics)
    assert "CameraInfo" in dict(usable)["not usable as it is"]


def test_a_sequence_folder_is_described_without_topics(boxes: Path):
    (_, topics), (_, usable) = describe_recording(boxes / "boxes")
    assert topics == [] and dict(usable)["pairs, about"] == "2"


def test_a_damaged_model_is_named_beside_the_reason(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "weights").mkdir()
    card = {
        "name": "torn",
        "description": "",
        "licence": "",
        "network": {},
        "likelihood": {"effective_points": 40.0},
        "weights": {"file": "torn.safetensors", "sha256": "0" * 64},
    }
    (tmp_path / "models" / "torn.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "weights" / "torn.safetensors").write_bytes(b"half of it")
    for module in (doctor, model_file):
        monkeypatch.setattr(module, "share_folders", lambda: [tmp_path])
    models = dict(dict(describe_installation())["Models"])
    assert models["torn"].startswith("damaged: ") and "sha256" in models["torn"]
