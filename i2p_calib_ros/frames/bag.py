"""Frames from a rosbag2: images and clouds paired by stamp, the extrinsic from tf."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_file import BagDamaged, BagFile, BagMessage
from i2p_calib_ros.frames.camera_info import camera_from_info
from i2p_calib_ros.frames.frame import EncodedImage, Frame, FrameRejected
from i2p_calib_ros.frames.image_msg import UnsupportedEncoding, decode_compressed_image, decode_image
from i2p_calib_ros.frames.pairing import DEFAULT_SLOP_S, Pair, Stamped, StampPairer
from i2p_calib_ros.frames.point_cloud2 import decode_point_cloud2
from i2p_calib_ros.frames.tf_tree import TransformTree
from i2p_calib_ros.frames.topics import TF_TYPE, choose_topics

MAX_TF_MESSAGES = 20_000
"""How many messages of /tf are searched for the extrinsic: some minutes; mounts are usually on /tf_static."""

MAX_BROKEN_MESSAGES = 20
"""How many messages of a topic may be garbage before the first that can be read."""

log = logging.getLogger(__name__)


class BagSource:
    """Frame source over a rosbag2 directory, .mcap or .db3 file.

    Topics that are not given are guessed (see `choose_topics`). Opening reads the topic list and the first
    camera info, image and cloud; the iteration streams. `rejected` counts pairs and messages that could not
    be used; messages without a partner within `slop_s` count as `unmatched_images` or `unmatched_clouds`.
    Raises `CalibrationInputError`, with what to do, when the bag cannot be used.
    """

    def __init__(
        self,
        path: str | Path,
        image_topic: str | None = None,
        camera_info_topic: str | None = None,
        points_topic: str | None = None,
        slop_s: float = DEFAULT_SLOP_S,
    ) -> None:
        self.path = Path(path)
        self.name = self.path.stem
        self.slop_s = slop_s
        self.bag = BagFile(self.path)
        self.topics = choose_topics(
            self.path, self.bag.topics, image=image_topic, camera_info=camera_info_topic, points=points_topic
        )
        self.rejected: Counter[str] = Counter()
        self.unmatched_images = 0
        self.unmatched_clouds = 0
        self._damage: BagDamaged | None = None

        camera_info = self._first_message(self.topics.camera_info)
        try:
            self.camera = camera_from_info(camera_info, self.topics.image)
        except CalibrationInputError as error:
            raise CalibrationInputError(f"{self.topics.camera_info}: {error}") from error
        first_image = self._first_message(self.topics.image)
        self.camera_frame_id: str = first_image.header.frame_id or camera_info.header.frame_id
        self.lidar_frame_id: str = self._first_message(self.topics.points).header.frame_id

    @property
    def T_camera_lidar_initial(self) -> NDArray[np.float64] | None:
        """The extrinsic (4, 4) that tf gives, or None when tf does not connect the two frames."""
        try:
            return self.initial_extrinsic()
        except CalibrationInputError:
            return None

    def initial_extrinsic(self) -> NDArray[np.float64]:
        """The extrinsic (4, 4) that tf gives, or `CalibrationInputError` naming the frames it lacks."""
        for topic, frame_id in (
            (self.topics.image, self.camera_frame_id),
            (self.topics.points, self.lidar_frame_id),
        ):
            if not frame_id:
                raise CalibrationInputError(
                    f"{self.path}: the messages of {topic} have an empty header.frame_id, so tf cannot be "
                    "asked. Set the frame in the driver, or give the extrinsic (replay --initial FILE, convert "
                    "--truth FILE)."
                )
        if self.camera_frame_id == self.lidar_frame_id:
            raise CalibrationInputError(
                f"{self.path}: {self.topics.image} and {self.topics.points} both say frame "
                f"'{self.camera_frame_id}', so tf cannot tell them apart. Set the frames in the drivers, or "
                "give the extrinsic (replay --initial FILE, convert --truth FILE)."
            )
        try:
            return self._transforms.lookup(self.camera_frame_id, self.lidar_frame_id)
        except CalibrationInputError as error:
            raise CalibrationInputError(f"{self.path}: {error}") from error

    def __len__(self) -> int:
        counts = {topic.name: topic.count for topic in self.bag.topics}
        return min(counts[self.topics.image], counts[self.topics.points])

    def __iter__(self) -> Iterator[Frame]:
        self.rejected.clear()
        self._damage = None
        pairer: StampPairer[Any] = StampPairer(self.slop_s)
        spans = _Spans()
        paired = 0
        for image, cloud in self._pairs(pairer, spans):
            paired += 1
            try:
                frame = self._frame(image, cloud)
            except FrameRejected as rejection:
                log.debug("pair at %d ns: %s", image.stamp_ns, rejection)
                self.rejected[rejection.reason] += 1
                continue
            yield frame

        self.unmatched_images, self.unmatched_clouds = pairer.unmatched_images, pairer.unmatched_clouds
        if not paired:
            raise self._damage or CalibrationInputError(self._nothing_paired(spans))

    def _pairs(self, pairer: StampPairer[Any], spans: _Spans) -> Iterator[Pair[Any]]:
        try:
            for message in self.bag.messages({self.topics.image, self.topics.points}):
                stamped = self._stamped(message)
                if stamped is None:
                    self.rejected["message does not deserialize"] += 1
                    continue
                spans.add(message.topic, stamped.stamp_ns)
                if message.topic == self.topics.image:
                    yield from pairer.add_image(stamped)
                else:
                    yield from pairer.add_cloud(stamped)
        except BagDamaged as damage:
            log.warning("%s", damage)
            self.rejected["bag damaged: the rest of it was not read"] += 1
            self._damage = damage
        yield from pairer.flush()

    def _stamped(self, message: BagMessage) -> Stamped[Any] | None:
        try:
            payload = message.deserialize()
        except Exception as error:  # garbage may make the parser fail in any way
            log.debug("%s at %d ns: %s", message.topic, message.received_ns, error)
            return None
        stamp_ns = payload.header.stamp.sec * 1_000_000_000 + payload.header.stamp.nanosec
        # A driver that sets no stamp at all would otherwise make every pair look simultaneous.
        return Stamped(stamp_ns or message.received_ns, message.received_ns, len(message.data), payload)

    def _frame(self, image: Stamped[Any], cloud: Stamped[Any]) -> Frame:
        """Decode a pair; `FrameRejected` for this pair only, `CalibrationInputError` for all of the topic."""
        try:
            pixels, encoded = self._decode_image(image.payload)
        except UnsupportedEncoding as error:
            raise CalibrationInputError(f"{self.topics.image}: {error}") from error
        try:
            points = decode_point_cloud2(cloud.payload)
        except CalibrationInputError as error:
            raise CalibrationInputError(f"{self.topics.points}: {error}") from error

        return Frame.create(
            image=pixels,
            xyz=points.xyz,
            intensity=points.intensity,
            camera=self.camera,
            image_stamp_ns=image.stamp_ns,
            cloud_stamp_ns=cloud.stamp_ns,
            camera_frame_id=self.camera_frame_id,
            lidar_frame_id=self.lidar_frame_id,
            ring=points.ring,
            time_offset_s=points.time_offset_s,
            encoded_image=encoded,
        )

    def _decode_image(self, message: Any) -> tuple[NDArray[np.uint8], EncodedImage | None]:
        if self.topics.compressed:
            return decode_compressed_image(message)
        return decode_image(message), None

    def _first_message(self, topic: str) -> Any:
        for attempt, message in enumerate(self.bag.messages({topic})):
            if attempt == MAX_BROKEN_MESSAGES:
                break
            try:
                return message.deserialize()
            except Exception as error:  # garbage may make the parser fail in any way
                log.debug("%s at %d ns: %s", topic, message.received_ns, error)
        raise CalibrationInputError(
            f"{self.path}: no message of {topic} can be deserialized as the type the bag gives for it. "
            "The bag is damaged or was written with another definition of that type."
        )

    @cached_property
    def _transforms(self) -> TransformTree:
        """What tf says, static transforms first; /tf is read only while the two frames are not connected."""
        names = [topic.name for topic in self.bag.topics if topic.type == TF_TYPE]
        static = {name for name in names if name.endswith("tf_static")}
        tree = TransformTree()
        for message in self._tf_messages(static):
            tree.add(message)
        for count, message in enumerate(self._tf_messages(set(names) - static)):
            if count == MAX_TF_MESSAGES or tree.connected(self.camera_frame_id, self.lidar_frame_id):
                break
            tree.add(message)
        return tree

    def _tf_messages(self, topics: Collection[str]) -> Iterator[Any]:
        if not topics:
            return
        try:
            for message in self.bag.messages(topics):
                try:
                    yield message.deserialize()
                except Exception as error:  # garbage may make the parser fail in any way
                    log.debug("%s at %d ns: %s", message.topic, message.received_ns, error)
        except BagDamaged as damage:
            log.warning("%s", damage)

    def _nothing_paired(self, spans: _Spans) -> str:
        what = f"{self.path}: no image of {self.topics.image} has a cloud of {self.topics.points} within "
        what += f"{self.slop_s:g} s of its header stamp"
        images, clouds = spans.of(self.topics.image), spans.of(self.topics.points)
        if images is None or clouds is None:
            silent = self.topics.image if images is None else self.topics.points
            return f"{what}: no message of {silent} could be read ({dict(self.rejected)})."
        what += (
            f". Stamps of the images: {images[0]:.3f} to {images[1]:.3f} s, of the clouds: {clouds[0]:.3f} "
            f"to {clouds[1]:.3f} s. "
        )
        if images[0] > clouds[1] or clouds[0] > images[1]:
            return what + "These do not overlap: the sensors use different clocks. Synchronize them (PTP, NTP)."
        return what + "Use a larger slop (--slop SECONDS), or synchronize the sensors."


class _Spans:
    """First and last stamp of each topic."""

    def __init__(self) -> None:
        self._spans: dict[str, tuple[int, int]] = {}

    def add(self, topic: str, stamp_ns: int) -> None:
        first, last = self._spans.get(topic, (stamp_ns, stamp_ns))
        self._spans[topic] = min(first, stamp_ns), max(last, stamp_ns)

    def of(self, topic: str) -> tuple[float, float] | None:
        """Seconds, or None when the topic had no message."""
        span = self._spans.get(topic)
        return None if span is None else (span[0] / 1e9, span[1] / 1e9)
