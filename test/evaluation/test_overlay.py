from __future__ import annotations

import numpy as np
import pytest

from i2p_calib_ros.evaluation.overlay import OverlayPainter, depth_colors, draw_discs
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera

RED, BLUE = [255, 0, 0], [0, 0, 255]
IDENTITY = np.eye(4)


def plane(depth_m: float, half_width_m: float, count: int) -> np.ndarray:
    """A grid of count x count points facing the camera."""
    x, y = np.meshgrid(*[np.linspace(-half_width_m, half_width_m, count)] * 2)
    return np.stack([x, y, np.full_like(x, depth_m)], axis=-1).reshape(-1, 3)


def frame_of(xyz: np.ndarray, width: int = 320, height: int = 160) -> Frame:
    """A mid-gray image and a cloud given in the camera frame."""
    K = [[200.0, 0, (width - 1) / 2], [0, 200.0, (height - 1) / 2], [0, 0, 1]]
    return Frame.create(
        image=np.full((height, width, 3), 128, dtype=np.uint8),
        xyz=xyz,
        intensity=None,
        camera=Camera.validated("plumb_bob", K, [], width, height),
        image_stamp_ns=0,
        cloud_stamp_ns=0,
        camera_frame_id="camera",
        lidar_frame_id="lidar",
    )


def test_near_is_warm_and_far_is_cold() -> None:
    near, far = depth_colors([2.0, 50.0], 2.0, 50.0).astype(int)
    assert near[0] > near[2] + 100
    assert far[2] > far[0] + 100


def test_depths_beyond_the_range_take_the_end_colours() -> None:
    colors = depth_colors([0.0, 2.0, 50.0, 900.0], 2.0, 50.0)
    np.testing.assert_array_equal(colors[0], colors[1])
    np.testing.assert_array_equal(colors[2], colors[3])


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearest_disc_is_on_top(order: list[int]) -> None:
    uv = np.array([[10.0, 10.0], [11.0, 10.0]])
    colors = np.array([RED, BLUE], dtype=np.uint8)
    picture = draw_discs(np.zeros((20, 20, 3), np.uint8), uv[order], np.array([2.0, 9.0])[order], colors[order], 2.0)
    assert picture[10, 11].tolist() == RED


def test_a_disc_keeps_its_subpixel_centre_and_stays_round() -> None:
    centre = np.array([12.3, 9.6])
    picture = draw_discs(np.zeros((24, 24, 3), np.uint8), [centre], [1.0], np.array([[255, 255, 255]], np.uint8), 3.0)
    weight = picture[..., 0] / 255.0
    row, column = np.indices(weight.shape)
    assert (weight * column).sum() / weight.sum() == pytest.approx(centre[0], abs=0.1)
    assert (weight * row).sum() / weight.sum() == pytest.approx(centre[1], abs=0.1)
    assert weight.sum() == pytest.approx(np.pi * 3.0**2, rel=0.1)


def test_discs_at_the_border_are_cut_and_those_outside_are_left_out() -> None:
    uv = [[-0.4, 5.0], [9.4, 9.4], [400.0, 5.0], [-30.0, 5.0]]
    picture = draw_discs(np.zeros((10, 10, 3), np.uint8), uv, [1.0] * 4, np.full((4, 3), 255, np.uint8), 1.5)
    assert picture.shape == (10, 10, 3)
    assert picture[5, 0, 0] == 255 and picture[9, 9, 0] == 255
    assert picture[:4, 4:].max() == 0


def test_the_picture_given_is_not_changed() -> None:
    blank = np.zeros((10, 10, 3), np.uint8)
    draw_discs(blank, [[5.0, 5.0]], [1.0], np.full((1, 3), 255, np.uint8), 2.0)
    assert blank.max() == 0


def test_points_behind_a_nearer_surface_are_left_out() -> None:
    wall, far_wall = plane(5.0, 1.0, 60), plane(20.0, 3.0, 60)
    frame = frame_of(np.concatenate([wall, far_wall]))
    painter = OverlayPainter(frame.camera)

    alone = painter.paint(frame_of(wall), IDENTITY, (5.0, 20.0))
    both = painter.paint(frame, IDENTITY, (5.0, 20.0))

    np.testing.assert_array_equal(both[60:100, 140:180], alone[60:100, 140:180])


def test_an_overlay_moves_with_the_extrinsic() -> None:
    frame = frame_of(plane(10.0, 2.0, 40))
    painter = OverlayPainter(frame.camera)
    still = painter.paint(frame, IDENTITY)
    moved = painter.paint(frame, se3.perturb(IDENTITY, [0, 0, 0], [1.0, 0, 0]))

    shift = painter.view.fx / 10.0
    assert columns_painted(moved).mean() - columns_painted(still).mean() == pytest.approx(shift, abs=0.5)


def columns_painted(picture: np.ndarray) -> np.ndarray:
    """The columns of the pixels that are coloured, in a picture of a gray image."""
    return np.nonzero(np.ptp(picture.astype(int), axis=-1) > 30)[1]


def test_no_visible_point_leaves_the_image() -> None:
    frame = frame_of(plane(10.0, 2.0, 40))
    behind = se3.perturb(IDENTITY, [0, 180, 0], [0, 0, 0])
    assert columns_painted(OverlayPainter(frame.camera).paint(frame, behind)).size == 0


def test_pictures_are_no_wider_than_asked_nor_than_the_image() -> None:
    camera = frame_of(plane(10.0, 2.0, 40)).camera
    assert OverlayPainter(camera, width_px=160).view.width == 160
    assert OverlayPainter(camera).view.width == camera.width
