"""rosbag2 recordings as streams of messages, with clear words for those that are damaged."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_damage import describe_damage

BAG_SUFFIXES = (".mcap", ".db3")

log = logging.getLogger(__name__)


class BagDamaged(CalibrationInputError):
    """The bag cannot be opened, or not be read further than here."""


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag: its name, message type ("sensor_msgs/msg/Image") and number of messages."""

    name: str
    type: str
    count: int


@dataclass(frozen=True, eq=False)
class BagMessage:
    """One recorded message, not yet deserialized."""

    topic: str
    type: str
    received_ns: int
    data: bytes

    def deserialize(self) -> Any:
        """The message as an object with the field names of ROS; garbage raises an exception of any kind."""
        return typestore().deserialize_cdr(self.data, self.type)


class BagFile:
    """A rosbag2 directory (with or without metadata.yaml), or a single .mcap or .db3 file.

    Raises `BagDamaged` when nothing in it can be opened. Several messages can be read at the same time: every
    iteration opens the files for itself.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._storage = self._readable_storage()
        counts: Counter[tuple[str, str]] = Counter()
        with ExitStack() as stack:
            for storage in self._storage:
                for connection in stack.enter_context(Reader(storage)).connections:
                    counts[connection.topic, connection.msgtype] += connection.msgcount
        self.topics = [BagTopic(name, type_, count) for (name, type_), count in sorted(counts.items())]

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """Messages of these topics in the order of reception; `BagDamaged` where the files end too early."""
        with ExitStack() as stack:
            for storage in self._storage:
                try:
                    reader = stack.enter_context(Reader(storage))
                    connections = [c for c in reader.connections if c.topic in topics]
                    if not connections:
                        continue
                    for connection, received_ns, data in reader.messages(connections):
                        yield BagMessage(connection.topic, connection.msgtype, received_ns, bytes(data))
                except Exception as error:  # the parsers raise any kind on damaged bytes
                    raise BagDamaged(describe_damage(self.path, error)) from error

    def _readable_storage(self) -> list[Path]:
        """What rosbags can open: the directory itself where it has metadata, else its storage files."""
        if not self.path.exists():
            raise CalibrationInputError(f"{self.path} does not exist. Expected a rosbag2 directory or file.")
        if self.path.is_file() or (self.path / "metadata.yaml").is_file():
            candidates = [self.path]
        else:
            files = [file for file in self.path.iterdir() if file.suffix in BAG_SUFFIXES]
            candidates = sorted(files, key=lambda file: (len(file.name), file.name))  # _2 before _10
            log.warning("%s has no metadata.yaml; reading its storage files in the order of names", self.path)

        readable, failure = [], None
        for candidate in candidates:
            try:
                with Reader(candidate):
                    readable.append(candidate)
            except Exception as error:  # the parsers raise any kind on damaged bytes
                failure = error
                log.warning("%s cannot be read: %s", candidate, error)
        if not readable:
            raise BagDamaged(describe_damage(self.path, failure)) from failure
        return readable


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Message definitions of ROS 2 Jazzy; those used here are the same in every distribution since Foxy."""
    return get_typestore(Stores.ROS2_JAZZY)
