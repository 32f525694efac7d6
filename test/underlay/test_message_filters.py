"""The synchronizer pairs by stamp as the real package does; run against it where it comes first on the path."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
from message_filters import ApproximateTimeSynchronizer, SimpleFilter
from rclpy.time import Time
from sensor_msgs.msg import Image


def image(stamp_ms: int) -> Image:
    message = Image()
    message.header.stamp = Time(nanoseconds=stamp_ms * 1_000_000).to_msg()
    return message


class Pairs:
    """Two filters, a synchronizer behind them, and the stamps of what it puts out, in ms."""

    def __init__(self, queue_size: int = 5, slop: float = 0.05) -> None:
        self.left, self.right = SimpleFilter(), SimpleFilter()
        self.out: list[tuple[int, int]] = []
        self.synchronizer = ApproximateTimeSynchronizer(
            [self.left, self.right], queue_size=queue_size, slop=slop
        )
        self.synchronizer.registerCallback(self._take)

    def _take(self, *messages: Image) -> None:
        self.out.append(tuple(Time.from_msg(m.header.stamp).nanoseconds // 1_000_000 for m in messages))


def test_takes_the_nearest_within_the_slop_and_each_message_once() -> None:
    pairs = Pairs()
    for stamp in (1000, 1040, 1300):
        pairs.left.signalMessage(image(stamp))
    pairs.right.signalMessage(image(1030))
    pairs.right.signalMessage(image(1035))
    pairs.right.signalMessage(image(1100))
    assert pairs.out == [(1040, 1030), (1000, 1035)]


def test_order_of_the_filters_is_kept_whoever_comes_last() -> None:
    pairs = Pairs()
    pairs.right.signalMessage(image(1030))
    pairs.left.signalMessage(image(1040))
    assert pairs.out == [(1040, 1030)]


def test_a_difference_of_the_slop_is_too_much() -> None:
    pairs = Pairs(slop=0.05)
    pairs.left.signalMessage(image(1000))
    pairs.right.signalMessage(image(1050))
    assert pairs.out == []
    pairs.right.signalMessage(image(1049))
    assert pairs.out == [(1000, 1049)]


def test_after_a_jump_back_nothing_matches_until_the_queues_are_emptied() -> None:
    pairs = Pairs(queue_size=2)
    for stamp in (9000, 9100):
        pairs.left.signalMessage(image(stamp))
    pairs.left.signalMessage(image(1000))
    pairs.right.signalMessage(image(1000))
    assert pairs.out == []
    for queue in pairs.synchronizer.queues:
        queue.clear()
    pairs.left.signalMessage(image(1000))
    pairs.right.signalMessage(image(1000))
    assert pairs.out == [(1000, 1000)]
