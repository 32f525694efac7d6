"""A thread that always works on the newest item: what comes faster than it works is dropped and counted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class NewestSlot(Generic[ItemT]):
    """A place for one item between two threads. A newer item replaces one that nobody took."""

    def __init__(self) -> None:
        self.dropped = 0
        """How many items were replaced before anybody took them."""
        self._item: ItemT | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: ItemT) -> None:
        """Leave the newest item; never waits."""
        with self._changed:
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify()

    def take(self) -> ItemT | None:
        """Wait for an item and take it; None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake whoever waits in `take`, with None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Worker(Generic[ItemT]):
    """Calls `work` with the newest submitted item, in a thread of its own, until it is stopped.

    An exception of `work` goes to `on_error` and the thread lives on. `niceness` lowers the priority of the thread
    (Linux), for work that must not slow other threads down.
    """

    def __init__(
        self,
        work: Callable[[ItemT], None],
        on_error: Callable[[Exception], None],
        *,
        name: str,
        niceness: int = 0,
    ) -> None:
        self._work = work
        self._on_error = on_error
        self._niceness = niceness
        self._slot = NewestSlot[ItemT]()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many items were replaced by newer ones before they were worked on."""
        return self._slot.dropped

    def submit(self, item: ItemT) -> None:
        """Hand over the newest item; never waits."""
        self._slot.put(item)

    def stop(self, timeout_s: float) -> bool:
        """Finish the item in work, leave one that waits, end the thread. False when it takes longer than this."""
        self._slot.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self._niceness:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        while (item := self._slot.take()) is not None:
            try:
                self._work(item)
            except Exception as error:
                self._on_error(error)
