"""A few items of a stream of unknown length, evenly spread over it, in bounded memory."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class EvenlySpread(Generic[Item]):
    """Keeps every k-th item; when more than `capacity` have come, every other one goes and k doubles."""

    def __init__(self, capacity: int) -> None:
        self.items: list[Item] = []
        self._capacity = capacity
        self._every = 1
        self._seen = 0

    def offer(self, item: Item) -> None:
        """Take the next item of the stream."""
        if self._seen % self._every == 0:
            self.items.append(item)
        self._seen += 1
        if len(self.items) > self._capacity:
            self.items = self.items[::2]
            self._every *= 2
