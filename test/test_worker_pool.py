"""Jobs on one process or several: every result with its number, and errors as the caller's.

The functions are those of libraries, as new processes cannot import a test.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from i2p_calib_ros.worker_pool import run_jobs


@pytest.mark.parametrize("processes", [1, 2])
def test_every_job_is_done_once_by_processes_that_were_told_the_same(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # and back again
    folder = tmp_path / "told"
    folder.mkdir()
    names = [str(number) for number in range(7)]
    results = dict(run_jobs(os.path.abspath, [(name,) for name in names], processes, os.chdir, (folder,)))
    assert results == {number: str(folder / name) for number, name in enumerate(names)}


def test_one_process_is_the_callers_own() -> None:
    assert list(run_jobs(os.getpid, [()], 1)) == [(0, os.getpid())]


@pytest.mark.parametrize("processes", [1, 2])
def test_the_error_of_a_job_reaches_the_caller(processes: int) -> None:
    with pytest.raises(ValueError, match="math domain error"):
        list(run_jobs(math.sqrt, [(4.0,), (-1.0,), (9.0,)], processes))


def test_nothing_to_do_is_done() -> None:
    assert list(run_jobs(math.sqrt, [], 2)) == []
