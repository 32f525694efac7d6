"""The plots of the report as inline SVG that follows the colours of the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from i2p_calib_ros.evaluation.replay_result import ReplayResult
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray

AXES = ("x", "y", "z")
CM_PER_M = 100.0

_WIDE_IN, _NARROW_IN, _HEIGHT_IN = 4.2, 3.1, 2.2
_MARGINS_IN = (0.42, 0.42, 0.08, 0.3)  # left, bottom, right, top; fixed, as fitting them takes half the time
_FEW_FRAMES = 25
_SETTLING_SHARE = 0.25  # of the frames, left out when the scale of an axis is chosen

# Stand-ins to draw with, exchanged in the SVG for variables of the page's style sheet.
_INK, _MUTED, _LINE, _ACCENT = "#010203", "#040506", "#070809", "#0a0b0c"
_AXIS_COLORS = ("#0d0e0f", "#101112", "#131415")
_CSS_COLORS = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _LINE: "var(--line)",
    _ACCENT: "var(--accent)",
    **{color: f"var(--axis-{axis})" for color, axis in zip(_AXIS_COLORS, AXES)},
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 8.5,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
    "lines.markersize": 3.5,
}


def error_plots(result: ReplayResult) -> list[str]:
    """Rotation and translation error against the truth over time, as SVG; none without a truth."""
    if result.T_truth is None or not result.frames:
        return []
    fused = se3.pose_error(_poses(result, "T_fused"), result.T_truth)
    single = se3.pose_error(_poses(result, "T_single"), result.T_truth)
    start = se3.pose_error(result.T_start, result.T_truth)
    plots = []
    for name, attribute, unit, scale in (
        ("Rotation", "rotation_deg", "°", 1.0),
        ("Translation", "translation_m", "cm", CM_PER_M),
    ):
        with _plot(f"{name} error [{unit}]", _WIDE_IN) as plot:
            axes, times = plot.axes, _times(result)
            start_error = scale * getattr(start, attribute)
            axes.axhline(start_error, color=_MUTED, linewidth=1.2, linestyle=(0, (1, 2)), label="start")
            axes.plot(times, scale * getattr(single, attribute), ".", color=_MUTED, alpha=0.45, label="one frame")
            axes.plot(times, scale * getattr(fused, attribute), _marker(result), color=_ACCENT, label="fused")
            _log_scale(axes)
            _legend_beside_title(axes)
        plots.append(plot.svg)
    return plots


def deviation_plots(result: ReplayResult) -> list[str]:
    """Per axis, the estimate with its 1 and 2 sigma bands, minus the truth or the final estimate; as SVG."""
    if not result.frames:
        return []
    reference = result.T_final if result.T_truth is None else result.T_truth
    deviation = se3.pose_error(_poses(result, "T_fused"), reference)
    sigma = np.sqrt([np.diag(record.covariance_fused) for record in result.frames])
    plots = []
    for name, values, deviations, unit, scale in (
        ("about", deviation.signed_rotation_deg, sigma[:, 3:], "°", np.rad2deg(1.0)),
        ("along", CM_PER_M * deviation.signed_translation_m, sigma[:, :3], "cm", CM_PER_M),
    ):
        for index, axis in enumerate(AXES):
            with _plot(f"{name} {axis} [{unit}]", _NARROW_IN) as plot:
                _draw_bands(plot.axes, result, values[:, index], scale * deviations[:, index])
            plots.append(plot.svg)
    return plots


def correction_plots(result: ReplayResult) -> list[str]:
    """The correction of the extrinsic over time, one line an axis, as SVG.

    Dashes mark the truth; without one, faint dots are what each frame says alone (else `error_plots` shows them).
    """
    if not result.frames:
        return []
    correction = se3.pose_error(_poses(result, "T_fused"), result.T_start)
    single = se3.pose_error(_poses(result, "T_single"), result.T_start)
    needed = None if result.T_truth is None else se3.pose_error(result.T_truth, result.T_start)
    plots = []
    for name, attribute, unit, scale in (
        ("Rotation about", "signed_rotation_deg", "°", 1.0),
        ("Translation along", "signed_translation_m", "cm", CM_PER_M),
    ):
        with _plot(f"{name} x, y, z [{unit}]", _WIDE_IN) as plot:
            values, alone = scale * getattr(correction, attribute), scale * getattr(single, attribute)
            for index, (axis, color) in enumerate(zip(AXES, _AXIS_COLORS)):
                plot.axes.plot(_times(result), values[:, index], _marker(result), color=color, label=axis)
                if needed is None:
                    plot.axes.plot(_times(result), alone[:, index], ".", color=color, alpha=0.35, zorder=1)
                else:
                    level = scale * getattr(needed, attribute)[index]
                    plot.axes.axhline(level, color=color, linewidth=1.0, linestyle=(0, (4, 3)))
            _legend_beside_title(plot.axes)
        plots.append(plot.svg)
    return plots


def latency_plots(result: ReplayResult) -> list[str]:
    """Histogram of the time a frame took with its 50th and 95th percentile, as SVG; the last bar is open."""
    percentiles = result.latency_percentiles_s()
    if percentiles is None:
        return []
    p50, p95 = (1e3 * value for value in percentiles)
    with _plot("Frames by time taken", _WIDE_IN, x_label="time a frame [ms]") as plot:
        times = 1e3 * np.array([record.latency_s for record in result.frames])
        bins = np.linspace(0.0, max(1.15 * float(np.quantile(times, 0.99)), 1e-3), 31).tolist()
        plot.axes.hist(np.minimum(times, bins[-1]), bins=bins, color=_ACCENT, alpha=0.75, rwidth=0.85)
        plot.axes.margins(y=0.25)
        plot.axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        for value, label, side in ((p50, "p50", -1), (p95, "p95", 1)):
            plot.axes.axvline(value, color=_INK, linewidth=1.0, linestyle=(0, (4, 3)))
            plot.axes.annotate(
                f"{label} {value:.0f}",
                (value, 1.0),
                xycoords=plot.axes.get_xaxis_transform(),
                xytext=(4 * side, -2),
                textcoords="offset points",
                ha="right" if side < 0 else "left",
                va="top",
            )
    return [plot.svg]


@dataclass
class _Plot:
    """A plot being drawn; `svg` is filled when it is done."""

    axes: Axes
    svg: str = ""


@contextmanager
def _plot(title: str, width_in: float, x_label: str = "time [s]") -> Iterator[_Plot]:
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=(width_in, _HEIGHT_IN))
        left, bottom, right, top = _MARGINS_IN
        width, height = width_in - left - right, _HEIGHT_IN - bottom - top
        place = (left / width_in, bottom / _HEIGHT_IN, width / width_in, height / _HEIGHT_IN)
        plot = _Plot(figure.add_axes(place))
        plot.axes.set_title(title)
        plot.axes.set_xlabel(x_label, labelpad=2)
        yield plot
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    plot.svg = _inline(text.getvalue(), title)


def _inline(svg: str, title: str) -> str:
    """The <svg> element alone, sized by the page, in the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r"(font: [\w .]*?[\d.]+px)[^;\"]*", r"\1 var(--font)", svg)
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", svg)
    for stand_in, variable in _CSS_COLORS.items():
        svg = svg.replace(stand_in, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1).strip()


