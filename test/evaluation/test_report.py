from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import yaml

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.plots import correction_plots, deviation_plots, error_plots, latency_plots
from i2p_calib_ros.evaluation.replay_result import ReplayResult
from i2p_calib_ros.evaluation.report import delay_sentence, render_report, verdict_sentence, write_report
from i2p_calib_ros.fusion.image_delay import ImageDelay

MakeResult = Callable[..., ReplayResult]
VOID_TAGS = {"meta", "img"}


class TagBalance(HTMLParser):
    """Fails on a tag that is closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(make_result: MakeResult) -> str:
    return render_report(make_result())


def test_the_report_is_well_formed(page: str) -> None:
    parser = TagBalance()
    parser.feed(page)
    assert parser.open == []


def test_the_report_needs_no_other_file_and_no_network(page: str) -> None:
    sources = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_names_from_outside_are_escaped(page: str) -> None:
    assert "drive &lt;7&gt;" in page
    assert "drive <7>" not in page
    assert "better &amp; more sharply" in page


def test_before_after_and_truth_are_shown_as_pictures(page: str) -> None:
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert captions == ["Before: 5.0° and 40 cm off", "After: 0.10° and 1.0 cm off", "Truth"]
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    for picture in pictures:
        data = np.frombuffer(base64.b64decode(picture), dtype=np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (96, 160, 3)
    assert len(set(pictures)) == 3


def test_the_copyable_file_is_the_extrinsic(page: str) -> None:
    blocks = [unescape(block) for block in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)]
    command, urdf, file = blocks
    assert command.startswith("ros2 run tf2_ros static_transform_publisher")
    assert ElementTree.fromstring(urdf).find("origin") is not None
    assert yaml.safe_load(file)["camera_frame_id"] == "camera_optical"


def test_skipped_frames_are_counted_with_their_reason(page: str) -> None:
    assert "6 of 12 frames became keyframes" in page
    assert "<td>skipped: no cloud within 50 ms</td><td>2</td><td>16.7 %</td>" in page


def test_the_sentence_compares_with_the_truth_where_there_is_one(make_result: MakeResult) -> None:
    assert verdict_sentence(make_result()) == (
        "Converged: 0.10° and 1.0 cm from the given truth; the initial extrinsic was 5.0° and 40 cm away"
    )


def test_wrong_stamps_are_said_with_what_to_do(make_result: MakeResult) -> None:
    result = make_result()
    assert "+12.0 ± 2.0 ms" in delay_sentence(result) and "add 12 ms" in delay_sentence(result)
    assert "no sign of wrong stamps" in delay_sentence(replace(result, image_delay=ImageDelay(0.004, 0.005)))


def test_the_sentence_states_correction_and_uncertainty_otherwise(make_result: MakeResult) -> None:
    assert verdict_sentence(make_result(truth=False)) == (
        "Converged: 5.0° and 40 cm from the initial extrinsic, known to 0.17° and 3.0 cm (1 sigma, worst axis)"
    )


def test_where_no_initial_extrinsic_was_given_none_is_spoken_of(make_result: MakeResult) -> None:
    for verdict, truth in itertools.product(("converged", "inconclusive", "rejected"), (True, False)):
        result = replace(make_result(verdict=verdict, truth=truth), start_name="first found")
        page = render_report(result)
        assert "initial extrinsic" not in page and "the initial one" not in page and "Initial" not in page
        assert result.extrinsic().provenance.T_camera_lidar_initial is None
        assert result.to_json()["start"]["name"] == "first found"
    assert "keep" not in verdict_sentence(result)


@pytest.mark.parametrize("verdict", ["inconclusive", "rejected"])
def test_a_result_that_did_not_pass_is_not_offered_for_use(make_result: MakeResult, verdict: str) -> None:
    result = make_result(frames=0, verdict=verdict)
    assert "keep the initial one" in verdict_sentence(result)
    assert "not for use" in render_report(result)


def test_a_replay_without_truth_or_frames_still_makes_a_report(make_result: MakeResult) -> None:
    page = render_report(make_result(frames=0, truth=False, verdict="inconclusive"))
    assert "0 of 6 frames became keyframes" in page
    assert "<svg" not in page


def test_plots_are_valid_svg_in_the_colours_of_the_page(make_result: MakeResult) -> None:
    result = make_result()
    plots = [
        *error_plots(result),
        *deviation_plots(result),
        *correction_plots(result),
        *latency_plots(result),
    ]
    assert len(plots) == 2 + 6 + 2 + 1
    for plot in plots:
        svg = ElementTree.fromstring(plot)
        assert svg.attrib["aria-label"]
        assert "width" not in svg.attrib
        assert "var(--ink)" in plot and "var(--line)" in plot
        assert not re.search(r"#(?!000000|ffffff)[0-9a-f]{6}\b", plot)
    ids = re.findall(r' id="([^"]+)"', "".join(plots))
    assert len(set(ids)) == len(ids)


def test_single_frames_are_dots_where_the_truth_is_not_drawn(make_result: MakeResult) -> None:
    known, unknown = ("".join(correction_plots(make_result(truth=truth))) for truth in (True, False))
    faint = "opacity: 0.35"
    assert faint in unknown and faint not in known
    assert "opacity: 0.45" in "".join(error_plots(make_result()))


def test_without_a_truth_there_is_no_error_plot(make_result: MakeResult) -> None:
    result = make_result(truth=False)
    assert error_plots(result) == []
    assert len(deviation_plots(result)) == 6


def test_the_report_is_written_with_its_folder(make_result: MakeResult, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(make_result(frames=0), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_place_that_cannot_be_written_says_so(make_result: MakeResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationInputError, match="Cannot write the report"):
        write_report(make_result(frames=0), tmp_path / "file" / "report.html")
