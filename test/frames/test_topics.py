from __future__ import annotations

from pathlib import Path

import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_file import BagTopic
from i2p_calib_ros.frames.topics import (
    CAMERA_INFO_TYPE,
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    POINTS_TYPE,
    ChosenTopics,
    choose_topics,
)

BAG = Path("my bag")


def topics(*named: tuple[str, str] | tuple[str, str, int]) -> list[BagTopic]:
    return [BagTopic(name, type_, *(count or [9])) for name, type_, *count in named]


ONE_CAMERA = (
    ("/cam/camera_info", CAMERA_INFO_TYPE),
    ("/cam/image_raw", IMAGE_TYPE),
    ("/points", POINTS_TYPE),
)
TWO_CAMERAS = (
    ("/left/image_raw", IMAGE_TYPE),
    ("/left/camera_info", CAMERA_INFO_TYPE),
    ("/right/image_raw/compressed", COMPRESSED_TYPE),
    ("/right/camera_info", CAMERA_INFO_TYPE),
    ("/velodyne_points", POINTS_TYPE),
    ("/imu", "sensor_msgs/msg/Imu", 12345),
)


def refusal(available: list[BagTopic], **asked: str) -> str:
    with pytest.raises(CalibrationInputError) as error:
        choose_topics(BAG, available, **asked)
    return str(error.value)


def test_the_only_topics_are_taken():
    assert choose_topics(BAG, topics(*ONE_CAMERA)) == ChosenTopics(
        "/cam/image_raw", "/cam/camera_info", "/points", compressed=False
    )


def test_the_raw_topic_of_a_camera_comes_before_its_other_transports():
    available = topics(
        *ONE_CAMERA,
        ("/cam/image_raw/compressed", COMPRESSED_TYPE),
        ("/cam/image_raw/compressedDepth", COMPRESSED_TYPE),
    )
    assert choose_topics(BAG, available).image == "/cam/image_raw"
    assert choose_topics(BAG, available, image="/cam/image_raw/compressed").compressed


def test_a_compressed_camera_has_its_info_one_level_up():
    chosen = choose_topics(BAG, topics(*TWO_CAMERAS), image="/right/image_raw/compressed")
    assert chosen == ChosenTopics(
        "/right/image_raw/compressed", "/right/camera_info", "/velodyne_points", compressed=True
    )


@pytest.mark.parametrize("asked", ["/right/image_raw", "right/image_raw", "right/image_raw/compressed"])
def test_the_slash_and_the_transport_may_be_left_out(asked: str):
    assert choose_topics(BAG, topics(*TWO_CAMERAS), image=asked).image == "/right/image_raw/compressed"


def test_several_cameras_are_listed_with_a_command_for_each():
    said = refusal(topics(*TWO_CAMERAS))
    assert "2 candidates for the image topic" in said
    for image in ("/left/image_raw", "/right/image_raw/compressed"):
        assert f"i2p-calib replay 'my bag' --image {image} --points /velodyne_points" in said
    assert all(name in said for name, *_ in TWO_CAMERAS)
    assert "sensor_msgs/msg/Imu" in said and "12345" in said


def test_several_clouds_are_listed_with_a_command_for_each():
    said = refusal(topics(*ONE_CAMERA, ("/rear/points", POINTS_TYPE)))
    assert "2 candidates for the point cloud topic" in said
    assert "--image /cam/image_raw --points /points" in said
    assert "--image /cam/image_raw --points /rear/points" in said


def test_topics_without_messages_do_not_count():
    available = topics(*ONE_CAMERA, ("/off/image_raw", IMAGE_TYPE, 0), ("/off/points", POINTS_TYPE, 0))
    assert choose_topics(BAG, available).image == "/cam/image_raw"
    assert "was silent" in refusal(available, image="/off/image_raw")


@pytest.mark.parametrize(
    ("missing", "words"),
    [("/cam/image_raw", "no image topic"), ("/points", "packets of a LiDAR driver")],
)
def test_a_missing_sensor(missing: str, words: str):
    said = refusal([topic for topic in topics(*ONE_CAMERA) if topic.name != missing])
    assert words in said and "Topics of the bag:" in said


def test_an_empty_bag():
    assert "The bag has no topics." in refusal([])


def test_a_topic_asked_for_that_is_not_there():
    said = refusal(topics(*TWO_CAMERAS), image="/front/image_raw")
    assert "no topic /front/image_raw (asked for with --image)" in said
    assert "--image /left/image_raw" in said


def test_a_topic_asked_for_that_is_of_another_type():
    assert "/imu is of type sensor_msgs/msg/Imu; --points needs" in refusal(topics(*TWO_CAMERAS), points="/imu")


def test_the_only_camera_info_belongs_to_the_only_camera():
    available = topics(("/a/image", IMAGE_TYPE), ("/b/info", CAMERA_INFO_TYPE), ("/points", POINTS_TYPE))
    assert choose_topics(BAG, available).camera_info == "/b/info"


def test_no_camera_info():
    said = refusal([topic for topic in topics(*ONE_CAMERA) if topic.type != CAMERA_INFO_TYPE])
    assert "no camera info" in said and "record /cam/camera_info" in said


def test_camera_infos_that_are_not_beside_the_image_have_to_be_chosen():
    available = topics(*ONE_CAMERA[1:], ("/a/camera_info", CAMERA_INFO_TYPE), ("/b/camera_info", CAMERA_INFO_TYPE))
    said = refusal(available)
    assert "no camera info /cam/camera_info beside /cam/image_raw" in said
    assert "--image /cam/image_raw --points /points --camera-info /a/camera_info" in said
    assert choose_topics(BAG, available, camera_info="/b/camera_info").camera_info == "/b/camera_info"


def test_the_camera_info_of_another_camera_is_not_taken():
    available = [topic for topic in topics(*TWO_CAMERAS) if topic.name != "/right/camera_info"]
    said = refusal(available, image="/right/image_raw")
    assert "no camera info /right/camera_info beside" in said
