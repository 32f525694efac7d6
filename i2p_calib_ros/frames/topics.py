"""Which topics of a bag are the image, its camera info and the point cloud."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_file import BagTopic

IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"
POINTS_TYPE = "sensor_msgs/msg/PointCloud2"
TF_TYPE = "tf2_msgs/msg/TFMessage"

NOT_COLOUR_IMAGES = ("/compressedDepth", "/theora")
"""Transports of image_transport that are no JPEG or PNG."""

MAX_COMMANDS = 8


@dataclass(frozen=True)
class ChosenTopics:
    """Topic names; `compressed` says whether the image topic carries CompressedImage."""

    image: str
    camera_info: str
    points: str
    compressed: bool


def choose_topics(
    path: Path,
    topics: Sequence[BagTopic],
    *,
    image: str | None = None,
    camera_info: str | None = None,
    points: str | None = None,
) -> ChosenTopics:
    """The topics asked for, and for those not asked for the only ones that fit.

    Of a camera recorded raw and compressed the raw topic is taken. Raises `CalibrationInputError` with the
    topics of the bag and commands to copy, when a topic is missing, of another type, empty, or several fit.
    """
    return _Chooser(path, topics).choose(image, camera_info, points)


def camera_info_beside(image_topic: str) -> str:
    """The camera info topic that belongs to an image topic: /cam/image_raw/compressed -> /cam/camera_info."""
    return raw_name(image_topic).rpartition("/")[0] + "/camera_info"


def raw_name(image_topic: str) -> str:
    """Image topic without its transport: /cam/image_raw/compressed -> /cam/image_raw."""
    return image_topic.removesuffix("/compressed")


class _Chooser:
    def __init__(self, path: Path, topics: Sequence[BagTopic]) -> None:
        self.path = path
        self.topics = topics
        self.filled = {topic.name: topic for topic in topics if topic.count}
        images = [
            topic.name
            for topic in self.filled.values()
            if topic.type in (IMAGE_TYPE, COMPRESSED_TYPE) and not topic.name.endswith(NOT_COLOUR_IMAGES)
        ]
        self.cameras: dict[str, str] = {}
        for name in sorted(images):  # the raw topic sorts before its compressed twin
            self.cameras.setdefault(raw_name(name), name)
        self.camera_infos = self._of_type(CAMERA_INFO_TYPE)
        self.clouds = self._of_type(POINTS_TYPE)

    def choose(self, image: str | None, camera_info: str | None, points: str | None) -> ChosenTopics:
        asked_image = None if image is None else self._asked(image, (IMAGE_TYPE, COMPRESSED_TYPE), "--image")
        asked_points = None if points is None else self._asked(points, (POINTS_TYPE,), "--points")
        if asked_image is None:
            self._require_one(list(self.cameras), f"image topic ({IMAGE_TYPE} or CompressedImage)")
        if asked_points is None:
            hint = "; packets of a LiDAR driver have to be converted to point clouds by the driver first"
            self._require_one(self.clouds, f"point cloud topic ({POINTS_TYPE})", "" if self.clouds else hint)

        chosen_image = asked_image or next(iter(self.cameras.values()))
        chosen_points = asked_points or self.clouds[0]
        if camera_info is None:
            chosen_info = self._info_of(chosen_image, chosen_points)
        else:
            chosen_info = self._asked(camera_info, (CAMERA_INFO_TYPE,), "--camera-info")
        compressed = self.filled[chosen_image].type == COMPRESSED_TYPE
        return ChosenTopics(chosen_image, chosen_info, chosen_points, compressed)

    def _asked(self, name: str, types: tuple[str, ...], option: str) -> str:
        name = "/" + name.lstrip("/")
        if name not in self.filled and f"{name}/compressed" in self.filled:
            name = f"{name}/compressed"
        topic = next((topic for topic in self.topics if topic.name == name), None)
        if topic is None:
            raise self._error(f"{self.path} has no topic {name} (asked for with {option})")
        if topic.type not in types:
            raise self._error(f"{name} is of type {topic.type}; {option} needs {' or '.join(types)}")
        if not topic.count:
            raise self._error(f"{name} has no messages in {self.path}: its publisher was silent")
        return name

    def _require_one(self, names: list[str], what: str, hint: str = "") -> None:
        if len(names) > 1:
            raise self._error(f"{self.path} has {len(names)} candidates for the {what}: say which to use")
        if not names:
            raise self._error(f"{self.path} has no {what} with messages{hint}")

    def _info_of(self, image: str, points: str) -> str:
        beside = camera_info_beside(image)
        if beside in self.camera_infos:
            return beside
        if len(self.cameras) == 1 and len(self.camera_infos) == 1:
            return self.camera_infos[0]
        if not self.camera_infos:
            raise self._error(
                f"{self.path} has no camera info (type {CAMERA_INFO_TYPE}) with messages, which gives the "
                f"intrinsics of {image}: record {beside} of the calibrated camera together with the images"
            )
        raise self._error(
            f"{self.path} has no camera info {beside} beside {image}: say which one belongs to it",
            [self._command(image, points, info) for info in self.camera_infos],
        )

    def _of_type(self, type_: str) -> list[str]:
        return [topic.name for topic in self.filled.values() if topic.type == type_]

    def _error(self, problem: str, commands: list[str] | None = None) -> CalibrationInputError:
        if commands is None:
            commands = [self._command(image, points) for image, points in product(self.cameras.values(), self.clouds)]
        lines = [f"{problem}."]
        if commands:
            lines += ["", "For example:", *(f"  {command}" for command in commands[:MAX_COMMANDS])]
        width = max((len(topic.name) for topic in self.topics), default=0)
        type_width = max((len(topic.type) for topic in self.topics), default=0)
        lines += ["", "Topics of the bag:" if self.topics else "The bag has no topics."]
        lines += [f"  {t.name:<{width}}  {t.type:<{type_width}}  {t.count:>7}" for t in self.topics]
        return CalibrationInputError("\n".join(lines))

    def _command(self, image: str, points: str, camera_info: str | None = None) -> str:
        command = f"i2p-calib replay {shlex.quote(str(self.path))} --image {image} --points {points}"
        return command if camera_info is None else f"{command} --camera-info {camera_info}"
