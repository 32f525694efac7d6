"""Independent jobs on several cores."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from i2p_calib_ros.allocator import keep_freed_memory

Result = TypeVar("Result")


def _nothing() -> None:
    """A function of this module: several processes pickle it."""


def run_jobs(
    work: Callable[..., Result],
    jobs: Sequence[tuple[Any, ...]],
    processes: int,
    initializer: Callable[..., None] = _nothing,
    initargs: tuple[Any, ...] = (),
) -> Iterator[tuple[int, Result]]:
    """`work(*job)` for every job, as (number of the job, result), each when it is done.

    First every process calls `initializer(*initargs)`. One process is the caller's own; several are new ones, to which
    everything is pickled. Jobs that have not begun are given up where one raises, or where the caller stops asking.
    """
    if processes == 1:
        initializer(*initargs)
        yield from ((number, work(*job)) for number, job in enumerate(jobs))
        return
    # Processes are started afresh: a fork would copy the locks of the threads that draw the progress bar.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (initializer, initargs)) as pool:
        numbers = {pool.submit(work, *job): number for number, job in enumerate(jobs)}
        try:
            for done in as_completed(numbers):
                yield numbers[done], done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(initializer: Callable[..., None], initargs: tuple[Any, ...]) -> None:
    keep_freed_memory()
    initializer(*initargs)
