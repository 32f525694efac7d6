"""Pair two streams of stamped messages by nearest stamp, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

PayloadT = TypeVar("PayloadT")

DEFAULT_SLOP_S = 0.05
"""Largest difference between image and cloud stamps of a pair: half a turn of a 10 Hz LiDAR."""

MAX_DELAY_NS = 1_000_000_000
"""How much later than its partner a message may have been received (encoding, point cloud assembly, disk)."""

MAX_PENDING_BYTES = 512 * 2**20
MAX_PENDING_MESSAGES = 512


@dataclass(frozen=True, eq=False)
class Stamped(Generic[PayloadT]):
    """A message with the time its sensor gave it and the time it was received."""

    stamp_ns: int
    received_ns: int
    size: int
    """Bytes it occupies."""
    payload: PayloadT


Pair: TypeAlias = tuple[Stamped[PayloadT], Stamped[PayloadT]]


class StampPairer(Generic[PayloadT]):
    """Pairs images with clouds: nearest stamps first, each message once, no pair further apart than the slop.

    A message is decided when everything received up to MAX_DELAY_NS after it is known. Only the order of
    reception counts for that, so stamps may jitter, arrive out of order or jump backwards. Messages that lie
    within the slop of nothing are dropped and counted in `unmatched_images` and `unmatched_clouds`.
    """

    def __init__(self, slop_s: float) -> None:
        self.slop_ns = round(slop_s * 1e9)
        self.unmatched_images = 0
        self.unmatched_clouds = 0
        self._images: list[Stamped[PayloadT]] = []
        self._clouds: list[Stamped[PayloadT]] = []
        self._pending_bytes = 0
        self._now_ns = 0

    def add_image(self, image: Stamped[PayloadT]) -> Iterator[Pair[PayloadT]]:
        """Take an image; yields the (image, cloud) pairs that are decided now."""
        yield from self._add(image, self._images)

    def add_cloud(self, cloud: Stamped[PayloadT]) -> Iterator[Pair[PayloadT]]:
        """Take a cloud; yields the (image, cloud) pairs that are decided now."""
        yield from self._add(cloud, self._clouds)

    def flush(self) -> Iterator[Pair[PayloadT]]:
        """The pairs among what is still pending; nothing more will come."""
        yield from self._decide(received_before_ns=None)

    def _add(self, message: Stamped[PayloadT], queue: list[Stamped[PayloadT]]) -> Iterator[Pair[PayloadT]]:
        # Reception times may stand still or, from one file to the next, go back; arrival does not.
        self._now_ns = max(self._now_ns + 1, message.received_ns)
        queue.append(replace(message, received_ns=self._now_ns))
        self._pending_bytes += message.size
        yield from self._decide(self._now_ns - MAX_DELAY_NS)

        pending = [*self._images, *self._clouds]
        if self._pending_bytes > MAX_PENDING_BYTES or len(pending) > MAX_PENDING_MESSAGES:
            received = [message.received_ns for message in pending]
            yield from self._decide((min(received) + max(received)) // 2 + 1)

    def _decide(self, received_before_ns: int | None) -> Iterator[Pair[PayloadT]]:
        """Yield the pairs and drop the unmatched messages received before this time (None: everything)."""
        images_ripe = self._ripe(self._images, received_before_ns)
        clouds_ripe = self._ripe(self._clouds, received_before_ns)
        if not images_ripe.any() and not clouds_ripe.any():
            return

        apart = self._stamp_distances()
        near = apart <= self.slop_ns
        decided = [(i, c) for i, c in _greedy(apart, near) if images_ripe[i] and clouds_ripe[c]]
        pairs = [(self._images[i], self._clouds[c]) for i, c in decided]

        # As long as a possible partner is pending, a nearer one of it may come and leave it free.
        last = received_before_ns is None
        lone_images = images_ripe & (last | ~near.any(axis=1))
        lone_clouds = clouds_ripe & (last | ~near.any(axis=0))
        for i, c in decided:
            lone_images[i] = lone_clouds[c] = False
        self.unmatched_images += int(lone_images.sum())
        self.unmatched_clouds += int(lone_clouds.sum())

        gone_images = set(np.flatnonzero(lone_images)).union(i for i, _ in decided)
        gone_clouds = set(np.flatnonzero(lone_clouds)).union(c for _, c in decided)
        self._images = [image for i, image in enumerate(self._images) if i not in gone_images]
        self._clouds = [cloud for c, cloud in enumerate(self._clouds) if c not in gone_clouds]
        self._pending_bytes = sum(message.size for message in [*self._images, *self._clouds])
        yield from pairs

    def _stamp_distances(self) -> NDArray[np.int64]:
        images = np.array([image.stamp_ns for image in self._images], np.int64)
        clouds = np.array([cloud.stamp_ns for cloud in self._clouds], np.int64)
        apart: NDArray[np.int64] = np.abs(images[:, None] - clouds[None, :])
        return apart

    @staticmethod
    def _ripe(messages: list[Stamped[PayloadT]], received_before_ns: int | None) -> NDArray[np.bool_]:
        return np.array(
            [received_before_ns is None or message.received_ns < received_before_ns for message in messages],
            dtype=bool,
        )


def _greedy(apart: NDArray[np.int64], near: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(image, cloud) indices of near pairs, closest first, each index once; in the order of the images."""
    candidates = np.argwhere(near)
    order = np.argsort(apart[near], kind="stable")
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for i, c in candidates[order].tolist():
        if i not in pairs and c not in taken:
            pairs[i] = c
            taken.add(c)
    return sorted(pairs.items())
