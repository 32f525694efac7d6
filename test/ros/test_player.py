"""The bag player, heard over DDS: in this process where every message counts, and as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from i2p_calib_ros.frames.bag_file import BagFile
from i2p_calib_ros.ros.environment import process_environment
from i2p_calib_ros.ros.player import BagPlayer

FRAMES = 10
TOPICS = {"/cam/image_raw": Image, "/cam/camera_info": CameraInfo, "/points": PointCloud2, "/clock": Clock}
DOMAIN = 102 + os.getpid() % 100
"""Between the domains of the other tests and the limit of DDS."""


class Listener:
    """A node on all topics of the bag, with what it heard by topic."""

    def __init__(self) -> None:
        self.node = Node("listener")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.arrived_s: list[float] = []
        for topic, message_type in TOPICS.items():
            self.node.create_subscription(message_type, topic, self.heard[topic].append, 100)
        self.node.create_subscription(Image, "/cam/image_raw", self._note_arrival, 100)

    def _note_arrival(self, image: Image) -> None:
        self.arrived_s.append(time.monotonic())

    def latched(self, topic: str, message_type: type) -> None:
        qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(message_type, topic, self.heard[topic].append, qos)

    def listen(self, until: Callable[[], bool], timeout_s: float = 20.0) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.05)
            if until():
                return True
        return False

    def hears(self, *topics: str) -> bool:
        """Whether publishers of these topics are known."""
        return all(self.node.count_publishers(topic) for topic in topics)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    for name, value in process_environment().items():
        monkeypatch.setenv(name, value)
    rclpy.init(domain_id=DOMAIN)
    try:
        listener = Listener()
        yield listener
        listener.node.destroy_node()
    finally:
        rclpy.shutdown()


@pytest.fixture
def play() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    players: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        players.append(
            subprocess.Popen(
                [sys.executable, "-m", "i2p_calib_ros.ros.player", *map(str, arguments)],
                env=os.environ | {"ROS_DOMAIN_ID": str(DOMAIN)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return players[-1]

    yield start
    for player in players:
        player.kill()
        player.wait()


@pytest.fixture
def bag(recording: Any, make: Any, tmp_path: Path) -> Path:
    return recording.drive(FRAMES).static(make.transform("lidar", "cam")).write(tmp_path / "drive")


def stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def play_all(listener: Listener, bag: Path, *, rate: float) -> int:
    """Play a bag, once the listener is known, while the listener listens; returns the number of messages."""
    player = BagPlayer(BagFile(bag), rate=rate, clock=True)
    try:
        assert listener.listen(lambda: all(player.count_subscribers(topic) for topic in TOPICS))
        with ThreadPoolExecutor(max_workers=1) as thread:
            played = thread.submit(player.play)
            assert listener.listen(played.done)
            listener.listen(lambda: len(listener.heard["/points"]) >= FRAMES, timeout_s=2.0)
            return played.result()
    finally:
        player.destroy_node()


def test_plays_everything_in_the_recorded_rhythm(listener: Listener, bag: Path, make: Any) -> None:
    assert play_all(listener, bag, rate=0.5) == 3 * FRAMES + 1
    for topic in ("/cam/image_raw", "/cam/camera_info", "/points"):
        assert len(listener.heard[topic]) == FRAMES, topic
    expected = [make.start_ns + index * make.period_ns for index in range(FRAMES)]
    assert [stamp_ns(image) for image in listener.heard["/cam/image_raw"]] == expected
    took_s = listener.arrived_s[-1] - listener.arrived_s[0]
    assert took_s == pytest.approx((FRAMES - 1) * make.period_ns / 1e9 / 0.5, abs=0.3)


def test_the_clock_follows_the_bag_between_the_messages_too(listener: Listener, bag: Path, make: Any) -> None:
    play_all(listener, bag, rate=1.0)
    clock = [c.clock.sec * 1_000_000_000 + c.clock.nanosec for c in listener.heard["/clock"]]
    assert clock == sorted(clock) and len(clock) >= (FRAMES - 1) * 9
    assert clock[0] == make.start_ns
    assert clock[-1] >= make.start_ns + (FRAMES - 1) * make.period_ns


def test_late_joiners_get_the_static_transforms(listener: Listener, play: Any, bag: Path) -> None:
    play(bag, "--rate", 0.2)
    assert listener.listen(lambda: len(listener.heard["/points"]) >= 2)
    listener.latched("/tf_static", TFMessage)
    assert listener.listen(lambda: bool(listener.heard["/tf_static"]))
    (transform,) = listener.heard["/tf_static"][0].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == ("lidar", "cam")


def test_a_loop_goes_back_in_time_until_it_is_interrupted(listener: Listener, play: Any, bag: Path) -> None:
    player = play(bag, "--loop", "--rate", 4)
    assert listener.listen(lambda: len(listener.heard["/points"]) >= FRAMES + 3)
    stamps = [stamp_ns(cloud) for cloud in listener.heard["/points"]]
    assert stamps[FRAMES : FRAMES + 3] == stamps[:3]
    player.send_signal(signal.SIGINT)
    assert player.wait(timeout=5) == 0


def test_waits_until_somebody_listens(listener: Listener, play: Any, bag: Path) -> None:
    play(bag, "--wait-for", "/points", "/tf_static", "--delay", 0, "--rate", 4)
    assert listener.listen(lambda: listener.hears("/points"))
    assert not listener.listen(lambda: bool(listener.heard["/points"]), timeout_s=1.5)
    listener.latched("/tf_static", TFMessage)
    assert listener.listen(lambda: bool(listener.heard["/points"]))


def test_does_not_wait_for_a_topic_that_it_does_not_play(play: Any, bag: Path) -> None:
    player = play(bag, "--wait-for", "/other")
    assert player.wait(timeout=20) == 2
    assert "/other" in player.stderr.read()


def test_topics_of_unknown_types_are_left_out(listener: Listener, recording: Any, tmp_path: Path) -> None:
    foreign = {"/foreign": "statistics_msgs/msg/MetricsMessage"}
    bag = recording.drive(2).write(tmp_path / "odd", silent=foreign)
    play_all(listener, bag, rate=4.0)
    assert len(listener.heard["/points"]) == 2 and not listener.hears("/foreign")


def test_a_missing_bag_is_named(play: Any, tmp_path: Path) -> None:
    player = play(tmp_path / "nowhere")
    assert player.wait(timeout=20) == 2
    assert "nowhere" in player.stderr.read()
