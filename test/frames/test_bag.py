from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag import BagSource
from i2p_calib_ros.frames.bag_file import BagDamaged, BagFile
from i2p_calib_ros.frames.source import FrameSource, open_source
from i2p_calib_ros.geometry import se3

T_CAM_LIDAR = np.array([[0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("storage", ["mcap", "db3"])
@pytest.mark.parametrize("form", ["directory", "single file", "directory without metadata"])
def test_every_form_of_a_bag(recording: Any, make: SimpleNamespace, tmp_path: Path, storage: str, form: str):
    path = recording.drive(4).write(tmp_path / "bag", storage)
    if form == "single file":
        path = shutil.copy(path / f"bag.{storage}", tmp_path / f"moved.{storage}")
    if form == "directory without metadata":
        (path / "metadata.yaml").unlink()

    source = open_source(path)
    assert isinstance(source, FrameSource) and isinstance(source, BagSource)
    assert source.name == Path(path).stem
    assert len(source) == 4
    assert (source.camera.width, source.camera.height) == (make.width, make.height)
    for _ in range(2):  # iterating again starts again
        frames = list(source)
        assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2, 3]
        assert [frame.cloud_stamp_ns - frame.image_stamp_ns for frame in frames] == [1_000_000] * 4
        assert frames[0].image_stamp_ns == make.start_ns
        assert (frames[0].camera_frame_id, frames[0].lidar_frame_id) == ("cam", "lidar")
        assert not source.rejected and not source.unmatched_images and not source.unmatched_clouds


def test_the_parts_of_a_split_recording_follow_each_other(recording: Any, tmp_path: Path):
    whole = recording.drive(12).entries
    folder = tmp_path / "split"
    folder.mkdir()
    for part in range(12):
        recording.entries = whole[3 * part : 3 * part + 3]
        recording.write(tmp_path / f"part_{part}", "mcap")
        shutil.move(tmp_path / f"part_{part}" / f"part_{part}.mcap", folder / f"split_{part}.mcap")
    source = BagSource(folder)
    assert len(source) == 12
    assert [int(frame.image[0, 0, 0]) for frame in source] == list(range(12))


def test_points_are_read_exactly_and_those_without_return_dropped(
    recording: Any, make: SimpleNamespace, tmp_path: Path
):
    xyz = np.random.default_rng(0).uniform(-30, 30, (400, 3)).astype(np.float32)
    xyz[::4] = np.nan
    recording.drive(1).without("/points").add("/points", make.cloud(make.start_ns, xyz))
    (frame,) = BagSource(recording.write(tmp_path / "bag"))
    np.testing.assert_array_equal(frame.xyz, xyz[np.isfinite(xyz[:, 0])])
    assert frame.dropped_points == 100
    assert frame.intensity is None


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_compressed_images(recording: Any, make: SimpleNamespace, tmp_path: Path, extension: str):
    bgr = np.full((make.height, make.width, 3), (10, 100, 200), np.uint8)
    data = cv2.imencode(extension, bgr)[1].tobytes()
    recording.add("/cam/camera_info", make.camera_info(make.start_ns))
    for index in range(3):
        content = b"broken" if index == 1 else data
        stamp_ns = make.start_ns + index * make.period_ns
        recording.add("/cam/image_raw/compressed", make.compressed(stamp_ns, content))
        recording.add("/points", make.cloud(stamp_ns + 1))
    source = BagSource(recording.write(tmp_path / "bag"))
    frames = list(source)
    assert len(frames) == 2
    assert np.abs(frames[0].image[0, 0].astype(int) - [200, 100, 10]).max() <= 3
    assert frames[0].encoded_image.data == data
    assert source.rejected == {"compressed image does not decode": 1}


def test_frames_that_cannot_be_used_are_counted_and_skipped(recording: Any, make: SimpleNamespace, tmp_path: Path):
    times = [make.start_ns + index * make.period_ns for index in range(6)]
    recording.add("/cam/camera_info", make.camera_info(times[0]))
    for index, time_ns in enumerate(times):
        image = make.image(time_ns, width=make.width // 2) if index == 3 else make.image(time_ns)
        if index == 4:
            image = make.image(time_ns, data=np.zeros(7, np.uint8))
        xyz = {1: np.empty((0, 3)), 2: np.full((300, 3), np.nan)}.get(index)
        recording.add("/cam/image_raw", image)
        recording.add("/points", make.cloud(time_ns, xyz))
    source = BagSource(recording.write(tmp_path / "bag"))
    assert [frame.image_stamp_ns for frame in source] == [times[0], times[5]]
    assert source.rejected == {
        "empty point cloud": 2,
        f"image is {make.width // 2}x{make.height} but the camera info says {make.width}x{make.height}": 1,
        "image data too short for its size": 1,
    }


def test_messages_of_garbage_are_counted_and_skipped(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.add("/cam/camera_info", b"\x00\x01\x00\x00", make.start_ns, type_="sensor_msgs/msg/CameraInfo")
    recording.add("/points", b"rubbish", make.start_ns, type_="sensor_msgs/msg/PointCloud2")
    recording.add("/cam/image_raw", b"", make.start_ns, type_="sensor_msgs/msg/Image")
    recording.add("/tf_static", b"\x00\x01\x00\x00\xff", make.start_ns, type_="tf2_msgs/msg/TFMessage")
    recording.drive(3)
    source = BagSource(recording.write(tmp_path / "bag"))
    assert len(list(source)) == 3
    assert source.rejected == {"message does not deserialize": 2}
    assert source.T_camera_lidar_initial is None


def test_a_topic_of_nothing_but_garbage_is_an_error(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.drive(2).without("/cam/camera_info")
    recording.add("/cam/camera_info", b"\x00", make.start_ns, type_="sensor_msgs/msg/CameraInfo")
    with pytest.raises(CalibrationInputError, match="no message of /cam/camera_info can be deserialized"):
        BagSource(recording.write(tmp_path / "bag"))


def test_an_unknown_encoding_ends_the_iteration(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.drive(2).without("/cam/image_raw")
    recording.add("/cam/image_raw", make.image(make.start_ns, encoding="nv21"))
    source = BagSource(recording.write(tmp_path / "bag"))
    with pytest.raises(CalibrationInputError, match=r"/cam/image_raw: image encoding 'nv21' .* rgb8, bgr8"):
        list(source)


def test_clouds_without_coordinates_end_the_iteration(recording: Any, make: SimpleNamespace, tmp_path: Path):
    cloud = make.cloud(make.start_ns)
    cloud.fields[2].name = "height"
    recording.drive(2).without("/points").add("/points", cloud)
    source = BagSource(recording.write(tmp_path / "bag"))
    with pytest.raises(CalibrationInputError, match="/points: the point cloud needs the fields x, y, z"):
        list(source)


def test_jitter_drops_and_disorder_are_paired(recording: Any, make: SimpleNamespace, tmp_path: Path):
    """A 30 Hz camera and a 10 Hz LiDAR with jitter; some clouds are lost, reception is shuffled a little."""
    rng = np.random.default_rng(0)
    recording.add("/cam/camera_info", make.camera_info(make.start_ns))
    expected = []
    for index in range(60):
        stamp_ns = make.start_ns + index * 33_000_000 + int(rng.integers(-3_000_000, 3_000_000))
        received_ns = stamp_ns + int(rng.integers(0, 80_000_000))
        recording.add("/cam/image_raw", make.image(stamp_ns), received_ns)
        if index % 3 == 1 and index % 4:
            cloud_ns = stamp_ns + int(rng.integers(-8_000_000, 8_000_000))
            recording.add("/points", make.cloud(cloud_ns), cloud_ns + int(rng.integers(0, 200_000_000)))
            expected.append((stamp_ns, cloud_ns))
    recording.entries.sort(key=lambda entry: entry[2])
    source = BagSource(recording.write(tmp_path / "bag"))
    assert sorted((f.image_stamp_ns, f.cloud_stamp_ns) for f in source) == expected
    assert (source.unmatched_images, source.unmatched_clouds) == (60 - len(expected), 0)
    assert len(source) == len(expected)


def test_drivers_that_set_no_stamp_are_paired_by_reception(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.add("/cam/camera_info", make.camera_info(make.start_ns))
    for index in range(3):
        received_ns = make.start_ns + index * make.period_ns
        recording.add("/cam/image_raw", make.image(0, fill=index), received_ns)
        recording.add("/points", make.cloud(0), received_ns + 5)
    frames = list(BagSource(recording.write(tmp_path / "bag")))
    assert [frame.image_stamp_ns for frame in frames] == [make.start_ns + index * make.period_ns for index in range(3)]
    assert [frame.cloud_stamp_ns - frame.image_stamp_ns for frame in frames] == [5] * 3


def test_clocks_that_differ_are_explained(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.drive(3).without("/points")
    for index in range(3):
        recording.add("/points", make.cloud(1_000_000_000 + index * make.period_ns), make.start_ns + index)
    source = BagSource(recording.write(tmp_path / "bag"))
    with pytest.raises(CalibrationInputError, match=r"different clocks\. Synchronize"):
        list(source)


def test_a_slop_that_is_too_small_is_explained(recording: Any, tmp_path: Path):
    path = recording.drive(3).write(tmp_path / "bag")
    with pytest.raises(CalibrationInputError, match="--slop SECONDS"):
        list(BagSource(path, slop_s=0.0005))


def test_topics_that_are_asked_for(recording: Any, tmp_path: Path):
    path = recording.drive(2, camera="/left").drive(2, camera="/right", points="/top/points").write(tmp_path / "bag")
    with pytest.raises(CalibrationInputError, match="--image /left/image_raw --points /top/points"):
        open_source(path)
    source = open_source(path, image_topic="/right/image_raw", points_topic="/top/points")
    assert source.topics.camera_info == "/right/camera_info"
    assert len(list(source)) == 2
    other = open_source(
        path, image_topic="/right/image_raw", points_topic="/points", camera_info_topic="/left/camera_info"
    )
    assert other.topics.camera_info == "/left/camera_info"


def test_silent_topics_are_listed(recording: Any, tmp_path: Path):
    recording.drive(2).without("/points")
    path = recording.write(tmp_path / "bag", silent={"/points": "sensor_msgs/msg/PointCloud2"})
    with pytest.raises(CalibrationInputError, match=r"/points +sensor_msgs/msg/PointCloud2 +0"):
        BagSource(path)


def test_a_camera_that_is_not_calibrated_is_an_error(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.drive(2).without("/cam/camera_info")
    recording.add("/cam/camera_info", make.camera_info(make.start_ns, k=np.zeros(9)))
    with pytest.raises(CalibrationInputError, match=r"/cam/camera_info: .*uncalibrated"):
        BagSource(recording.write(tmp_path / "bag"))


def chain(make: SimpleNamespace) -> list[Any]:
    """base -> mast -> lidar and base -> head -> cam, with T_CAM_LIDAR between the ends."""
    hops = se3.exp(np.random.default_rng(3).uniform(-1, 1, (3, 6)))
    T_base_lidar = hops[0] @ hops[1]
    T_head_cam = se3.inverse(hops[2]) @ T_base_lidar @ se3.inverse(T_CAM_LIDAR)
    edges = [
        ("base", "mast", hops[0]),
        ("mast", "lidar", hops[1]),
        ("base", "head", hops[2]),
        ("head", "cam", T_head_cam),
    ]
    return [make.transform(p, c, T[:3, 3], se3.quaternion_xyzw(T)) for p, c, T in edges]


@pytest.mark.parametrize("dynamic", [0, 1, 4], ids=["static", "one joint on /tf", "all on /tf"])
def test_the_extrinsic_is_composed_from_tf(recording: Any, make: SimpleNamespace, tmp_path: Path, dynamic: int):
    edges = chain(make)
    recording.drive(2)
    for index, edge in enumerate(edges):
        topic = "/tf" if index < dynamic else "/robot/tf_static"
        recording.add(topic, make.tf(edge), make.start_ns + index)
    source = BagSource(recording.write(tmp_path / "bag"))
    np.testing.assert_allclose(source.T_camera_lidar_initial, T_CAM_LIDAR, atol=1e-9)
    np.testing.assert_allclose(source.initial_extrinsic(), T_CAM_LIDAR, atol=1e-9)


def test_tf_that_does_not_connect_the_sensors(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.drive(2).static(*chain(make)[:2])
    source = BagSource(recording.write(tmp_path / "bag"))
    assert source.T_camera_lidar_initial is None
    with pytest.raises(CalibrationInputError, match=r"camera frame 'cam' .* LiDAR frame 'lidar'"):
        source.initial_extrinsic()


def test_a_bag_without_tf(recording: Any, tmp_path: Path):
    source = BagSource(recording.drive(2).write(tmp_path / "bag"))
    with pytest.raises(CalibrationInputError, match="no transforms on /tf or /tf_static"):
        source.initial_extrinsic()


@pytest.mark.parametrize(
    ("image_frame", "info_frame", "cloud_frame", "words"),
    [
        ("", "", "lidar", "/cam/image_raw have an empty header.frame_id"),
        ("cam", "cam", "", "/points have an empty header.frame_id"),
        ("map", "map", "map", "both say frame 'map'"),
    ],
)
def test_frames_that_tf_cannot_know(
    recording: Any,
    make: SimpleNamespace,
    tmp_path: Path,
    image_frame: str,
    info_frame: str,
    cloud_frame: str,
    words: str,
):
    recording.add("/cam/camera_info", make.camera_info(make.start_ns, frame_id=info_frame))
    recording.add("/cam/image_raw", make.image(make.start_ns, frame_id=image_frame))
    recording.add("/points", make.cloud(make.start_ns, frame_id=cloud_frame))
    source = BagSource(recording.write(tmp_path / "bag"))
    assert source.T_camera_lidar_initial is None
    with pytest.raises(CalibrationInputError, match=words):
        source.initial_extrinsic()


def test_the_camera_info_names_the_frame_when_the_image_does_not(recording: Any, make: SimpleNamespace, tmp_path: Path):
    recording.add("/cam/camera_info", make.camera_info(make.start_ns, frame_id="optical"))
    recording.add("/cam/image_raw", make.image(make.start_ns, frame_id=""))
    recording.add("/points", make.cloud(make.start_ns))
    assert BagSource(recording.write(tmp_path / "bag")).camera_frame_id == "optical"


def test_a_truncated_mcap_says_what_is_intact_and_how_to_repair_it(recording: Any, tmp_path: Path):
    folder = recording.drive(150).write(tmp_path / "bag")
    file = folder / "bag.mcap"
    file.write_bytes(file.read_bytes()[:-200_000])
    for path in (folder, file):
        with pytest.raises(BagDamaged) as error:
            open_source(path)
        said = str(error.value)
        assert "have complete records" in said and "chunks over" in said
        assert f"mcap recover {file}" in said and "ros2 bag reindex" in said


def test_a_truncated_db3_says_how_to_repair_it(recording: Any, tmp_path: Path):
    file = recording.drive(60).write(tmp_path / "bag", "db3") / "bag.db3"
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(BagDamaged) as error:
        open_source(file)
    assert f"sqlite3 {file} .recover" in str(error.value) and "damaged or cut short" in str(error.value)


@pytest.mark.parametrize("name", ["bag.mcap", "bag.db3"])
@pytest.mark.parametrize(("content", "words"), [(b"", "empty"), (b"something else entirely" * 9, "not an")])
def test_files_that_are_no_bags(tmp_path: Path, name: str, content: bytes, words: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BagDamaged, match=words):
        open_source(path)


def test_broken_metadata_is_explained(recording: Any, tmp_path: Path):
    path = recording.drive(2).write(tmp_path / "bag")
    for content in ("", "rosbag2_bagfile_information: {version: 5}", "{"):
        (path / "metadata.yaml").write_text(content)
        with pytest.raises(BagDamaged, match=f"ros2 bag reindex {path}"):
            open_source(path)


def test_a_storage_file_that_is_missing_is_named(recording: Any, tmp_path: Path):
    path = recording.drive(2).write(tmp_path / "bag")
    (path / "bag.mcap").unlink()
    with pytest.raises(BagDamaged, match=r"bag\.mcap"):
        open_source(path)


def test_without_metadata_the_files_that_open_are_read(recording: Any, tmp_path: Path):
    path = recording.drive(2).write(tmp_path / "bag")
    (path / "metadata.yaml").unlink()
    (path / "bag_1.mcap").write_bytes(b"cut short")
    assert len(list(BagSource(path))) == 2


def test_damage_in_the_middle_ends_the_recording_there(recording: Any, make: SimpleNamespace, tmp_path: Path):
    file = recording.drive(400).write(tmp_path / "bag") / "bag.mcap"
    data = bytearray(file.read_bytes())
    middle = data.find(b"lidar", len(data) // 2)
    data[middle - 400 : middle + 400] = b"\xff" * 800
    file.write_bytes(data)
    source = BagSource(file)
    frames = list(source)
    assert 100 < len(frames) < 400
    assert source.rejected["bag damaged: the rest of it was not read"] == 1


def test_damage_that_leaves_nothing_is_an_error(recording: Any, tmp_path: Path):
    file = recording.drive(20).write(tmp_path / "bag", "db3") / "bag.db3"
    source = BagSource(file)
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE messages")
    with pytest.raises(BagDamaged, match="damaged or cut short"):
        list(source)


def test_a_bag_file_lists_its_topics(recording: Any, tmp_path: Path):
    bag = BagFile(recording.drive(3).write(tmp_path / "bag"))
    assert [(topic.name, topic.count) for topic in bag.topics] == [
        ("/cam/camera_info", 3),
        ("/cam/image_raw", 3),
        ("/points", 3),
    ]


def test_a_path_that_does_not_exist(tmp_path: Path):
    with pytest.raises(CalibrationInputError, match="does not exist"):
        BagSource(tmp_path / "nothing")
    with pytest.raises(BagDamaged, match=r"no \.mcap or \.db3"):
        BagSource(tmp_path)
