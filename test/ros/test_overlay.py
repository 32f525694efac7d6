"""The live overlay: layout, colours of states, no frame without words, coloured points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.fusion.temporal import FusedEstimate
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.overlay import STATE_COLORS, OverlayRenderer, colored_points, current_extrinsic, describe
from i2p_calib_ros.ros.session import Snapshot
from i2p_calib_ros.ros.state import KnownExtrinsic


@pytest.fixture
def frame(boxes: Path) -> Frame:
    return SequenceFolder(boxes / "boxes").load(0)


@pytest.fixture
def T_true(boxes: Path) -> np.ndarray:
    return SequenceFolder(boxes / "boxes").initial_extrinsic()


def snapshot(T_initial: np.ndarray, T_estimate: np.ndarray | None = None) -> Snapshot:
    initial = KnownExtrinsic(T_initial)
    fused = None if T_estimate is None else FusedEstimate(T_estimate, 1e-4 * np.eye(6), 7, 0, False, False)
    return Snapshot("converged", "a long reason " * 30, initial, initial, initial, fused)


def test_before_and_after_show_the_two_extrinsics_one_beside_the_other(frame: Frame, T_true: np.ndarray) -> None:
    moved = se3.perturb(T_true, [4.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    renderer = OverlayRenderer()
    both = renderer.render(frame, snapshot(moved, T_true), "before_after", 320)
    unmoved = renderer.render(frame, snapshot(T_true, T_true), "before_after", 320)

    # A picture of 320 x 200 is wide: the two are stacked, the caption below them.
    assert both.shape[1] == 320
    assert both.shape[0] > 400
    assert (both[200:400] == unmoved[200:400]).all()
    assert (both[60:200] != unmoved[60:200]).any()


def test_blended_is_one_picture(frame: Frame, T_true: np.ndarray) -> None:
    picture = OverlayRenderer().render(frame, snapshot(T_true, T_true), "blended", 320)

    assert 200 < picture.shape[0] < 400


def test_caption_has_the_colour_of_the_state(frame: Frame, T_true: np.ndarray) -> None:
    picture = OverlayRenderer().render(frame, snapshot(T_true), "blended", 320)

    assert (picture[200, -1] == STATE_COLORS["converged"]).all()


def test_words_name_state_sigma_and_distance(T_true: np.ndarray) -> None:
    moved = se3.perturb(T_true, [4.0, 0.0, 0.0], [0.0, 0.03, 0.0])

    assert describe(snapshot(T_true)) == "CONVERGED"
    text = describe(snapshot(T_true, moved))
    assert "sigma 0.57 deg 1.0 cm" in text
    assert "from initial 4.00 deg 3.0 cm" in text


def test_without_an_estimate_the_trusted_extrinsic_is_shown(T_true: np.ndarray) -> None:
    assert current_extrinsic(snapshot(T_true)) is T_true


def test_points_take_the_colour_of_the_pixel_they_fall_on(frame: Frame, T_true: np.ndarray) -> None:
    xyz, rgb = colored_points(frame, T_true)
    pixels, valid = frame.camera.project(se3.transform_points(T_true, xyz))

    assert valid.all()
    assert 100 < len(xyz) < len(frame.xyz)
    column, row = np.round(pixels).astype(int).T
    np.testing.assert_array_equal(rgb, frame.image[row, column])