def _draw_bands(axes: Axes, result: ReplayResult, values: FloatArray, sigma: FloatArray) -> None:
    times = _times(result)
    axes.axhline(0.0, color=_INK, linewidth=1.0, linestyle=(0, (4, 3)))
    for factor, alpha in ((2.0, 0.14), (1.0, 0.24)):
        low, high = values - factor * sigma, values + factor * sigma
        axes.fill_between(times, low, high, color=_ACCENT, alpha=alpha, linewidth=0)
    axes.plot(times, values, _marker(result), color=_ACCENT)
    settled = slice(int(_SETTLING_SHARE * len(values)), None)
    limit = 1.15 * float(np.max(np.abs(values[settled]) + 2 * sigma[settled]))
    axes.set_ylim(-limit, limit)


def _log_scale(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend_beside_title(axes: Axes) -> None:
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.2,
        ncols=3,
        frameon=False,
        labelcolor=_MUTED,
        handlelength=1.0,
        handletextpad=0.3,
        columnspacing=0.7,
    )


def _times(result: ReplayResult) -> FloatArray:
    """Seconds (n,) since the first frame."""
    stamps = np.array([record.stamp_s for record in result.frames])
    return stamps - stamps[0]


def _poses(result: ReplayResult, name: str) -> FloatArray:
    """`T_single` or `T_fused` of all frames, (n, 4, 4)."""
    return np.stack([getattr(record, name) for record in result.frames])


def _marker(result: ReplayResult) -> str:
    """A line; with a point at each frame where there are few."""
    return "o-" if len(result.frames) <= _FEW_FRAMES else "-"
