from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry.camera import Camera, inside_image
from i2p_calib_ros.geometry.view import PinholeView, ViewRenderer

KITTI = Camera.validated("plumb_bob", [720, 0, 610, 0, 720, 173, 0, 0, 1], [], 1242, 375)
BARREL = Camera.validated(
    "plumb_bob", [960, 0, 701, 0, 955, 240, 0, 0, 1], [-0.37, 0.2, 0.001, 0.002, -0.05], 1392, 512
)
RATIONAL = Camera.validated(
    "rational_polynomial",
    [600, 0, 640, 0, 600, 360, 0, 0, 1],
    [0.6, -0.3, 0.001, -0.001, 0.1, 0.9, -0.2, 0.02],
    1280,
    720,
)
FISHEYE = Camera.validated(
    "equidistant", [330, 0, 645, 0, 331, 470, 0, 0, 1], [0.05, -0.01, 0.002, -0.001], 1280, 960
)
SMALL = Camera.validated("plumb_bob", [250, 0, 155, 0, 250, 118, 0, 0, 1], [-0.1, 0, 0, 0], 320, 240)
CAMERAS = {"kitti": KITTI, "barrel": BARREL, "rational": RATIONAL, "fisheye": FISHEYE, "small": SMALL}


def image_with_dots(camera: Camera, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Black image with a Gaussian dot of `sigma` pixels around each of `centres` (n, 2)."""
    image = np.zeros((camera.height, camera.width))
    reach = int(np.ceil(5 * sigma))
    for u, v in centres:
        left, top = max(0, round(u) - reach), max(0, round(v) - reach)
        columns = np.arange(left, min(camera.width, round(u) + reach + 1))
        rows = np.arange(top, min(camera.height, round(v) + reach + 1))
        dot = np.exp(-((columns - u) ** 2 + (rows[:, None] - v) ** 2) / (2 * sigma**2))
        image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += 250 * dot
    return np.repeat(image.round().astype(np.uint8)[..., None], 3, axis=2)


def zoomed(view: PinholeView, factor: float) -> PinholeView:
    return replace(view, fx=factor * view.fx, fy=factor * view.fy)


def centroid(patch: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[: patch.shape[0], : patch.shape[1]]
    return np.array([np.sum(patch * u), np.sum(patch * v)]) / np.sum(patch)


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("turned", [False, True])
def test_what_the_camera_sees_lands_where_the_view_projects_it(name, turned):
    camera = CAMERAS[name]
    view = PinholeView.for_camera(camera)
    R = np.eye(3)
    if turned:
        view = zoomed(view, 1.3)
        R = Rotation.from_euler("xyz", [4.0, -6.0, 8.0], degrees=True).as_matrix()
    render = ViewRenderer(camera, view, R if turned else None)

    spacing, reach = 24, 9
    rng = np.random.default_rng(0)
    grid = np.stack(
        np.meshgrid(np.arange(16, view.width - 16, spacing), np.arange(16, view.height - 16, spacing)),
        axis=-1,
    ).reshape(-1, 2)
    wanted = grid + rng.uniform(-0.5, 0.5, size=grid.shape)
    rays = np.c_[(wanted - [view.cx, view.cy]) / [view.fx, view.fy], np.ones(len(wanted))]
    in_view_frame = rays * rng.uniform(2.0, 60.0, size=(len(rays), 1))
    uv, depth = view.project(in_view_frame)
    np.testing.assert_allclose(uv, wanted, atol=1e-9)
    np.testing.assert_allclose(depth, in_view_frame[:, 2])

    shown = np.array(
        [render.valid[v - reach : v + reach + 1, u - reach : u + reach + 1].all() for u, v in grid]
    )
    assert shown.sum() > 40
    pixels, seen = camera.project(in_view_frame @ R)
    assert seen[shown].all()
    sigma = 1.2 * max(1.0, camera.K[0, 0] / view.fx)
    rendered = render(image_with_dots(camera, pixels[shown], sigma))
    assert rendered.shape == (view.height, view.width, 3) and rendered.dtype == np.uint8
    for (u, v), where in zip(grid[shown], wanted[shown]):
        patch = rendered[v - reach : v + reach + 1, u - reach : u + reach + 1, 0].astype(float)
        found = centroid(patch) + [u - reach, v - reach]
        assert np.linalg.norm(found - where) < 0.3


@pytest.mark.parametrize("name", CAMERAS)
def test_view_covers_the_image(name):
    camera = CAMERAS[name]
    view = PinholeView.for_camera(camera, pixels=81920, multiple_of=16, max_fov_deg=100)
    assert view.width % 16 == 0 and view.height % 16 == 0
    assert view.width * view.height == pytest.approx(81920, rel=0.1)
    assert view.width / view.height == pytest.approx(camera.width / camera.height, rel=0.1)
    assert view.fx == view.fy
    assert np.rad2deg(2 * np.arctan(view.width / 2 / view.fx)) <= 100 + 1e-6
    if name in ("fisheye", "rational"):  # wider than 100 deg
        assert np.rad2deg(2 * np.arctan(view.width / 2 / view.fx)) == pytest.approx(100)
        assert (view.cx, view.cy) == pytest.approx(((view.width - 1) / 2, (view.height - 1) / 2))
        return
    # All rays that fall on the image lie in the view.
    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 1501), np.linspace(-1.5, 1.5, 1501))
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    pixels, valid = camera.project(rays)
    on_image = valid & inside_image(pixels, camera.width, camera.height)
    uv, _ = view.project(rays[on_image])
    assert (uv >= -1.0).all() and (uv <= [view.width, view.height]).all()


def test_view_of_an_image_beside_the_axis_follows_the_image():
    """A crop of the right half of a wide image has its principal point far left."""
    crop = Camera.validated("plumb_bob", [700, 0, 20, 0, 700, 300, 0, 0, 1], [], 800, 600)
    view = PinholeView.for_camera(crop)
    assert ViewRenderer(crop, view).valid.mean() > 0.95


def test_image_far_from_the_axis_is_refused():
    camera = Camera.validated("plumb_bob", [100, 0, 5000, 0, 100, 300, 0, 0, 1], [], 800, 600)
    with pytest.raises(CalibrationInputError, match="within 50 degrees of the optical axis"):
        PinholeView.for_camera(camera)


def test_rendering_averages_detail_finer_than_a_view_pixel():
    """A one-pixel checkerboard seen at a quarter of its size is grey, not a moire pattern."""
    camera = Camera.validated("plumb_bob", [1200, 0, 799.5, 0, 1200, 449.5, 0, 0, 1], [], 1600, 900)
    board = (np.indices((900, 1600)).sum(axis=0) % 2 * 255).astype(np.uint8)
    render = ViewRenderer(camera, PinholeView.for_camera(camera))
    rendered = render(np.repeat(board[..., None], 3, axis=2))[..., 0]
    assert np.abs(rendered[render.valid].astype(int) - 127).max() < 8


def test_pixels_without_a_source_are_black_and_marked():
    view = zoomed(PinholeView.for_camera(BARREL), 0.5)
    render = ViewRenderer(BARREL, view)
    rendered = render(np.full((512, 1392, 3), 200, np.uint8))
    assert 0.05 < render.valid.mean() < 0.5
    assert (rendered[~render.valid] == 0).all() and (rendered[render.valid] == 200).all()


def test_points_behind_the_view_have_no_pixel():
    uv, depth = PinholeView.for_camera(KITTI).project([[0.0, 0.0, -2.0], [0.0, 0.0, 2.0]])
    assert np.isnan(uv[0]).all() and np.isfinite(uv[1]).all()
    np.testing.assert_allclose(depth, [-2.0, 2.0])


@pytest.mark.parametrize("image", [np.zeros((376, 1242, 3), np.uint8), np.zeros((375, 1242, 3), np.float32)])
def test_an_image_that_does_not_fit_the_camera_is_refused(image):
    render = ViewRenderer(KITTI, PinholeView.for_camera(KITTI))
    with pytest.raises(CalibrationInputError, match=r"Expected a uint8 image of shape \(375, 1242, 3\)"):
        render(image)
