from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.geometry.visibility import visible_points

VIEW = PinholeView(width=528, height=160, fx=300.0, fy=300.0, cx=263.5, cy=70.0)
CAMERA_HEIGHT = 1.6
BOX_LOW, BOX_HIGH = np.array([-1.0, 0.1, 9.0]), np.array([1.0, 1.6, 13.0])
PLANES = {  # normal, offset: n . p = offset, camera optical axes
    "ground": (np.array([0.0, 1.0, 0.0]), CAMERA_HEIGHT),
    "left wall": (np.array([-1.0, 0.0, 0.0]), 6.0),
    "far wall": (np.array([0.0, 0.0, 1.0]), 45.0),
}


def cast(origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Distances, in units of the directions (n, 3), to a street: ground, walls and a car-sized box."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hits = [(offset - normal @ origin) / (directions @ normal) for normal, offset in PLANES.values()]
        slabs = np.sort(np.stack([(BOX_LOW - origin) / directions, (BOX_HIGH - origin) / directions]), axis=0)
    enter, leave = slabs[0].max(axis=1), slabs[1].min(axis=1)
    hits.append(np.where(enter < leave, enter, np.inf))
    stacked = np.stack(hits)
    return np.where(stacked > 1e-9, stacked, np.inf).min(axis=0)


def scan(origin: np.ndarray, elevations_deg: np.ndarray, azimuth_step_deg: float) -> np.ndarray:
    azimuth, elevation = np.meshgrid(
        np.deg2rad(np.arange(-45, 45, azimuth_step_deg)), np.deg2rad(elevations_deg)
    )
    directions = np.stack(
        [np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)],
        axis=-1,
    ).reshape(-1, 3)
    return origin + cast(origin, directions)[:, None] * directions


@pytest.mark.parametrize(
    "elevations, azimuth_step, hidden_share",
    [
        (np.linspace(-24, 2, 64), 0.17, 0.95),
        (np.linspace(-25, 15, 32), 0.33, 0.9),
        (np.linspace(-15, 15, 16), 0.2, 0.9),
    ],
    ids=["64 beams", "32 beams", "16 beams"],
)
@pytest.mark.parametrize("lidar_above", [0.4, 1.0])
def test_points_the_lidar_sees_past_a_car_are_hidden(elevations, azimuth_step, hidden_share, lidar_above):
    xyz = scan(np.array([0.5, -lidar_above, 0.0]), elevations, azimuth_step)
    uv, depth = VIEW.project(xyz)
    on_image = (uv >= 0).all(axis=1) & (uv <= [VIEW.width - 1, VIEW.height - 1]).all(axis=1)
    xyz, uv, depth = xyz[on_image], uv[on_image], depth[on_image]
    seen_depth = cast(np.zeros(3), xyz / depth[:, None])
    truly_hidden = depth > seen_depth * 1.1 + 0.5
    truly_visible = depth < seen_depth * 1.001
    found = visible_points(uv, depth, VIEW.width, VIEW.height)
    assert found[truly_visible].mean() > 0.998

    # A strip at the silhouette, as wide as the spacing of the points, is not surrounded by the car.
    on_car = truly_visible & (np.abs(xyz[:, 0]) < 1.01) & (xyz[:, 1] < CAMERA_HEIGHT - 0.01) & (depth < 13.01)
    low, high = uv[on_car].min(axis=0), uv[on_car].max(axis=0)
    inside = truly_hidden & (uv > low + 4).all(axis=1) & (uv < high - 4).all(axis=1)
    if lidar_above == 1.0:
        assert inside.sum() > 10
    if inside.any():
        assert 1 - found[inside].mean() >= hidden_share


def test_a_near_board_hides_the_wall_behind_it():
    rng = np.random.default_rng(0)
    wall = np.c_[rng.uniform(-16, 16, 20000), rng.uniform(-4.5, 5.8, 20000), np.full(20000, 20.0)]
    board = np.c_[rng.uniform(-1, 1, 8000), rng.uniform(-0.7, 0.7, 8000), np.full(8000, 5.0)]
    uv, depth = VIEW.project(np.r_[wall, board])
    found = visible_points(uv, depth, VIEW.width, VIEW.height)
    on_image = visible_points(uv, depth, VIEW.width, VIEW.height, relative_margin=1e6)
    from_edge = np.max(np.abs(uv - [VIEW.cx, VIEW.cy]) - [300 / 5, 0.7 * 300 / 5], axis=1)
    is_wall = depth == 20
    assert found[~is_wall].all()
    assert found[is_wall & on_image & (from_edge > 0)].all()
    assert not found[is_wall & (from_edge < -4)].any()


@settings(max_examples=100, deadline=None)
@given(
    st.floats(-0.03, 0.03),
    st.floats(-0.03, 0.03),
    st.floats(0.005, 0.2),
    st.integers(0, 1000),
    st.integers(200, 20000),
)
def test_a_plane_never_hides_itself(slope_u, slope_v, inverse_depth, seed, count):
    """However slanted: the inverse depth of a plane is linear in the pixel."""
    uv = np.random.default_rng(seed).uniform([0, 0], [VIEW.width - 1, VIEW.height - 1], size=(count, 2))
    inverse = inverse_depth + (uv - [VIEW.cx, VIEW.cy]) @ [slope_u, slope_v]
    uv, inverse = uv[inverse > 1e-3], inverse[inverse > 1e-3]
    assert visible_points(uv, 1 / inverse, VIEW.width, VIEW.height).all()


def test_points_off_the_image_or_behind_the_camera_are_not_visible():
    uv = np.array([[10.0, 10.0], [-1.0, 10.0], [10.0, 159.6], [np.nan, np.nan], [20.0, 20.0], [30.0, 30.0]])
    depth = np.array([5.0, 5.0, 5.0, -1.0, -3.0, np.nan])
    np.testing.assert_array_equal(visible_points(uv, depth, 528, 160), [True] + [False] * 5)
    assert visible_points(np.empty((0, 2)), np.empty(0), 528, 160).shape == (0,)


def test_it_is_fast_enough_to_run_on_every_frame():
    rng = np.random.default_rng(0)
    uv, depth = rng.uniform([0, 0], [528, 160], size=(40000, 2)), rng.uniform(2, 60, size=40000)
    elapsed = []
    for _ in range(5):
        start = time.perf_counter()
        visible_points(uv, depth, 528, 160)
        elapsed.append(time.perf_counter() - start)
    assert min(elapsed) < 0.05
