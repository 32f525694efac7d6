"""Progress for people and for logs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from i2p_calib_ros import console
from i2p_calib_ros.console import progress


def shown(total: int, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=stream, force_terminal=terminal, width=80))
    with progress("evaluate", total) as advance:
        for number in range(total):
            advance(f"step {number}")
    return stream.getvalue()


@pytest.mark.parametrize(("total", "lines"), [(200, 10), (10, 10), (3, 3)])
def test_a_log_gets_a_line_for_every_tenth(total: int, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(total, terminal=False, monkeypatch=monkeypatch).splitlines()
    assert len(text) == lines
    assert text[-1] == f"evaluate {total}/{total} after 0:00:00 step {total - 1}"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(200, terminal=True, monkeypatch=monkeypatch)
    assert "200/200" in text and "after" not in text
