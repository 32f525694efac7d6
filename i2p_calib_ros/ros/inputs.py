"""The node's subscriptions: the newest camera, image-cloud pairs by stamp, and what is wrong with either."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from message_filters import ApproximateTimeSynchronizer, Subscriber
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.camera_info import camera_from_info
from i2p_calib_ros.frames.tf_tree import normalise
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.ros.conversions import stamp_ns
from i2p_calib_ros.ros.diagnostics import Fault, Health, Level
from i2p_calib_ros.ros.parameters import Settings

QUEUE_SIZE = 10
"""Messages that wait for their partner: half a second of a 20 Hz camera beside a slow LiDAR."""

SILENT_AFTER_S = 2.0
"""A topic that says nothing for so long is reported; the slowest LiDARs turn twice a second."""

JUMP_BACK_S = 0.5
"""Stamps that go back by more than this are a bag that starts again, not messages out of order."""


@dataclass(frozen=True, eq=False)
class Pair:
    """An image and a cloud of one moment, the camera at that time, and when the later of the two came (monotonic)."""

    image: Any
    cloud: Any
    camera: Camera
    camera_frame: str
    lidar_frame: str
    received_s: float


class Topic:
    """When messages of one topic came and what their stamps were."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.stamp_s: float | None = None
        self.received_s: float | None = None
        self._arrivals_s: deque[float] = deque(maxlen=20)

    def add(self, message: Any) -> bool:
        """Take note of a message. True when its stamp jumped back in time."""
        last, self.stamp_s = self.stamp_s, stamp_ns(message) * 1e-9
        self.received_s = time.monotonic()
        self._arrivals_s.append(self.received_s)
        self.count += 1
        return last is not None and self.stamp_s < last - JUMP_BACK_S

    def silence_s(self, since_s: float) -> float:
        """How long nothing came, counted from `since_s` (monotonic) at the earliest."""
        return time.monotonic() - max(self.received_s or since_s, since_s)

    def __str__(self) -> str:
        times = self._arrivals_s
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
        return f"{self.name}, {rate:.1f} Hz, {self.count} messages"


