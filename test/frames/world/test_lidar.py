"""Scan patterns against the figures of their data sheets, and what a LiDAR makes of surfaces it knows nothing of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from i2p_calib_ros.frames.world.lidar.patterns import PATTERNS, RosettePattern, SpinningPattern
from i2p_calib_ros.frames.world.lidar.sweep import Lidar, Weather, random_lidar, scan
from i2p_calib_ros.frames.world.mesh import box
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Actor
from i2p_calib_ros.frames.world.tracer import Tracer

GROUND, WALL, GLASS, SIGN = range(4)
HEIGHT_M = 1.8
CLEAR = Weather()
TURNING = [p.name for p in PATTERNS.values() if isinstance(p, SpinningPattern)]


def mount(height_m=HEIGHT_M):
    T = np.eye(4)
    T[2, 3] = height_m
    return T


def sweep(place, lidar, *, start_s=0.0, seed=0, **options):
    return scan(Tracer(place), place, lidar, mount(), start_s, np.random.default_rng(seed), **options)


@pytest.mark.parametrize(
    "name, rings, lowest_deg, highest_deg, points_per_s",
    [
        ("HDL-64E", 64, -24.8, 2.0, 1.3e6),
        ("HDL-32E", 32, -30.67, 10.67, 695e3),
        ("VLP-16", 16, -15.0, 15.0, 300e3),
        ("Pandar64", 64, -25.0, 15.0, 1.152e6),
        ("OS1-64", 64, -16.6, 16.6, 655e3),
        ("OS1-128", 128, -22.5, 22.5, 1.31e6),
    ],
)
def test_turning_patterns_have_the_beams_and_rates_of_their_data_sheets(
    name, rings, lowest_deg, highest_deg, points_per_s
):
    pattern = PATTERNS[name]
    beams = pattern.beams(0.0)
    elevation_deg = np.rad2deg(np.arcsin(beams.directions[..., 2]))
    assert np.ptp(elevation_deg, axis=0).max() < 1e-3 and len(np.unique(elevation_deg[0].round(2))) == rings
    assert (np.diff(elevation_deg[0]) > 0).all(), "rings count upwards"
    assert elevation_deg[0, [0, -1]] == pytest.approx([lowest_deg, highest_deg], abs=0.5)
    assert beams.time_offset_s.size * pattern.rate_hz == pytest.approx(points_per_s, rel=0.05)
    np.testing.assert_allclose(np.linalg.norm(beams.directions, axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("name", TURNING)
def test_a_turn_starts_at_the_rear_goes_clockwise_and_closes_in_one_period(name):
    pattern = PATTERNS[name]
    beams = pattern.beams(0.0)
    azimuth = np.unwrap(np.arctan2(beams.directions[..., 1], beams.directions[..., 0]), axis=0)
    step_deg = np.rad2deg(np.diff(azimuth, axis=0))
    assert (step_deg < 0).all()
    assert np.abs(np.rad2deg(azimuth[0])).min() > 180 - 6, "offsets of single beams are a few degrees"
    assert -step_deg.sum(axis=0) + pattern.azimuth_step_deg == pytest.approx(360, abs=1.1 * pattern.azimuth_step_deg)
    assert beams.time_offset_s.min() >= 0 and beams.time_offset_s.max() <= 0.1 + 2 * pattern.column_s


@pytest.mark.parametrize("name", TURNING)
def test_the_time_of_a_pulse_tells_its_azimuth_in_every_sweep(name):
    pattern = PATTERNS[name]
    for start_s in (0.0, 0.1, 12.345678):
        beams = pattern.beams(start_s)
        azimuth_deg = np.rad2deg(np.arctan2(beams.directions[..., 1], beams.directions[..., 0]))
        expected_deg = 180 - 3600 * beams.time_offset_s + pattern.azimuth_offset_deg
        assert np.abs((azimuth_deg - expected_deg + 180) % 360 - 180).max() < 1e-3


def test_a_vlp_16_fires_its_lower_and_upper_half_by_turns():
    column = PATTERNS["VLP-16"].beams(0.0).time_offset_s[0]
    assert np.argsort(column).tolist() == [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]
    assert np.diff(np.sort(column)) == pytest.approx(2.304e-6)


def test_a_rosette_stays_in_its_cone_never_repeats_and_fills_it():
    pattern = PATTERNS["Mid-40"]
    assert isinstance(pattern, RosettePattern)
    sweeps = [pattern.beams(0.1 * i).directions[:, 0] for i in range(8)]
    off_axis_deg = np.rad2deg(np.arccos(np.clip(np.concatenate(sweeps)[:, 0], -1, 1)))
    assert off_axis_deg.max() == pytest.approx(38.4 / 2, abs=0.05)
    assert len(sweeps[0]) * pattern.rate_hz == 100_000

    def covered(directions):
        cells = np.floor(np.rad2deg(directions[:, 1:]) / 0.5).astype(int)
        return len(np.unique(cells, axis=0))

    assert covered(np.concatenate(sweeps)) > 1.5 * covered(sweeps[0])


def test_an_exact_lidar_measures_ground_and_walls_to_the_millimetre(field):
    cloud = sweep(field(box([0.2, 300, 300], WALL, [20.1, 0, 0])), Lidar.exact(PATTERNS["HDL-64E"]))
    on_ground = cloud.xyz[:, 2] < -HEIGHT_M + 1e-3
    assert on_ground.sum() > 10_000
    np.testing.assert_allclose(cloud.xyz[on_ground, 2], -HEIGHT_M, atol=1e-3)
    on_wall = ~on_ground & (cloud.xyz[:, 0] > 0) & (np.abs(cloud.xyz[:, 1]) < 60)
    assert on_wall.sum() > 1_000
    np.testing.assert_allclose(cloud.xyz[on_wall, 0], 20.0, atol=1e-3)


@pytest.mark.parametrize("name", ["Pandar64", "Mid-40"])
def test_every_point_carries_the_ring_and_the_time_of_its_pulse(field, name):
    pattern = PATTERNS[name]
    cloud = sweep(field(box([0.2, 300, 300], WALL, [20.1, 0, 0])), Lidar.exact(pattern), start_s=0.7)
    beams = pattern.beams(0.7)
    column = np.abs(beams.time_offset_s[:, 0] - cloud.time_offset_s[:, None][:2000]).argmin(axis=1)
    direction = cloud.xyz[:2000] / np.linalg.norm(cloud.xyz[:2000], axis=1, keepdims=True)
    # The firing times inside a column are shorter than its duration.
    best = np.maximum(
        *(
            np.einsum("ij,ij->i", direction, beams.directions[np.clip(column - back, 0, None), cloud.ring[:2000]])
            for back in (0, 1)
        )
    )
    assert np.degrees(np.arccos(np.clip(best, -1, 1))).max() < 0.05


def test_ego_motion_bends_a_raw_sweep_and_compensation_straightens_it(field):
    ego = Trajectory.upright([0, 1], [[0, 0, 0], [15, 0, 0]], [0, 0.4])
    place = field(box([0.2, 300, 300], WALL, [30.1, 0, 0]), ego=ego)
    lidar = Lidar.exact(PATTERNS["HDL-32E"])

    def wall_points(stamp_s, at_s):
        cloud = sweep(place, lidar, start_s=0.3, stamp_s=stamp_s)
        T_world_lidar = ego.pose(at_s) @ mount()
        world = cloud.xyz @ T_world_lidar[:3, :3].T + T_world_lidar[:3, 3]
        return world[(world[:, 2] > 0.1) & (np.abs(world[:, 1]) < 40), 0]

    assert np.abs(wall_points(0.35, 0.35) - 30.0).max() < 0.003
    assert np.abs(wall_points(None, 0.35) - 30.0).max() > 0.1
    # At the time of each pulse also the raw points are right.
    cloud = sweep(place, lidar, start_s=0.3)
    T = ego.pose(0.3 + cloud.time_offset_s.astype(float)) @ mount()
    world = np.einsum("nij,nj->ni", T[:, :3, :3], cloud.xyz) + T[:, :3, 3]
    on_wall = (world[:, 2] > 0.1) & (np.abs(world[:, 1]) < 40)
    np.testing.assert_allclose(world[on_wall, 0], 30.0, atol=0.003)


def test_traffic_is_seen_where_it_was_when_the_beam_fired(field):
    speed_mps = 20.0
    drive = Trajectory.upright([0, 1], [[-40, 15, 0], [-40 + speed_mps, 15, 0]], [0, 0])
    place = field(actors=(Actor(box([60, 1, 4], WALL, [30, 0, 2]), drive),))
    cloud = sweep(place, Lidar.exact(PATTERNS["HDL-64E"]), start_s=0.5)
    on_side = (cloud.xyz[:, 2] > -1) & (cloud.xyz[:, 1] < 14.55)
    x, time_s = cloud.xyz[on_side, 0], 0.5 + cloud.time_offset_s[on_side]
    for end, start_x in ((x.argmin(), -40), (x.argmax(), 20)):
        assert x[end] == pytest.approx(start_x + speed_mps * time_s[end], abs=0.3)
    assert speed_mps * (time_s[x.argmax()] - time_s[x.argmin()]) > 0.6, "a frozen box would not pass"


def test_glass_answers_head_on_and_is_looked_through_elsewhere(field):
    place = field(box([0.02, 40, 20], GLASS, [10, 0, 0]), box([0.2, 300, 40], WALL, [20.1, 0, 0]))
    cloud = sweep(place, Lidar.exact(PATTERNS["OS1-128"]))
    direction = cloud.xyz / np.linalg.norm(cloud.xyz, axis=1, keepdims=True)
    on_pane = np.abs(cloud.xyz[:, 0] - 10) < 0.05
    head_on = direction[:, 0] > 0.995
    aslant = (direction[:, 0] > 0.8) & (direction[:, 0] < 0.92) & (direction[:, 2] > 0)
    assert on_pane[head_on].mean() > 0.6
    assert on_pane[aslant].mean() < 0.06
    np.testing.assert_allclose(cloud.xyz[aslant & ~on_pane, 0], 20.0, atol=0.02)


def test_dark_and_grazed_surfaces_are_lost_first(field):
    lidar = replace(Lidar.exact(PATTERNS["HDL-64E"]), dark_range_m=30.0)
    place = field(box([0.2, 300, 300], WALL, [70.1, 0, 0]))
    cloud = sweep(place, lidar)
    range_m = np.linalg.norm(cloud.xyz, axis=1)
    ground = cloud.xyz[:, 2] < -1.7
    # Head-on 0.5 is seen up to 30 m * sqrt(5) = 67 m, 0.2 at grazing incidence far less.
    assert range_m[~ground].size < 0.6 * sweep(place, replace(lidar, dark_range_m=40.0)).xyz[:, 2].size
    assert np.percentile(range_m[ground], 99) < 35
    assert np.linalg.norm(sweep(place, Lidar.exact(lidar.pattern)).xyz, axis=1).max() > 60


def test_clear_coats_and_wet_roads_mirror_the_light_away(field):
    lidar = replace(Lidar.exact(PATTERNS["HDL-64E"]), dark_range_m=40.0)
    aslant = box([200, 0.2, 30], WALL, [60, 8, 0])
    rough = field(aslant)
    glossy = replace(rough, materials=tuple(replace(m, gloss=0.05) if m.name == "wall" else m for m in rough.materials))
    road = replace(rough, materials=tuple(replace(m, texture="asphalt") for m in rough.materials))

    def reach_m(place, of_ground=False, weather=CLEAR):
        xyz = sweep(place, lidar, weather=weather).xyz
        return np.percentile(np.linalg.norm(xyz[(xyz[:, 2] < -1.7) == of_ground], axis=1), 99)

    assert reach_m(glossy) < 0.75 * reach_m(rough)
    assert reach_m(road, True, Weather(wetness=1.0)) < 0.6 * reach_m(road, True)
    assert reach_m(rough, False, Weather(haze_range_m=40.0)) < 0.75 * reach_m(rough)


def test_a_retro_reflector_is_bright_and_bleeds_sideways(field):
    place = field(box([0.05, 1.0, 1.0], SIGN, [12, 0, 2]), box([0.2, 300, 40], WALL, [30.1, 0, 0]))
    lidar = replace(Lidar.exact(PATTERNS["Pandar64"]), full_scale=0.4)
    plain, bloomed = sweep(place, lidar), sweep(place, replace(lidar, bloom=1.0))

    def at_sign(cloud):
        return (np.abs(np.linalg.norm(cloud.xyz[:, :2], axis=1) - 12) < 0.1) & (cloud.xyz[:, 2] > -0.3)

    assert plain.intensity[at_sign(plain)].min() > 0.9 > 0.5 > plain.intensity[~at_sign(plain)].max()
    assert np.abs(plain.xyz[at_sign(plain), 1]).max() <= 0.51
    wider = np.abs(bloomed.xyz[at_sign(bloomed), 1]).max()
    assert 0.53 < wider < 0.65
    assert len(bloomed.xyz) == len(plain.xyz), "a pulse is answered once"


def test_beside_a_step_some_ranges_lie_between_its_sides(field):
    place = field(box([0.1, 1.0, 6], WALL, [10, 0, 0]), box([0.2, 300, 40], WALL, [10.9, 0, 0]))
    exact = Lidar.exact(PATTERNS["HDL-64E"])

    def between(lidar):
        x = sweep(place, lidar).xyz
        return ((x[:, 0] > 10.05) & (x[:, 0] < 10.7) & (np.abs(x[:, 1]) < 0.8) & (x[:, 2] > -1.7)).sum()

    assert between(exact) == 0
    assert between(replace(exact, divergence_rad=0.002)) > 10


def test_noise_and_misses_have_the_size_asked_for(field):
    place = field(box([0.2, 300, 300], WALL, [20.1, 0, 0]))
    lidar = replace(Lidar.exact(PATTERNS["OS1-64"]), noise_m=0.03, miss_chance=0.25)
    exact, noisy = sweep(place, Lidar.exact(lidar.pattern)), sweep(place, lidar)
    assert len(noisy.xyz) == pytest.approx(0.75 * len(exact.xyz), rel=0.02)
    ahead = (np.abs(noisy.xyz[:, 1]) < 3) & (noisy.xyz[:, 0] > 0) & (noisy.xyz[:, 2] > -1)
    assert noisy.xyz[ahead, 0].std() == pytest.approx(0.03, rel=0.1)


def test_directions_the_vehicle_blocks_return_nothing(field):
    place = field(box([0.2, 300, 300], WALL, [20.1, 0, 0]))
    cloud = sweep(place, random_lidar(np.random.default_rng(1), PATTERNS["OS1-64"]), sees=lambda d: d[..., 0] > 0.5)
    assert len(cloud.xyz) > 1000
    assert (cloud.xyz[:, 0] / np.linalg.norm(cloud.xyz, axis=1)).min() > 0.49


def test_a_device_has_errors_of_its_own_but_of_a_plausible_size(field):
    place = field(box([0.2, 300, 300], WALL, [20.1, 0, 0]))
    lidar = random_lidar(np.random.default_rng(5), PATTERNS["HDL-64E"])
    cloud = sweep(place, replace(lidar, noise_m=0.0))
    ahead = (np.abs(cloud.xyz[:, 1]) < 3) & (cloud.xyz[:, 0] > 0) & (cloud.xyz[:, 2] > -1)
    by_ring = [np.median(cloud.xyz[ahead & (cloud.ring == r), 0]) for r in np.unique(cloud.ring[ahead])]
    assert 0.003 < np.std(by_ring) < 0.02
    assert cloud.intensity.min() >= 0 and cloud.intensity.max() <= 1


def test_the_same_numbers_make_the_same_sweep(yard):
    lidar = random_lidar(np.random.default_rng(5), PATTERNS["HDL-32E"])
    one, two, other = (sweep(yard, lidar, seed=seed, start_s=1.0) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.xyz, two.xyz)
    np.testing.assert_array_equal(one.intensity, two.intensity)
    assert one.xyz.shape != other.xyz.shape or not np.array_equal(one.xyz, other.xyz)
