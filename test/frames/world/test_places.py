"""Places: made of the seed alone, standing on the ground, and free of collisions."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import face_normals
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.places.buildings import BUILDING_KINDS, make_building
from i2p_calib_ros.frames.world.places.ground import Region, Terrain, lay, undulation
from i2p_calib_ros.frames.world.places.kinds import PLACE_KINDS, make_place
from i2p_calib_ros.frames.world.places.roads import Path, Road, Section, arrow
from i2p_calib_ros.frames.world.places.roofs import ROOF_KINDS, RoofStyle, make_roof
from i2p_calib_ros.frames.world.places.site_plan import Site
from i2p_calib_ros.frames.world.places.traffic import BRAKING_MPS2, CORNERING_MPS2, Traffic, cruise, follow, ride, walk
from i2p_calib_ros.frames.world.tracer import Tracer

DURATION_S = 4.0
DOWN = np.array([0.0, 0.0, -1.0])


@cache
def place_of(kind: str) -> Place:
    return make_place(np.random.default_rng(5), kind, DURATION_S)


@cache
def tracer_of(kind: str) -> Tracer:
    return Tracer(place_of(kind))


@pytest.mark.parametrize("kind", PLACE_KINDS)
def test_a_place_is_complete_and_sound(kind: str) -> None:
    place = place_of(kind)
    assert place.kind == kind
    assert 5_000 < len(place.static) < 900_000
    for mesh in (place.static, *(actor.mesh for actor in place.actors)):
        assert np.isfinite(mesh.corners).all() and np.isfinite(mesh.uv).all()
        assert mesh.material.min() >= 0 and mesh.material.max() < len(place.materials)
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1.0, atol=1e-3)
    assert place.ego.times_s[0] <= 0.0 and place.ego.times_s[-1] >= DURATION_S
    assert place.lamps.shape == (len(place.lamps), 3)


@pytest.mark.parametrize("kind", PLACE_KINDS)
def test_the_recording_vehicle_drives_on_the_ground(kind: str) -> None:
    times = np.linspace(0, DURATION_S, 13)
    T = place_of(kind).ego.pose(times)
    hits = tracer_of(kind).trace(T[:, :3, 3] + [0, 0, 0.3], np.tile(DOWN, (13, 1)), times)
    np.testing.assert_allclose(hits.distance_m, 0.3, atol=0.08)
    assert np.degrees(np.arccos(np.clip(np.einsum("ij,ij->i", hits.normal, T[:, :3, 2]), -1, 1))).max() < 4.0


@pytest.mark.parametrize("kind", PLACE_KINDS)
def test_nothing_comes_into_the_recording_vehicle(kind: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    around = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(24)])
    for time in np.linspace(0, DURATION_S, 7):
        T = place_of(kind).ego.pose(time)
        for height in (0.5, 1.2):
            hits = tracer_of(kind).trace(T[:3, 3] + [0, 0, height], around @ T[:3, :3].T, time)
            assert hits.distance_m.min() > 0.8


def test_the_seed_decides_everything() -> None:
    for kind in ("tunnel", "hall"):
        a, b = (make_place(np.random.default_rng(3), kind, 2.0) for _ in range(2))
        assert np.array_equal(a.static.corners, b.static.corners)
        assert np.array_equal(a.static.material, b.static.material)
        assert a.materials == b.materials
        assert np.array_equal(a.ego.pose(1.0), b.ego.pose(1.0))
        assert len(a.actors) == len(b.actors)
        for one, other in zip(a.actors, b.actors):
            assert np.array_equal(one.trajectory.pose(1.0), other.trajectory.pose(1.0))
    different = make_place(np.random.default_rng(4), "hall", 2.0)
    assert len(different.static) != len(b.static)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CalibrationInputError, match="tunnel"):
        make_place(np.random.default_rng(0), "moon base")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), s=st.floats(10, 190), offset=st.floats(-8, 8))
def test_projection_onto_a_path_inverts_its_points(seed: int, s: float, offset: float) -> None:
    path = Path.winding(np.random.default_rng(seed), 200.0, 0.004)
    np.testing.assert_allclose(path.project(path.at(s, offset)), [s, offset], atol=0.06)


@given(start_m=st.floats(-10.0, 60.0), back=st.booleans())
def test_an_arrow_is_painted_whole_or_not_at_all(start_m: float, back: bool) -> None:
    road = Road(Path.winding(np.random.default_rng(4), 50.0, 0.02), Section())
    first, last = sorted((start_m, start_m - 4.2 if back else start_m + 4.2))
    painted = arrow(road, start_m, 1.5, back)
    assert painted.is_valid
    assert painted.is_empty == (first < 0 or last > road.path.length_m)
    assert painted.is_empty or 0.8 < painted.area < 1.2


def test_regions_share_the_ground_without_overlap_or_gap() -> None:
    rng = np.random.default_rng(1)
    terrain = Terrain.sampled(undulation(rng, 0.02), (0, 0, 40, 30), 2.5)
    path = Path.winding(rng, 40.0, 0.01)
    road, line = path.band(4, 12), path.band(7.9, 8.1)
    mesh = lay([Region(line, 0), Region(road, 1), Region(terrain.polygon, 2)], terrain)
    flat = mesh.corners[..., :2].astype(np.float64)
    first, second = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    assert area.min() > 0  # all seen from above
    inside = terrain.polygon
    expected = [
        shapely.intersection(line, inside).area,
        shapely.intersection(road.difference(line), inside).area,
        inside.difference(road).area,
    ]
    np.testing.assert_allclose([area[mesh.material == i].sum() for i in range(3)], expected, rtol=1e-3)
    np.testing.assert_allclose(mesh.corners[..., 2], terrain.height(flat), atol=1e-4)


def test_terrain_is_drawn_as_it_is_measured() -> None:
    terrain = Terrain(np.array([-2.0, 1.0]), 2.0, np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]))
    np.testing.assert_allclose(terrain.height([[0.0, 2.0], [1.0, 1.5], [-99.0, 0.0]]), [1.0, 1.5, 0.0])
    np.testing.assert_allclose(terrain.gradient([0.0, 2.0]), [0.5, 0.0])


@pytest.mark.parametrize("kind", BUILDING_KINDS)
def test_a_building_keeps_the_weather_out_and_shows_rooms_behind_glass(kind: str) -> None:
    rng, palette = np.random.default_rng(2), Palette()
    mesh = make_building(rng, palette, kind, 14.0, 10.0)
    place = Place("", mesh, (), tuple(palette.materials), Trajectory.standing([0, 0, 0]), np.zeros((0, 3)))
    tracer = Tracer(place)
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(-6.5, 6.5, 14), np.linspace(0.5, 9.5, 10)))
    roof = tracer.trace(np.column_stack([x, y, np.full(x.size, 200.0)]), np.tile(DOWN, (x.size, 1)))
    assert roof.hit.all() and (200.0 - roof.distance_m).min() > 2.0
    assert roof.normal[:, 2].min() > -1e-3
    z = rng.uniform(0.2, 2.2, 200)
    front = np.column_stack([rng.uniform(-6.8, 6.8, 200), np.full(200, -20.0), z])
    seen = tracer.trace(front, np.tile([0.0, 1.0, 0.0], (200, 1)))
    assert seen.hit.all()
    glass = np.array([palette.materials[i].transparent for i in seen.material])
    beyond = tracer.trace(seen.xyz[glass] + [0, 0.02, 0], np.tile([0.0, 1.0, 0.0], (glass.sum(), 1)))
    assert beyond.hit.all() and beyond.distance_m.max(initial=0.0) < 12.0


@pytest.mark.parametrize("kind", BUILDING_KINDS)
def test_a_far_building_is_closed_without_anything_behind_its_walls(kind: str) -> None:
    rng, palette = np.random.default_rng(2), Palette()
    mesh = make_building(rng, palette, kind, 14.0, 10.0, far=True)
    place = Place("", mesh, (), tuple(palette.materials), Trajectory.standing([0, 0, 0]), np.zeros((0, 3)))
    front = np.column_stack([rng.uniform(-6.8, 6.8, 300), np.full(300, -20.0), rng.uniform(0.2, 2.2, 300)])
    seen = Tracer(place).trace(front, np.tile([0.0, 1.0, 0.0], (300, 1)))
    assert seen.distance_m.max() < 20.01
    assert not any(palette.materials[i].transparent for i in np.unique(mesh.material))


def test_what_stands_far_lacks_only_what_no_sensor_on_the_way_sees() -> None:
    rng = np.random.default_rng(0)
    terrain = Terrain.sampled(lambda xy: 0.02 * xy[..., 0], (-100, -100, 100, 100))
    way = np.column_stack([np.linspace(-20, 20, 30), np.zeros(30)])
    palette = Palette()
    block = make_building(rng, palette, "old town", 14.0, far=True).placed(15.0, 60.0, 0.5, 0.4)

    def standing(far: bool) -> Place:
        site = Site(rng, terrain)
        site.palette = palette
        site.take_way(shapely.LineString(way), 1.0)
        site.add(block, far)
        return site.finish("", (), Trajectory.standing([0, 0, 0]))

    whole, thinned = standing(far=False), standing(far=True)
    assert len(thinned.static) < 0.7 * len(whole.static)
    sensors = np.column_stack([way, terrain.height(way)])[rng.integers(30, size=4000)]
    sensors += rng.uniform((-2.5, -2.5, 0.3), (2.5, 2.5, 3.5), (4000, 3))
    directions = block.corners[rng.integers(len(block), size=4000)].mean(axis=1) - sensors
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    expected, seen = (Tracer(place).trace(sensors, directions) for place in (whole, thinned))
    np.testing.assert_allclose(seen.distance_m, expected.distance_m, atol=1e-3)


@pytest.mark.parametrize("kind", ROOF_KINDS)
def test_a_roof_covers_its_house(kind: str) -> None:
    mesh = make_roof(np.random.default_rng(0), kind, RoofStyle(0, 1, 2, 3, 4), 12.0, 9.0, 6.0)
    opaque = Place(
        "", mesh, (), tuple(Material(str(i)) for i in range(5)), Trajectory.standing([0, 0, 0]), np.zeros((0, 3))
    )
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(-5.9, 5.9, 25), np.linspace(0.1, 8.9, 19)))
    hits = Tracer(opaque).trace(np.column_stack([x, y, np.full(x.size, 50.0)]), np.tile(DOWN, (x.size, 1)))
    assert hits.hit.all() and (50.0 - hits.distance_m).min() > 5.5
    assert np.linalg.norm(face_normals(mesh.corners), axis=1).min() > 0.9


def test_a_vehicle_slows_down_for_a_bend_and_stands_at_the_line() -> None:
    rng = np.random.default_rng(0)
    bend = Path.smooth([(0, 0), (60, 0), (60, 60)], 4.0)
    motion = cruise(rng, bend, 5.0, 13.0, 12.0)
    speed, curvature = motion.speed_mps, np.abs(np.gradient(bend.heading_rad, bend.s_m))
    sideways = speed**2 * np.interp(motion.s_m, bend.s_m, curvature)
    assert sideways.max() < 1.6 * CORNERING_MPS2
    assert speed.min() >= 0 and np.abs(np.gradient(speed, motion.times_s)).max() < 2.5 * BRAKING_MPS2
    straight = Path.winding(rng, 300.0)
    waiting = cruise(rng, straight, 10.0, 12.0, 14.0, stop_m=60.0, go_s=10.0)
    before, after = waiting.times_s < 9.9, waiting.times_s > 13.0
    assert 55.0 < waiting.s_m[before].max() <= 60.0
    assert waiting.s_m[after].min() > 60.0


def test_bodies_pitch_up_on_a_climb_and_roll_with_a_cross_slope() -> None:
    rng = np.random.default_rng(0)
    climb = Terrain.sampled(lambda xy: 0.05 * xy[..., 0] + 0.03 * xy[..., 1], (-50, -50, 150, 50), 2.5)
    path = Path.winding(rng, 100.0)
    T = ride(rng, walk(path, 10.0, 5.0, 5.0), climb, sprung=False).pose(2.0)
    np.testing.assert_allclose(T[2, 0], np.sin(np.arctan(0.05)), atol=1e-3)
    np.testing.assert_allclose(T[2, 1], 0.03, atol=1e-3)
    shaken = ride(rng, cruise(rng, path, 10.0, 8.0, 5.0), climb).pose(np.linspace(0, 5, 50))
    assert 1e-4 < np.std(shaken[:, 2, 0]) < 0.02


def test_traffic_turns_away_who_would_collide() -> None:
    rng = np.random.default_rng(0)
    terrain = Terrain.sampled(lambda xy: 0 * xy[..., 0], (-50, -50, 250, 50), 5.0)
    path = Path.winding(rng, 200.0)
    drive = cruise(rng, path, 20.0, 8.0, 5.0)
    car = make_building(rng, Palette(), "garage", 2.0, 4.0)
    traffic = Traffic(rng, terrain, ride(rng, drive, terrain))
    assert traffic.add(car, follow(drive, 15.0))
    assert not traffic.add(car, follow(drive, 3.0))
    assert not traffic.add(car, cruise(rng, path.reversed(), 120.0, 8.0, 5.0))
    assert len(traffic.actors) == 1
