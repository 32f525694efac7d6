from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.frames.sequence import FIRST_STAMP_NS, SequenceFolder, iter_sequences
from i2p_calib_ros.frames.source import FrameSource, open_source

T = np.array([[0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1.0]])


@pytest.fixture
def make_sequence(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "drive", frames: int = 3, **changes: Any) -> Path:
        folder = tmp_path / name
        (folder / "image").mkdir(parents=True)
        (folder / "lidar").mkdir()
        names = [f"{index:06d}" for index in range(frames)]
        rng = np.random.default_rng(0)
        for frame in names:
            cv2.imwrite(str(folder / "image" / f"{frame}.jpg"), np.full((48, 64, 3), 90, np.uint8))
            xyz = rng.integers(-9000, 9000, (200, 3), np.int16)
            np.savez_compressed(folder / "lidar" / f"{frame}.npz", xyz=xyz, intensity=np.arange(200, dtype=np.uint8))
        description = {
            "name": name,
            "frames": names,
            "image_size": [64, 48],
            "K": [[50, 0, 32], [0, 50, 24], [0, 0, 1]],
            "distortion_model": "fisheye",
            "D": [0.1, 0.01, 0.001, 0.0001],
            "T_camera_lidar": T.tolist(),
            "cloud_dir": "lidar",
            "cloud_unit_m": 0.005,
            "rate_hz": 10,
        }
        (folder / "sequence.json").write_text(json.dumps(description | changes))
        return folder

    return make


def test_a_frame_has_metres_and_unit_intensities(make_sequence: Callable[..., Path]):
    sequence = SequenceFolder(make_sequence())
    frame = sequence.load(1)
    with np.load(sequence.cloud_path(1)) as stored:
        np.testing.assert_allclose(frame.xyz, stored["xyz"] * 0.005, rtol=1e-6)
        np.testing.assert_allclose(frame.intensity, stored["intensity"] / 255, rtol=1e-6)
    assert frame.image.shape == (48, 64, 3)
    assert frame.camera == sequence.camera and frame.camera.model == "equidistant"
    assert frame.encoded_image is not None
    assert frame.encoded_image.data == sequence.image_path(1).read_bytes()
    np.testing.assert_array_equal(sequence.initial_extrinsic(), T)


def test_it_is_a_frame_source_found_by_its_path(make_sequence: Callable[..., Path]):
    folder = make_sequence()
    for path in (folder, folder / "sequence.json", str(folder)):
        source = open_source(path)
        assert isinstance(source, FrameSource)
        assert source.name == "drive" and len(source) == len(list(source)) == 3


@pytest.mark.parametrize(
    ("changes", "expected_ns"),
    [
        ({}, [FIRST_STAMP_NS + t * 100_000_000 for t in range(3)]),
        ({"rate_hz": None}, [FIRST_STAMP_NS + t * 1_000_000_000 for t in range(3)]),
        (
            {"timestamps": {"camera": [1557539956.400135, 1557539956.5, 1557539957]}},
            [1557539956_400135000, 1557539956_500000000, 1557539957_000000000],
        ),
        (
            {"timestamps": {"camera": ["1970-01-01 00:00:02.000000001", "1970-01-01T00:00:03", "1971"]}},
            [2_000_000_001, 3_000_000_000, 365 * 86_400_000_000_000],
        ),
    ],
    ids=["rate", "no rate", "seconds", "dates"],
)
def test_stamps(make_sequence: Callable[..., Path], changes: dict, expected_ns: list[int]):
    assert [frame.image_stamp_ns for frame in SequenceFolder(make_sequence(**changes))] == expected_ns


def test_frames_that_cannot_be_read_are_skipped_and_counted(make_sequence: Callable[..., Path]):
    sequence = SequenceFolder(make_sequence(frames=7))
    sequence.image_path(0).unlink()
    sequence.image_path(1).write_bytes(b"not an image")
    sequence.cloud_path(2).unlink()
    sequence.cloud_path(3).write_bytes(sequence.cloud_path(3).read_bytes()[:500])
    np.savez(sequence.cloud_path(4), xyz=np.empty((0, 3), np.int16), intensity=np.empty(0, np.uint8))
    np.savez(sequence.cloud_path(5), points=np.ones(3))
    for _ in range(2):  # counted anew every time
        assert len(list(sequence)) == 1
        assert sequence.rejected == {
            "image file missing": 1,
            "compressed image does not decode": 1,
            "cloud file missing": 1,
            "cloud file does not decode": 2,
            "empty point cloud": 1,
        }
    with pytest.raises(FrameRejected, match=str(sequence.image_path(0))):
        sequence.load(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamps": {"camera": [1.0]}}, "one camera timestamp for each of the 3 frames, found 1"),
        ({"timestamps": {"lidar": ["a", "b", "c"]}}, "lidar timestamps in seconds or as"),
        ({"timestamps": {"lidar": [1, None, 2]}}, "lidar timestamps in seconds or as"),
        ({"T_camera_lidar": [[1, 0], [0, 1]]}, "4 rows of 4"),
        ({"K": [[0, 0, 0]] * 3}, "focal"),
    ],
)
def test_descriptions_that_make_no_sense(make_sequence: Callable[..., Path], changes: dict, message: str):
    with pytest.raises(CalibrationInputError, match=message):
        SequenceFolder(make_sequence(**changes))


def test_descriptions_that_cannot_be_read(make_sequence: Callable[..., Path], tmp_path: Path):
    with pytest.raises(CalibrationInputError, match="is missing"):
        SequenceFolder(tmp_path)
    folder = make_sequence()
    (folder / "sequence.json").write_text("{")
    with pytest.raises(CalibrationInputError, match="not valid JSON"):
        SequenceFolder(folder)
    (folder / "sequence.json").write_text('{"K": 1}')
    with pytest.raises(CalibrationInputError, match=r"lacks distortion_model, D, .*cloud_unit_m"):
        SequenceFolder(folder)


def test_iter_sequences(make_sequence: Callable[..., Path], tmp_path: Path):
    one = make_sequence("b")
    make_sequence("a")
    (tmp_path / "clouds").mkdir()
    assert [sequence.name for sequence in iter_sequences(tmp_path)] == ["a", "b"]
    assert [sequence.name for sequence in iter_sequences(one)] == ["b"]


def test_every_real_sequence_loads(data_folder: Path):
    sequences = list(iter_sequences(data_folder))
    assert sequences
    for sequence in sequences:
        frame = sequence.load(len(sequence) - 1)
        assert len(frame.xyz) > 5_000
        assert frame.image.shape == (sequence.camera.height, sequence.camera.width, 3)
        assert abs(np.linalg.det(sequence.initial_extrinsic()[:3, :3]) - 1) < 1e-6
