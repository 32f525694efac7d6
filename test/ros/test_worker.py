"""The newest item wins, drops are counted, the thread survives what its work raises, and it ends when told."""

from __future__ import annotations

import threading

from i2p_calib_ros.ros.worker import NewestSlot, Worker

TIMEOUT_S = 30.0


def fail(error: Exception) -> None:
    raise AssertionError("unexpected") from error


def test_slot_keeps_the_newest_and_counts_what_it_replaced() -> None:
    slot = NewestSlot[int]()
    for item in (1, 2, 3):
        slot.put(item)

    assert slot.take() == 3
    assert slot.dropped == 2


def test_closed_slot_gives_nothing_even_when_an_item_waits() -> None:
    slot = NewestSlot[int]()
    slot.put(1)
    slot.close()

    assert slot.take() is None


def test_items_that_come_while_it_works_are_dropped_but_for_the_newest() -> None:
    started, go_on = threading.Event(), threading.Event()
    done: list[int] = []
    last = threading.Event()

    def work(item: int) -> None:
        started.set()
        go_on.wait(TIMEOUT_S)
        done.append(item)
        if item == 4:
            last.set()

    worker = Worker[int](work, fail, name="test")
    worker.submit(1)
    assert started.wait(TIMEOUT_S)
    for item in (2, 3, 4):
        worker.submit(item)
    go_on.set()

    assert last.wait(TIMEOUT_S)
    assert done == [1, 4]
    assert worker.dropped == 2
    assert worker.stop(TIMEOUT_S)


def test_an_exception_is_reported_and_the_next_item_is_worked_on() -> None:
    errors: list[Exception] = []
    reported, succeeded = threading.Event(), threading.Event()

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("broken")
        succeeded.set()

    def on_error(error: Exception) -> None:
        errors.append(error)
        reported.set()

    worker = Worker[int](work, on_error, name="test")
    worker.submit(0)
    assert reported.wait(TIMEOUT_S)
    worker.submit(1)

    assert succeeded.wait(TIMEOUT_S)
    assert [str(error) for error in errors] == ["broken"]
    assert worker.stop(TIMEOUT_S)


def test_stop_says_when_the_work_does_not_end_in_time_and_leaves_what_waits() -> None:
    started, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def work(item: int) -> None:
        started.set()
        go_on.wait(TIMEOUT_S)
        done.append(item)

    worker = Worker[int](work, fail, name="test", niceness=1)
    worker.submit(1)
    assert started.wait(TIMEOUT_S)
    worker.submit(2)

    assert not worker.stop(0.01)
    go_on.set()
    assert worker.stop(TIMEOUT_S)
    assert done == [1]
