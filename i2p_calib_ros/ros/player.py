"""Plays a rosbag2 over ROS without rosbag2: serialized messages go out as they were recorded."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Collection, Iterator, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock

from i2p_calib_ros.allocator import keep_freed_memory
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_file import BagFile, BagMessage

CLOCK_PERIOD_NS = 10_000_000
TRANSIENT_TOPICS = ("tf_static", "robot_description")


class BagPlayer(Node):
    """Publishes the messages of a bag in the rhythm of their reception, on the topics they were recorded from.

    Publishers are reliable, so that both kinds of subscriptions hear them; static transforms are kept for late
    joiners. Topics of unknown types are left out. With `clock`, /clock follows the bag.
    """

    def __init__(self, bag: BagFile, *, rate: float, clock: bool) -> None:
        super().__init__("i2p_calib_player")
        self._bag = bag
        self._rate = rate
        self._publishers_of = self._create_publishers()
        self._clock_publisher = self.create_publisher(Clock, "/clock", 1) if clock else None

    def wait_for_subscribers(self, topics: Collection[str]) -> None:
        """Return when all of these topics are listened to. Raises CalibrationInputError for one that is not played."""
        unknown = set(topics) - self._publishers_of.keys()
        if unknown:
            raise CalibrationInputError(
                f"{self._bag.path}: no topic {', '.join(sorted(unknown))} to wait for; it has "
                f"{', '.join(self._publishers_of)}"
            )
        while self.context.ok() and not all(self._publishers_of[t].get_subscription_count() for t in topics):
            time.sleep(0.1)

    def play(self) -> int:
        """Play once from the start; returns the number of messages. Ends early when ROS is shut down."""
        published = 0
        begin_ns: int | None = None
        for now_ns, message in _with_clock_ticks(self._bag.messages(self._publishers_of.keys())):
            if begin_ns is None:
                begin_ns, began_s = now_ns, time.monotonic()
            _sleep_until(began_s + (now_ns - begin_ns) / 1e9 / self._rate)
            if not self.context.ok():
                break
            if self._clock_publisher is not None:
                self._clock_publisher.publish(Clock(clock=Time(nanoseconds=now_ns).to_msg()))
            if message is not None:
                self._publishers_of[message.topic].publish(message.data)
                published += 1
        return published

    def _create_publishers(self) -> dict[str, Publisher]:
        publishers = {}
        for topic in self._bag.topics:
            try:
                message_type = _message_class(topic.type)
            except (AttributeError, ModuleNotFoundError):
                self.get_logger().warning(f"{topic.name}: type {topic.type} is not installed here; not played")
                continue
            latched = topic.name.rpartition("/")[2] in TRANSIENT_TOPICS
            durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            qos = QoSProfile(depth=100 if latched else 10, durability=durability)
            publishers[topic.name] = self.create_publisher(message_type, topic.name, qos)
        if not publishers:
            raise CalibrationInputError(f"{self._bag.path}: no topic of a type that is installed here")
        return publishers


def _with_clock_ticks(messages: Iterator[BagMessage]) -> Iterator[tuple[int, BagMessage | None]]:
    """(time in ns, message), with ticks of the clock (no message) where nothing happens for longer than its period."""
    now_ns: int | None = None
    for message in messages:
        while now_ns is not None and now_ns + CLOCK_PERIOD_NS < message.received_ns:
            now_ns += CLOCK_PERIOD_NS
            yield now_ns, None
        now_ns = message.received_ns
        yield now_ns, message


def _sleep_until(monotonic_s: float) -> None:
    time.sleep(max(0.0, monotonic_s - time.monotonic()))


def _message_class(type_name: str) -> type:
    """The class of `package/msg/Name`."""
    package, _, name = type_name.partition("/msg/")
    message_class: type = getattr(importlib.import_module(f"{package}.msg"), name)
    return message_class


def main(arguments: Sequence[str] | None = None) -> int:
    """`i2p_calib_player BAG`; ROS arguments such as `--ros-args -r /a:=/b` rename topics."""
    keep_freed_memory()
    argv = list(sys.argv if arguments is None else ["i2p_calib_player", *arguments])
    parser = argparse.ArgumentParser(prog="i2p_calib_player", description=__doc__)
    parser.add_argument("bag", help="a rosbag2 directory, .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="how many times faster than recorded")
    parser.add_argument("--loop", action="store_true", help="start again at the end")
    parser.add_argument("--clock", action="store_true", help="publish /clock, for nodes with use_sim_time")
    parser.add_argument(
        "--wait-for", nargs="+", default=[], metavar="TOPIC", help="begin when these topics of the bag are listened to"
    )
    parser.add_argument("--delay", type=float, default=1.0, help="seconds before the first message")
    options = parser.parse_args(remove_ros_args(argv)[1:])
    if not options.rate > 0:
        parser.error(f"--rate must be above 0, got {options.rate:g}")

    rclpy.init(args=argv)
    player: BagPlayer | None = None
    try:
        player = BagPlayer(BagFile(options.bag), rate=options.rate, clock=options.clock)
        player.wait_for_subscribers(options.wait_for)
        time.sleep(options.delay)
        while True:
            player.get_logger().info(f"played {player.play()} messages of {options.bag}")
            if not options.loop or not rclpy.ok():
                break
    except CalibrationInputError as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if player is not None:
            player.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
