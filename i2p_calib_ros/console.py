"""What the command line shows: progress, the table of a replay, the accuracy of an evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from i2p_calib_ros.evaluation.replay_result import ReplayResult

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def plain(text: str) -> str:
    """Text whose brackets are no markup."""
    return text.replace("[", "\\[")


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on the error stream, or a line for every tenth where that is no terminal.

    Call what is yielded with a text after every step.
    """
    if not err.is_terminal:
        yield _progress_lines(what, total)
        return
    columns = (
        TextColumn(f"[bold]{what}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("", total=total)
        yield lambda text: bar.update(task, advance=1, description=text)


def _progress_lines(what: str, total: int) -> Callable[[str], None]:
    started_s, done = time.monotonic(), 0

    def advance(text: str) -> None:
        nonlocal done
        done += 1
        if done * 10 // total > (done - 1) * 10 // total:
            elapsed = timedelta(seconds=round(time.monotonic() - started_s))
            err.print(f"{what} {done}/{total} after {elapsed} {text}".rstrip(), soft_wrap=True)

    return advance


def print_replay(result: ReplayResult, out_dir: Path) -> None:
    """The extrinsic, its error where the truth is known, and the verdict."""
    from i2p_calib_ros.evaluation.extrinsic_file import static_transform_command
    from i2p_calib_ros.evaluation.report import delay_sentence, verdict_sentence
    from i2p_calib_ros.geometry import se3

    table = Table(title="Extrinsic", title_justify="left")
    table.add_column("")
    table.add_column("x  y  z [m]", justify="right")
    table.add_column("roll pitch yaw [deg]", justify="right")

    def add_row(title: str, metres: Any, degrees: Any) -> None:
        table.add_row(title, " ".join(f"{v:+.3f}" for v in metres), " ".join(f"{v:+.2f}" for v in degrees))

    for title, T in (
        ("T_camera_lidar", result.T_final),
        ("T_lidar_camera (as in TF)", se3.inverse(result.T_final)),
    ):
        add_row(title, T[:3, 3], np.rad2deg(se3.euler_rpy(T)))
    table.add_section()
    error = result.error(result.T_final)
    add_row("std. deviation, camera axes", result.sigma_translation_m, result.sigma_rotation_deg)
    add_row("correction, camera axes", result.correction.signed_translation_m, result.correction.signed_rotation_deg)
    if error is not None:
        add_row("error against truth", error.signed_translation_m, error.signed_rotation_deg)
    out.print(table)
    start = result.error(result.T_start)
    if error is not None and start is not None:
        out.print(
            f"error    {result.start_name} {start.rotation_deg:.2f}° / {100 * start.translation_m:.1f} cm, "
            f"now {error.rotation_deg:.2f}° / {100 * error.translation_m:.1f} cm"
        )
    latency = result.latency_percentiles_s()
    if latency is not None:
        out.print(
            f"time     {1e3 * latency[0]:.0f} ms p50, {1e3 * latency[1]:.0f} ms p95 a keyframe ({result.model.engine})"
        )
    out.print(
        f"frames   {result.frames_used} keyframes, {result.frames_between} between them or kept aside, "
        f"{result.frames_rejected} rejected; {result.frames_compensated} compensated for motion"
    )
    out.print(f"stamps   {delay_sentence(result)}")
    for reason, count in result.rejected.items():
        out.print(f"         {count} x {plain(reason)}")
    out.print(f"verdict  [bold]{plain(verdict_sentence(result))}[/]\n         {plain(result.reason)}")
    out.print(f"tf       {plain(static_transform_command(result.extrinsic()))}", soft_wrap=True)
    out.print(f"written  {out_dir / 'extrinsic.yaml'}  {out_dir / 'report.html'}", soft_wrap=True)


def print_evaluation(summary: dict[str, Any]) -> None:
    """Errors and honesty, by sequence and overall: `summary` of `evaluate` (evaluation/trials.py)."""
    out.print(f"[bold]{summary['protocol']}[/] from {summary['start']}, model {summary['model']}")
    rows = list(summary["by_sequence"].items())
    if len(rows) > 1:
        rows.append(("overall", summary["overall"]))
    for name, row in rows:
        mean, deviation = (
            " ".join(f"{v:{sign}.2f}" for v in row[name]["rotation_deg"].values())
            + " °   "
            + " ".join(f"{100 * v:{sign}.1f}" for v in row[name]["translation_m"].values())
            + " cm"
            for name, sign in (("mean_signed", "+"), ("std_signed", ""))
        )
        out.print(
            f"\n[bold]{plain(name)}[/], {row['trials']} trials\n"
            f"  median error      {row['median_rotation_deg']:.2f}°  {100 * row['median_translation_m']:.1f} cm\n"
            f"  mean, axes x y z  {mean}\n"
            f"  deviation from it {deviation}\n"
            f"  within            2° & 5 cm {100 * row['within_2deg_5cm']:.0f} %   "
            f"1° & 2.5 cm {100 * row['within_1deg_2.5cm']:.0f} %   "
            f"worse than start {100 * row['worse_than_start']:.0f} %\n"
            f"  covariance        NEES {row['nees_mean']:.1f} (6 expected)   "
            f"90 % region holds {100 * row['coverage']['90']:.0f} %\n"
            f"  time a frame      {1e3 * row['seconds_a_frame']['p50']:.0f} ms p50, "
            f"{1e3 * row['seconds_a_frame']['p95']:.0f} ms p95"
        )
        if row["image_delay_s"] is not None:
            delay = row["image_delay_s"]
            out.print(f"  image delay       {1e3 * delay['mean']:+.1f} ms, deviation {1e3 * delay['std']:.1f} ms")
        if summary["protocol"] == "global":
            means = row["registration"]
            out.print(
                f"  as published      RTE {means['rte_mean_m']:.2f} m   RRE {means['rre_mean_deg']:.2f}°   "
                f"within 2 m & 5° {100 * means['within_2m_5deg']:.0f} %"
            )
