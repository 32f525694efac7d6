from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag import BagSource
from i2p_calib_ros.frames.bag_file import BagFile
from i2p_calib_ros.frames.bag_writer import write_bag
from i2p_calib_ros.frames.frame import EncodedImage, Frame
from i2p_calib_ros.frames.image_msg import decode_compressed
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.frames.source import open_source
from i2p_calib_ros.geometry.camera import Camera

T_CAMERA_LIDAR = np.array([[0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1.0]])
START_NS = 1_700_000_000_123_456_789
PERIOD_NS = 100_000_000


class MemorySource:
    """A source of a few made-up frames."""

    def __init__(
        self,
        camera: Camera | None = None,
        *,
        frames: int = 4,
        cloud_delay_ns: int = 3_000_000,
        intensity: bool = True,
        encoded: bool = False,
    ) -> None:
        self.name = "memory"
        self.camera = camera or Camera.validated(
            "plumb_bob", [[50, 0, 32], [0, 51, 24], [0, 0, 1]], [0.1, 0.2, 0.01, 0.02, 0.3], 64, 48
        )
        self.rejected: Counter[str] = Counter()
        self.T_camera_lidar_initial: np.ndarray | None = T_CAMERA_LIDAR
        rng = np.random.default_rng(0)
        self.frames = []
        for index in range(frames):
            image = rng.integers(0, 256, (48, 64, 3), np.uint8)
            jpeg = None
            if encoded:
                jpeg = EncodedImage("jpeg", b"\xff\xd8\xff" + bytes([index]) + b"\xff\xd9")
            self.frames.append(
                Frame.create(
                    image=image,
                    xyz=rng.uniform(-50, 50, (300 + index, 3)).astype(np.float32),
                    intensity=rng.random(300 + index, np.float32) if intensity else None,
                    camera=self.camera,
                    image_stamp_ns=START_NS + index * PERIOD_NS,
                    cloud_stamp_ns=START_NS + index * PERIOD_NS + cloud_delay_ns,
                    camera_frame_id="camera_optical",
                    lidar_frame_id="lidar",
                    encoded_image=jpeg,
                )
            )

    def initial_extrinsic(self) -> np.ndarray:
        return T_CAMERA_LIDAR

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)


def assert_same(source: Any, path: Path) -> None:
    read = open_source(path)
    pairs = list(zip(source, read, strict=True))
    assert pairs
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.image, theirs.image)
        np.testing.assert_array_equal(ours.xyz, theirs.xyz)
        if ours.intensity is None:
            assert theirs.intensity is None
        else:
            np.testing.assert_array_equal(ours.intensity, theirs.intensity)
        assert ours.image_stamp_ns == theirs.image_stamp_ns
        assert (ours.camera_frame_id, ours.lidar_frame_id) == (theirs.camera_frame_id, theirs.lidar_frame_id)
    np.testing.assert_allclose(read.T_camera_lidar_initial, source.T_camera_lidar_initial, atol=1e-12)
    assert not read.rejected


@pytest.mark.parametrize("name", ["out.mcap", "out.db3", "out", "deeper/folder/out"])
@pytest.mark.parametrize("intensity", [True, False])
def test_round_trip(tmp_path: Path, name: str, intensity: bool):
    source, out = MemorySource(intensity=intensity), tmp_path / name
    written = write_bag(source, out)
    assert (written.path, written.frames, written.cloud_shift_ns) == (out, 4, 0)
    assert_same(source, out)
    assert (out / "metadata.yaml").is_file() if out.suffix == "" else out.is_file()
    assert [file.name for file in out.parent.iterdir()] == [out.name]


CAMERAS = [
    ("plumb_bob", []),
    ("plumb_bob", [0.1, 0.2, 0.01, 0.02]),
    ("rational_polynomial", [0.1, 0.2, 0.001, 0.002, 0.03, 0.3, 0.2, 0.1]),
    ("equidistant", [0.1, 0.02, 0.003, 0.0004]),
]


@pytest.mark.parametrize(("model", "D"), CAMERAS)
def test_cameras_survive(tmp_path: Path, model: str, D: list[float]):
    camera = Camera.validated(model, [[50, 0, 32], [0, 51, 24], [0, 0, 1]], D, 64, 48)
    write_bag(MemorySource(camera), tmp_path / "out.mcap")
    read = BagSource(tmp_path / "out.mcap").camera
    assert read.model == model
    np.testing.assert_array_equal(read.K, camera.K)
    np.testing.assert_array_equal(read.D[: len(D)], D)
    assert not read.D[len(D) :].any()


def test_compressed_images_keep_the_bytes_of_the_source(tmp_path: Path):
    source = MemorySource(encoded=True)
    write_bag(source, tmp_path / "out", compressed=True)
    bag = BagFile(tmp_path / "out")
    messages = [message.deserialize() for message in bag.messages({"/camera/image_raw/compressed"})]
    assert [bytes(message.data) for message in messages] == [frame.encoded_image.data for frame in source]
    assert {message.format for message in messages} == {"jpeg"}


def test_images_without_bytes_are_encoded(tmp_path: Path):
    source = MemorySource()
    for index, frame in enumerate(source.frames):
        frame.image[:] = [200, 30 * index, 50]
    write_bag(source, tmp_path / "out", compressed=True)
    for ours, theirs in zip(source, BagSource(tmp_path / "out"), strict=True):
        assert np.abs(ours.image.astype(int) - theirs.image).max() <= 4


