"""The command line as a user meets it: results that hold, and mistakes that are explained."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from i2p_calib_ros.engines.model_file import find_model, load_model
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.frames.source import open_source


def run(*arguments, cwd, timeout=600):
    command = [sys.executable, "-m", "i2p_calib_ros.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)


def refused(*arguments, cwd):
    """The message of a command that must fail without a traceback."""
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert any(line.startswith("error:") for line in done.stderr.splitlines())
    return done.stderr


@pytest.fixture(scope="module")
def bag(data_folder, tmp_path_factory):
    """Twenty frames of a drive that the weights were not trained on."""
    folder = data_folder / "kitti_2011_09_26_drive0009_cam2"
    if not folder.is_dir():
        pytest.skip(f"no sequence at {folder}")
    path = tmp_path_factory.mktemp("bag") / "drive.mcap"
    done = run("convert", "sequence", folder, path, "--compressed", cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return path


def test_replay_of_a_real_drive_removes_most_of_the_error_and_writes_everything(bag, tmp_path):
    done = run(
        "replay", bag, "--perturb", "5deg,0.2m", "--seed", 3, "--truth", "tf", "--frames", 30,
        "--out", tmp_path / "out", "--json", tmp_path / "result.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["start"]["rotation_error_deg"] == pytest.approx(5.0, abs=1e-6)
    assert result["start"]["translation_error_m"] == pytest.approx(0.2, abs=1e-6)
    assert result["final"]["rotation_error_deg"] < 1.0
    assert result["final"]["translation_error_m"] < 0.2
    assert result["latency_s"]["p50"] > 0
    sigma = np.array(result["final"]["sigma_translation_m"])
    assert (sigma > 0.002).all() and (sigma < 0.2).all()
    written = yaml.safe_load((tmp_path / "out" / "extrinsic.yaml").read_text())
    np.testing.assert_allclose(written["T_camera_lidar"]["matrix"], result["final"]["T_camera_lidar"], atol=1e-6)
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/") >= 3
    assert "error" in done.stdout and "verdict" in done.stdout and "static_transform_publisher" in done.stdout


def test_demo_needs_no_data_and_shows_what_it_did(tmp_path):
    done = run("demo", "--frames", 8, "--by", "2deg,0.1m", "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["start"]["rotation_error_deg"] == pytest.approx(2.0, abs=1e-6)
    assert result["start"]["translation_error_m"] == pytest.approx(0.1, abs=1e-6)
    assert result["final"]["rotation_error_deg"] < 2.0
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/") >= 3


def test_replay_without_truth_has_null_errors_and_reads_its_own_extrinsic_file(bag, tmp_path):
    first = run("replay", bag, "--frames", 3, "--out", "one", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    second = run("replay", bag, "--frames", 3, "--initial", "one/extrinsic.yaml", "--out", "two", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    result = json.loads((tmp_path / "two" / "result.json").read_text())
    assert result["final"]["rotation_error_deg"] is None and result["final"]["translation_error_m"] is None


def test_evaluate_writes_the_protocol_in_numbers(data_folder, tmp_path):
    done = run(
        "evaluate", "--data", data_folder, "--only", "kitti_2011_09_26_drive0009_cam", "--trials", 4,
        "--bounds", "2deg,0.1m", "--json", "local.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "local.json").read_text())
    keys = {"median_rotation_deg", "median_translation_m", "mean_signed", "within_2deg_5cm", "within_1deg_2.5cm"}
    assert keys <= summary["overall"].keys()
    assert len(summary["by_sequence"]) == 2 and summary["overall"]["trials"] == 4
    assert summary["overall"]["median_rotation_deg"] < 2.0


def test_a_truncated_bag_is_refused_with_what_to_do(bag, tmp_path):
    short = tmp_path / "short.mcap"
    short.write_bytes(bag.read_bytes()[:5000])
    assert "short.mcap" in refused("replay", short, cwd=tmp_path)


def test_a_bag_without_camera_info_is_refused(recording, tmp_path):
    path = recording.drive().without("/cam/camera_info").write(tmp_path / "bag")
    assert "CameraInfo" in refused("replay", path, cwd=tmp_path)


def test_an_unknown_encoding_is_refused_by_name(recording, make, tmp_path):
    recording.drive(frames=1).without("/cam/image_raw")
    recording.add("/cam/image_raw", make.image(make.start_ns, encoding="yuv999"))
    recording.static(make.transform("lidar", "cam"))
    assert "yuv999" in refused("replay", recording.write(tmp_path / "bag"), cwd=tmp_path)


def test_a_bag_with_two_cameras_is_answered_with_commands(recording, tmp_path):
    recording.drive(camera="/left").drive(camera="/right", points="/points")
    message = refused("replay", recording.write(tmp_path / "bag"), cwd=tmp_path)
    assert "i2p-calib replay" in message and "--image /left/image_raw" in message and "/right" in message


def test_a_bag_without_tf_asks_for_an_initial_extrinsic(recording, tmp_path):
    assert "--initial" in refused("replay", recording.drive().write(tmp_path / "bag"), cwd=tmp_path)


def test_a_bag_becomes_a_sequence_folder_and_is_not_written_over(recording, make, tmp_path):
    path = recording.drive(frames=3).static(make.transform("lidar", "cam", xyz=(0.1, 0.2, 0.3))).write(tmp_path / "bag")
    convert = ("convert", "recording", path, tmp_path / "drive")
    assert run(*convert, "--sweep", "instant", cwd=tmp_path).returncode == 0
    source, written = open_source(path), SequenceFolder(tmp_path / "drive")
    assert written.camera == source.camera and len(written) == 3
    np.testing.assert_allclose(written.initial_extrinsic(), source.initial_extrinsic())
    for before, after in zip(source, written):
        np.testing.assert_allclose(after.xyz, before.xyz, atol=0.0026)
        assert after.intensity is None and before.intensity is None
        assert abs(after.image_stamp_ns - before.image_stamp_ns) < 1_000
        assert np.abs(after.image.astype(int) - before.image).max() <= 2
    assert "exists already" in refused(*convert, cwd=tmp_path)


def test_a_bag_that_moves_unknown_makes_no_sequence_folder(recording, make, tmp_path):
    path = recording.drive(frames=1).static(make.transform("lidar", "cam")).write(tmp_path / "bag")
    message = refused("convert", "recording", path, tmp_path / "drive", "--image-delay", 0.01, cwd=tmp_path)
    assert "motion not known" in message and not list(tmp_path.glob("*drive*"))


def test_a_bag_whose_clouds_are_all_empty_or_nan_says_so_and_fails(recording, make, tmp_path):
    for index in range(3):
        stamp_ns = make.start_ns + index * make.period_ns
        recording.add("/cam/camera_info", make.camera_info(stamp_ns))
        recording.add("/cam/image_raw", make.image(stamp_ns))
        recording.add("/points", make.cloud(stamp_ns, np.full((200, 3), np.nan) if index else np.empty((0, 3))))
    recording.static(make.transform("lidar", "cam"))
    assert "no usable frame" in refused("replay", recording.write(tmp_path / "bag"), cwd=tmp_path)


def test_corrupt_weights_are_refused_with_what_to_do(bag, tmp_path):
    card = find_model("vpp_real")
    weights = load_model().card.weights.file
    (tmp_path / "models").mkdir()
    (tmp_path / "weights").mkdir()
    (tmp_path / "models" / "broken.yaml").write_text(card.read_text())
    data = bytearray((card.parent.parent / "weights" / weights).read_bytes())
    for damage in (data[: len(data) // 2], bytes(b ^ 0xFF for b in data[:64]) + data[64:]):
        (tmp_path / "weights" / weights).write_bytes(damage)
        message = refused("replay", bag, "--model", tmp_path / "models" / "broken.yaml", cwd=tmp_path)
        assert weights in message and "sha256" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["replay", "nowhere.mcap"], "nowhere.mcap"),
        (["replay", ".", "--spread", "4,0.1"], "--spread"),
        (["replay", "BAG", "--initial", "unknown", "--perturb", "5deg,0.2m"], "--perturb"),
        (["evaluate", "--data", ".", "--protocol", "best"], "local"),
        (["evaluate", "--data", "."], "sequence.json"),
        (["evaluate", "--data", ".", "--model", "nothing"], "sequence.json"),
        (["export", "nothing", "--name", "x"], "i2p-calib train"),
    ],
)
def test_mistakes_are_explained(arguments, expected, bag, tmp_path):
    assert expected in refused(*[bag if argument == "BAG" else argument for argument in arguments], cwd=tmp_path)


def test_doctor_tells_versions_models_and_topics(bag, tmp_path):
    done = run("doctor", bag, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("torch", "vpp_real", "/points", "plumb_bob"):
        assert text in done.stdout
