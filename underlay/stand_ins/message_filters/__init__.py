"""Stand-in for ROS 2's message_filters: a subscriber and the approximate synchronizer, as i2p_calib_ros uses them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.time import Time


class SimpleFilter:
    """Something with an output that callbacks can be registered for."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., None], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> int:
        """Call `cb(*messages, *args)` for every output; returns the number of the connection."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *messages: Any) -> None:
        """Hand an output to the callbacks."""
        for callback, args in self.callbacks.values():
            callback(*messages, *args)


class Subscriber(SimpleFilter):
    """The messages of a topic. Keyword arguments go to `Node.create_subscription`; the subscription is `sub`."""

    def __init__(self, node: Node, msg_type: type, topic: str, **kwargs: Any) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        kwargs.setdefault("qos_profile", 10)
        self.sub = node.create_subscription(msg_type, topic, self.signalMessage, **kwargs)


class ApproximateTimeSynchronizer(SimpleFilter):
    """Sets of one message of each filter whose header stamps lie within `slop` seconds.

    A new message is put together with the nearest of every other queue. A full queue loses the *smallest* stamp,
    as in the real package: after a jump back in time `queues` must be emptied, or nothing is matched any more.
    """

    def __init__(
        self, fs: Sequence[SimpleFilter], queue_size: int, slop: float, allow_headerless: bool = False
    ) -> None:
        if allow_headerless:
            raise NotImplementedError("the stand-in of message_filters needs headers")
        super().__init__()
        self.queue_size = queue_size
        self.slop_ns = round(slop * 1e9)
        self.queues: list[dict[int, Any]] = [{} for _ in fs]
        self.lock = threading.Lock()
        for queue, source in zip(self.queues, fs):
            source.registerCallback(self.add, queue)

    def add(self, message: Any, own_queue: dict[int, Any]) -> None:
        """Take a message of one of the filters; signals at most one set."""
        stamp_ns = Time.from_msg(message.header.stamp).nanoseconds
        with self.lock:
            own_queue[stamp_ns] = message
            while len(own_queue) > self.queue_size:
                del own_queue[min(own_queue)]
            if stamp_ns not in own_queue or not all(self.queues):
                return
            stamps = [min(queue, key=lambda other: abs(other - stamp_ns)) for queue in self.queues]
            if max(stamps) - min(stamps) >= self.slop_ns:
                return
            self.signalMessage(*(queue.pop(stamp) for queue, stamp in zip(self.queues, stamps)))