def test_the_layout_of_the_messages(tmp_path: Path):
    source = MemorySource()
    write_bag(source, tmp_path / "out")
    bag = BagFile(tmp_path / "out")
    assert [(topic.name, topic.type, topic.count) for topic in bag.topics] == [
        ("/camera/camera_info", "sensor_msgs/msg/CameraInfo", 4),
        ("/camera/image_raw", "sensor_msgs/msg/Image", 4),
        ("/points", "sensor_msgs/msg/PointCloud2", 4),
        ("/tf_static", "tf2_msgs/msg/TFMessage", 1),
    ]
    cloud = next(bag.messages({"/points"})).deserialize()
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
        ("intensity", 12, 7, 1),
    ]
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (1, 300, 16, 4800)
    points = np.frombuffer(cloud.data, "<f4").reshape(-1, 4)
    np.testing.assert_array_equal(points[:, :3], source.frames[0].xyz)
    np.testing.assert_array_equal(points[:, 3], source.frames[0].intensity)
    stamp = cloud.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == START_NS + 3_000_000


def test_the_time_of_points_is_relative_to_the_stamp_that_is_written(tmp_path: Path):
    source = MemorySource(cloud_delay_ns=40_000_000)  # too late to pair by stamp
    times_s = [np.linspace(-0.05, 0.05, len(frame.xyz), dtype=np.float32) for frame in source.frames]
    source.frames = [replace(frame, time_offset_s=t) for frame, t in zip(source.frames, times_s)]
    written = write_bag(source, tmp_path / "out.mcap")
    assert written.cloud_shift_ns == -40_000_000
    for read, frame, offset_s in zip(open_source(tmp_path / "out.mcap"), source.frames, times_s, strict=True):
        assert read.cloud_stamp_ns + 1e9 * read.time_offset_s == pytest.approx(frame.cloud_stamp_ns + 1e9 * offset_s)
        np.testing.assert_array_equal(read.intensity, frame.intensity)


def test_tf_static_has_the_lidar_as_parent_and_is_latched(tmp_path: Path):
    write_bag(MemorySource(), tmp_path / "out")
    (message,) = [m.deserialize() for m in BagFile(tmp_path / "out").messages({"/tf_static"})]
    (stamped,) = message.transforms
    assert (stamped.header.frame_id, stamped.child_frame_id) == ("lidar", "camera_optical")
    where = stamped.transform.translation
    # The camera centre in the LiDAR frame: -R^T t.
    np.testing.assert_allclose(
        [where.x, where.y, where.z], -T_CAMERA_LIDAR[:3, :3].T @ T_CAMERA_LIDAR[:3, 3], atol=1e-12
    )
    with Reader(tmp_path / "out") as reader:
        (connection,) = [c for c in reader.connections if c.topic == "/tf_static"]
        (qos,) = connection.ext.offered_qos_profiles
        assert qos.durability == QosDurability.TRANSIENT_LOCAL


def test_a_source_without_extrinsic_makes_a_bag_without_tf(tmp_path: Path):
    source = MemorySource()
    source.T_camera_lidar_initial = None
    write_bag(source, tmp_path / "none.mcap")
    assert BagSource(tmp_path / "none.mcap").T_camera_lidar_initial is None


@pytest.mark.parametrize("delay_ns", [-99_000_000, -60_000_000, 40_000_000, 100_000_000])
def test_clouds_stamped_at_another_end_of_the_sweep_keep_their_image(tmp_path: Path, delay_ns: int):
    source = MemorySource(cloud_delay_ns=delay_ns)
    written = write_bag(source, tmp_path / "out.mcap")
    assert written.cloud_shift_ns == -delay_ns
    assert f"moved by {-delay_ns / 1e6:+.1f} ms" in str(written)
    assert_same(source, tmp_path / "out.mcap")


def test_an_existing_file_is_not_overwritten(tmp_path: Path):
    for name in ("out", "out.mcap"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(CalibrationInputError, match="exists already"):
            write_bag(MemorySource(), tmp_path / name)
        assert (tmp_path / name).read_text() == "precious"


def test_nothing_is_left_behind_when_there_is_nothing_to_write(tmp_path: Path):
    source = MemorySource(frames=0)
    source.rejected["cloud file missing"] = 3
    with pytest.raises(CalibrationInputError, match=r"no usable frame.*cloud file missing"):
        write_bag(source, tmp_path / "out.mcap")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_when_the_source_fails(tmp_path: Path):
    class Failing(MemorySource):
        def __iter__(self) -> Iterator[Frame]:
            yield self.frames[0]
            raise CalibrationInputError("unknown encoding")

    with pytest.raises(CalibrationInputError, match="unknown encoding"):
        write_bag(Failing(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_bag_can_be_written_from_a_bag(recording: Any, make: SimpleNamespace, tmp_path: Path):
    path = recording.drive(3).static(make.transform("lidar", "cam", (1, 2, 3))).write(tmp_path / "in")
    write_bag(BagSource(path), tmp_path / "copy.mcap")
    assert_same(BagSource(path), tmp_path / "copy.mcap")


@pytest.mark.parametrize("name", ["kitti_2011_09_26_drive0009_cam3", "pandaset_002_left", "acfr_vlp16_fisheye"])
def test_a_real_sequence_round_trips(data_folder: Path, tmp_path: Path, name: str):
    class Beginning(SequenceFolder):
        def __len__(self) -> int:
            return 6

    source = Beginning(data_folder / name)
    out = tmp_path / f"{name}.mcap"
    assert write_bag(source, out, compressed=True).frames == 6
    assert_same(source, out)
    read = next(iter(BagSource(out)))
    assert read.camera.model == source.camera.model
    assert read.encoded_image.data == source.image_path(0).read_bytes()
    np.testing.assert_array_equal(decode_compressed(read.encoded_image.data)[0], read.image)
