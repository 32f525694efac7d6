"""The report of a replay: one HTML file with everything in it, to read, to mail and to archive."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from i2p_calib_ros import __version__
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.extrinsic_file import (
    static_transform_command,
    to_yaml,
    urdf_joint,
)
from i2p_calib_ros.evaluation.overlay import OverlayPainter, Picture, depth_colors
from i2p_calib_ros.evaluation.plots import (
    AXES,
    CM_PER_M,
    correction_plots,
    deviation_plots,
    error_plots,
    latency_plots,
)
from i2p_calib_ros.evaluation.replay_result import ReplayResult
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray, PoseError

_TONES = {"converged": "good", "rejected": "warn"}
_AXIS_MEANING = dict(zip(AXES, ("right", "down", "forward")))
_JPEG_QUALITY = 88
_WIDE_ASPECT = 2.0
_COPY_SCRIPT = """
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
"""


def write_report(result: ReplayResult, path: str | Path) -> None:
    """Write the report to `path` (.html). Raises CalibrationInputError where that cannot be written."""
    path = Path(path)
    text = render_report(result)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CalibrationInputError(
            f"Cannot write the report {path}: {error}. Choose a folder you may write to."
        ) from error


def render_report(result: ReplayResult) -> str:
    """The report as HTML that needs no other file and no network."""
    sections = [
        _headline(result),
        _overlays(result),
        _result_table(result),
        _error_section(result),
        _uncertainty_section(result),
        _correction_section(result),
        _frames_section(result),
        _blocks(result),
        _provenance(result),
    ]
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    title = escape(f"{result.source_name}: {result.verdict}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} - i2p_calib_ros</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n<footer>i2p_calib_ros {__version__} - {escape(result.date)}</footer>\n</main>\n"
        f"<script>{_COPY_SCRIPT}</script>\n</body>\n</html>\n"
    )


def verdict_sentence(result: ReplayResult) -> str:
    """The outcome in one sentence, for the report and the command line."""
    verdict = result.verdict.capitalize()
    if result.verdict != "converged":
        advice = "keep the initial one" if result.start_name == "initial" else "give an initial one, or record more"
        return f"{verdict}: this recording supports no new extrinsic, {advice}"
    final, start = result.error(result.T_final), result.error(result.T_start)
    if final is not None and start is not None:
        return (
            f"{verdict}: {_size(final)} from the given truth; the {result.start_name} extrinsic was {_size(start)} away"
        )
    moved, known = _size(result.correction), " and ".join(_worst_sigmas(result))
    return f"{verdict}: {moved} from the {result.start_name} extrinsic, known to {known} (1 sigma, worst axis)"


def _headline(result: ReplayResult) -> str:
    tone = _TONES.get(result.verdict, "idle")
    latency = result.latency_percentiles_s()
    total = result.frames_used + result.frames_between + result.frames_rejected
    tiles = [
        ("Correction", _size(result.correction, " / "), ""),
        ("Standard deviation, worst axis", " / ".join(_worst_sigmas(result)), ""),
        ("Keyframes", f"{result.frames_used}", f"of {total} frames"),
    ]
    if latency is not None:
        tiles.append(("Time a keyframe", f"{1e3 * latency[0]:.0f} ms", f"p95 {1e3 * latency[1]:.0f} ms"))
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value} <small>{extra}</small></dd></div>" for name, value, extra in tiles
    )
    return (
        f'<header class="{tone}"><span class="verdict">{escape(result.verdict)}</span>'
        f"<h1>{escape(verdict_sentence(result))}.</h1>"
        f"<p>{escape(result.reason)}</p>"
        f'<p class="note">{escape(result.source_name)}: extrinsic of {escape(result.camera_frame_id)} and '
        f"{escape(result.lidar_frame_id)}</p>"
        f'<dl class="tiles">{cells}</dl></header>'
    )


def _overlays(result: ReplayResult) -> str:
    if not result.overlay_frames:
        return ""
    poses = {"Before": result.T_start, "After": result.T_final}
    if result.T_truth is not None:
        poses["Truth"] = result.T_truth
    groups = [_overlay_group(frame, poses, result) for frame in result.overlay_frames]
    return _section(
        "The cloud on the image",
        "Where the extrinsic is right, colour steps in the cloud follow the edges in the image: poles, cars, "
        "corners of houses. Points that the camera cannot see are left out.",
        "".join(groups),
    )


def _overlay_group(frame: Frame, poses: dict[str, FloatArray], result: ReplayResult) -> str:
    painter = OverlayPainter(frame.camera)
    near, far = painter.depth_range(frame, list(poses.values())[-1])
    figures = []
    for name, T_camera_lidar in poses.items():
        picture = painter.paint(frame, T_camera_lidar, (near, far))
        error = result.error(T_camera_lidar) if name != "Truth" else None
        caption = name if error is None else f"{name}: {_size(error)} off"
        figures.append(
            f'<figure><img alt="{escape(caption)}: points on the image" src="{_data_url(picture)}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    layout = "overlays" if painter.view.width > _WIDE_ASPECT * painter.view.height else "overlays narrow"
    moment = f"{frame.image_stamp_ns * 1e-9 - result.frames[0].stamp_s:.1f} s" if result.frames else ""
    return f'{_depth_scale(moment, near, far)}<div class="{layout}">{"".join(figures)}</div>'


def _depth_scale(moment: str, near: float, far: float) -> str:
    colors = depth_colors(np.geomspace(near, far, 9), near, far)
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in colors.tolist())
    return (
        f'<div class="scale"><span>{moment}</span>depth {near:.1f} m '
        f'<i style="background: linear-gradient(90deg, {stops})"></i> {far:.0f} m</div>'
    )


def _result_table(result: ReplayResult) -> str:
    error = result.error(result.T_final)
    columns = [
        ("Correction", *_by_axis(result.correction), _size(result.correction)),
        ("Std. deviation", *_by_axis_of(result.sigma_rotation_deg, result.sigma_translation_m), ""),
    ]
    if error is not None:
        columns.append(("Error against the truth", *_by_axis(error), _size(error)))
    names = ["Axis of the camera"]
    names += [f"Rotation {axis} ({_AXIS_MEANING[axis]})" for axis in AXES]
    names += [f"Translation {axis} ({_AXIS_MEANING[axis]})" for axis in AXES]
    head, *rows, total = zip(names + ["In all"], *columns)

    lidar_camera = [se3.inverse(T) for T in (result.T_start, result.T_final)]
    pose_columns = [_column(T[:3, 3], " m", 4) + _column(np.rad2deg(se3.euler_rpy(T)), "°", 3) for T in lidar_camera]
    pose_rows = list(zip(["x", "y", "z", "roll", "pitch", "yaw"], *pose_columns))
    return _section(
        "Result",
        "Corrections, deviations and errors are displacements in the camera optical frame.",
        _table(head, rows, total) + f'<p class="note second">Pose of {escape(result.camera_frame_id)} in '
        f"{escape(result.lidar_frame_id)}, as TF and URDF state it:</p>"
        + _table(["", result.start_name.capitalize(), "Calibrated"], pose_rows)
        + f'<p class="note second">{escape(delay_sentence(result))}</p>',
    )


def delay_sentence(result: ReplayResult) -> str:
    """When the images were taken, and what to do about it, for the report and the command line."""
    delay = result.image_delay
    sentence = f"Images were taken {delay} after their stamps, by the clock of the clouds"
    if not delay.certain:
        return f"{sentence}: no sign of wrong stamps"
    return f"{sentence}: add {1e3 * delay.mean_s:.0f} ms to them, as the extrinsic is that of images with right stamps"


def _by_axis(error: PoseError) -> list[str]:
    return _by_axis_of(error.signed_rotation_deg, error.signed_translation_m)


def _by_axis_of(rotation_deg: FloatArray, translation_m: FloatArray) -> list[str]:
    return _column(rotation_deg, "°", 3) + _column(CM_PER_M * translation_m, " cm", 2)


def _error_section(result: ReplayResult) -> str:
    return _plot_section(
        "Error against the truth over time",
        "Fused over all frames so far, and as faint dots each frame alone. Logarithmic scale.",
        error_plots(result),
    )


def _uncertainty_section(result: ReplayResult) -> str:
    reference = "final estimate" if result.T_truth is None else "truth"
    return _plot_section(
        "Uncertainty over time",
        f"Fused estimate minus the {reference} (dashed), rotation about and translation along the camera "
        "axes, with bands of 1 and 2 standard deviations. Honest wide bands hold the dashed line 95 % of the "
        "time.",
        deviation_plots(result),
        layout="plots three",
    )


def _correction_section(result: ReplayResult) -> str:
    marks = "Faint dots are single frames." if result.T_truth is None else "Dashes mark the truth."
    return _plot_section(
        "Correction by axis",
        f"How far the estimate is from the {result.start_name} extrinsic, in the camera optical frame. {marks}",
        correction_plots(result),
    )


def _frames_section(result: ReplayResult) -> str:
    total = result.frames_used + result.frames_between + result.frames_rejected
    rows = [
        ["keyframes", str(result.frames_used), _percent(result.frames_used, total)],
        ["between keyframes, or kept aside", str(result.frames_between), _percent(result.frames_between, total)],
    ] + [
        [f"skipped: {reason}", str(count), _percent(count, total)]
        for reason, count in sorted(result.rejected.items(), key=lambda item: -item[1])
    ]
    if result.frames_compensated:
        compensated = result.frames_compensated
        rows.append(["of all: points moved to the image's moment", str(compensated), _percent(compensated, total)])
    latency = result.latency_percentiles_s()
    timing = (
        "" if latency is None else f" One took {1e3 * latency[0]:.0f} ms (p50), {1e3 * latency[1]:.0f} ms (p95)"
    )
    engine = "" if latency is None else f" with {result.model.engine}; the last bar counts slower ones too."
    plots = "".join(f'<div class="plots"><div>{plot}</div></div>' for plot in latency_plots(result))
    return _section(
        "Frames",
        escape(f"{result.frames_used} of {total} frames became keyframes.{timing}{engine}"),
        f'<div class="plots"><div>{_table(["Frames", "Number", "Share"], rows)}</div>{plots}</div>',
    )


def _blocks(result: ReplayResult) -> str:
    extrinsic = result.extrinsic()
    blocks = (
        ("TF, from the command line", static_transform_command(extrinsic), "wrap"),
        ("URDF", urdf_joint(extrinsic).rstrip(), ""),
        ("extrinsic.yaml", to_yaml(extrinsic).rstrip(), ""),
    )
    body = "".join(
        f'<div class="block"><h3>{escape(name)}</h3><button data-copy="block-{index}">Copy</button>'
        f'<pre id="block-{index}" class="{style}">{escape(text)}</pre></div>'
        for index, (name, text, style) in enumerate(blocks)
    )
    note = "A TF child has one parent: first remove what publishes this transform now."
    if result.verdict != "converged":
        note = f"The verdict is {escape(result.verdict)}: this is the estimate for inspection, not for use."
    return _section("Use it", note, body)


def _provenance(result: ReplayResult) -> str:
    facts = [
        ("Recording", result.source_name),
        ("Date", result.date),
        ("Package", f"i2p_calib_ros {__version__}"),
        ("Model", result.model.name),
        ("Weights, sha256", result.model.weights_sha256 or "none"),
        ("Engine", result.model.engine),
        ("Keyframes", str(result.frames_used)),
    ]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return _section("Provenance", "", f'<dl class="facts">{items}</dl>')


def _section(title: str, note: str, body: str) -> str:
    """A card; `note` and `body` are HTML."""
    note_html = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{note_html}{body}</section>"


def _plot_section(title: str, note: str, plots: Sequence[str], layout: str = "plots") -> str:
    if not plots:
        return ""
    return _section(title, note, f'<div class="{layout}">{"".join(f"<div>{plot}</div>" for plot in plots)}</div>')


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], total: Sequence[str] | None = None) -> str:
    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(f"<{tag}>{escape(value)}</{tag}>" for value in values)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    if total is not None:
        body += f'<tr class="total">{cells("td", total)}</tr>'
    thead = f"<thead><tr>{cells('th', head)}</tr></thead>"
    return f'<div class="scroll"><table>{thead}<tbody>{body}</tbody></table></div>'


def _data_url(picture: Picture) -> str:
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"OpenCV could not encode a picture of shape {picture.shape} as JPEG.")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _worst_sigmas(result: ReplayResult) -> tuple[str, str]:
    """The largest standard deviations among the axes: rotation, translation."""
    rotation, translation = result.sigma_rotation_deg.max(), result.sigma_translation_m.max()
    return _short(rotation) + "°", _short(CM_PER_M * translation) + " cm"


def _size(error: PoseError, joint: str = " and ") -> str:
    return f"{_short(error.rotation_deg)}°{joint}{_short(CM_PER_M * error.translation_m)} cm"


def _short(value: float) -> str:
    """Two significant digits, for sentences."""
    digits = 0 if value >= 9.95 else 1 if value >= 0.995 else 2 if value >= 0.0995 else 3
    return f"{value:.{digits}f}"


def _column(values: FloatArray, unit: str, digits: int) -> list[str]:
    """Numbers for a table column, with a true minus sign, and none before a zero."""
    rounded = np.round(values, digits) + 0.0
    return [f"{value:.{digits}f}{unit}".replace("-", "\N{MINUS SIGN}") for value in rounded]


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else ""