class Inputs:
    """Subscribes while it lives and hands every pair to `on_pair`, from the executor's thread."""

    def __init__(self, node: Node, settings: Settings, health: Health, on_pair: Callable[[Pair], None]) -> None:
        self._node, self._settings, self._health, self._on_pair = node, settings, health, on_pair
        self._since_s = self._paired_s = time.monotonic()
        self._pair_ns = 0
        self._camera: Camera | None = None
        self._info_frame = ""
        self._info_content: tuple[Any, ...] | None = None

        image = node.resolve_topic_name("image")
        compressed = settings.image_transport == "compressed" or (
            settings.image_transport == "auto" and image.endswith("/compressed")
        )
        self.image, self.cloud = Topic(image), Topic(node.resolve_topic_name("points"))
        self.camera_info = Topic(node.resolve_topic_name("camera_info"))
        # A queue of one keeps data fresh behind a callback that was held up.
        sensor = QoSProfile(depth=1, reliability=ReliabilityPolicy[settings.reliability.upper()])
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        # Drivers publish the camera info with every image, or once, latched: one subscription cannot hear both.
        # The warning that the latched one does not hear an ordinary driver would mislead.
        silent = SubscriptionEventCallbacks(use_default_callbacks=False)
        self._info_subscriptions = [
            node.create_subscription(CameraInfo, "camera_info", self._take_camera_info, qos, event_callbacks=silent)
            for qos in (QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT), latched)
        ]
        self._subscribers = [
            Subscriber(node, CompressedImage if compressed else Image, "image", qos_profile=sensor),
            Subscriber(node, PointCloud2, "points", qos_profile=sensor),
        ]
        # Registered before the synchronizer, so that it is emptied before it takes the first message after a jump.
        for subscriber, topic in zip(self._subscribers, (self.image, self.cloud)):
            subscriber.registerCallback(self._take_note, topic)
        self._synchronizer = ApproximateTimeSynchronizer(
            self._subscribers, queue_size=QUEUE_SIZE, slop=settings.sync_slop_s
        )
        self._synchronizer.registerCallback(self._take_pair)

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in (*self._info_subscriptions, *(subscriber.sub for subscriber in self._subscribers)):
            self._node.destroy_subscription(subscription)

    def descriptions(self) -> dict[str, str]:
        """Every topic in words."""
        return {"image": str(self.image), "camera_info": str(self.camera_info), "points": str(self.cloud)}

    def faults(self) -> list[Fault]:
        """What is missing or does not fit together now."""
        found = [fault for fault in (self._silence(self.image), self._silence(self.cloud)) if fault]
        if self._info_content is None:
            found.append(Fault(f"no camera info on {self.camera_info.name} ({self._publishers(self.camera_info)})"))
        unpaired_s = time.monotonic() - max(self._paired_s, self._since_s)
        if not found and unpaired_s > SILENT_AFTER_S and self.image.stamp_s and self.cloud.stamp_s:
            apart_s = self.image.stamp_s - self.cloud.stamp_s
            found.append(
                Fault(
                    f"no image has a point cloud within {self._settings.sync_slop_s:g} s of its stamp: the latest "
                    f"image is {abs(apart_s):.2f} s {'ahead of' if apart_s > 0 else 'behind'} the latest cloud. "
                    "Synchronize the clocks of the sensors (PTP, NTP), or raise sync_slop_s"
                )
            )
        return found

    def _silence(self, topic: Topic) -> Fault | None:
        silent_s = topic.silence_s(self._since_s)
        if silent_s <= SILENT_AFTER_S:
            return None
        return Fault(f"nothing on {topic.name} for {silent_s:.0f} s ({self._publishers(topic)})")

    def _publishers(self, topic: Topic) -> str:
        publishers = self._node.get_publishers_info_by_topic(topic.name)
        if not publishers:
            return "it has no publisher: is the topic remapped?"
        kinds = sorted({f"{info.topic_type}, {info.qos_profile.reliability.name.lower()}" for info in publishers})
        return f"it has {len(publishers)} publisher{'s' if len(publishers) > 1 else ''}: {'; '.join(kinds)}"

    def _take_camera_info(self, message: CameraInfo) -> None:
        self.camera_info.add(message)
        content = (
            message.width, message.height, message.distortion_model,
            tuple(message.k), tuple(message.d), tuple(message.p), tuple(message.r), message.header.frame_id,
        )  # fmt: skip
        if content == self._info_content:
            return
        self._info_content = content
        self._info_frame = normalise(message.header.frame_id)
        try:
            self._camera = camera_from_info(message, self.image.name.removesuffix("/compressed"))
        except CalibrationInputError as error:
            self._camera = None
            self._health.report("camera info", f"{self.camera_info.name}: {error}")
        else:
            self._health.clear("camera info")

    def _take_note(self, message: Any, topic: Topic) -> None:
        if topic.add(message):
            self._health.count(f"jumps back in time of {topic.name}")
            # What waits there is from before the jump: it would crowd out everything that comes now.
            for queue in self._synchronizer.queues:
                queue.clear()

    def _take_pair(self, image: Any, cloud: Any) -> None:
        now_s = self._paired_s = time.monotonic()
        self._health.paired((stamp_ns(image) - stamp_ns(cloud)) * 1e-9)
        if self._camera is None or self._out_of_order(stamp_ns(image)):
            return
        camera_frame = self._settings.camera_frame or normalise(image.header.frame_id) or self._info_frame
        lidar_frame = self._settings.lidar_frame or normalise(cloud.header.frame_id)
        if not self._frames_fit(camera_frame, lidar_frame):
            return
        self._on_pair(Pair(image, cloud, self._camera, camera_frame, lidar_frame, now_s))

    def _out_of_order(self, image_ns: int) -> bool:
        """Whether a pair is a little older than the one before, which would look like a bag that starts again."""
        back_s = (self._pair_ns - image_ns) * 1e-9
        if 0 < back_s < JUMP_BACK_S:
            self._health.reject("out of order")
            return True
        self._pair_ns = image_ns
        return False

    def _frames_fit(self, camera_frame: str, lidar_frame: str) -> bool:
        """Whether the frame ids can be used; a doubt is reported either way."""
        if not camera_frame or not lidar_frame or camera_frame == lidar_frame:
            self._health.report(
                "frames",
                f"images are in frame '{camera_frame}' and point clouds in frame '{lidar_frame}', which must be two "
                "different names: set them in the drivers, or set camera_frame and lidar_frame",
            )
            return False
        if self._info_frame and self._info_frame != camera_frame:
            self._health.report(
                "frames",
                f"the camera info is of frame '{self._info_frame}' but images of '{camera_frame}': is it that of "
                "another camera? Going on with the frame of the images",
                Level.WARN,
            )
        else:
            self._health.clear("frames")
        return True
