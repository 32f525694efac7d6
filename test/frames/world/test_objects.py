"""Every object of the synthetic world: it stands on the ground, has its size, and is the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from i2p_calib_ros.frames.world.materials import Palette
from i2p_calib_ros.frames.world.mesh import Mesh, face_normals
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.objects import (
    barriers,
    indoor_objects,
    masts,
    people,
    street_furniture,
    traffic_signs,
    vegetation,
    vehicles,
)
from i2p_calib_ros.frames.world.objects.car_shape import CAR_KINDS
from i2p_calib_ros.frames.world.objects.shapes import ellipsoid, plate, rectangle_outline, revolve, struts, tube
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.textures import TEXTURES
from i2p_calib_ros.frames.world.tracer import Tracer

Builder = Callable[[np.random.Generator, Palette], Mesh]


def _kind(make: Callable[..., Mesh], kind: str) -> Builder:
    return lambda rng, palette: make(rng, palette, kind)


def _long(make: Callable[..., Mesh], length_m: float) -> Builder:
    return lambda rng, palette: make(rng, palette, length_m)


VEHICLES = {kind: _kind(vehicles.make_vehicle, kind) for kind in vehicles.VEHICLE_KINDS}
TREES = {f"{kind} tree": _kind(vegetation.make_tree, kind) for kind in vegetation.TREE_KINDS}
SIGNS = {f"{kind} sign": _kind(traffic_signs.make_sign, kind) for kind in traffic_signs.SIGN_KINDS}
LENGTH_M = 7.5
LONG = {
    make.__name__: _long(make, LENGTH_M)
    for make in (
        vegetation.make_hedge,
        barriers.make_fence,
        barriers.make_guard_rail,
        barriers.make_concrete_barrier,
        barriers.make_wall,
        barriers.make_scaffold_barrier,
        indoor_objects.make_rack,
    )
}
OTHERS: dict[str, Builder] = {
    make.__name__: make
    for make in (
        people.make_pedestrian,
        people.make_cyclist,
        vegetation.make_bush,
        vegetation.make_grass,
        vegetation.make_planter,
        masts.make_lamp_post,
        masts.make_traffic_light,
        barriers.make_bollard,
        street_furniture.make_bench,
        street_furniture.make_bin,
        masts.make_utility_pole,
        street_furniture.make_bus_shelter,
        barriers.make_cone,
        street_furniture.make_hydrant,
        street_furniture.make_cabinet,
        street_furniture.make_parking_meter,
        street_furniture.make_post_box,
        street_furniture.make_bicycle_stand,
        masts.make_billboard,
        indoor_objects.make_pallet_stack,
        indoor_objects.make_column,
        indoor_objects.make_crate,
        indoor_objects.make_table,
        indoor_objects.make_chair,
        indoor_objects.make_shelf,
        indoor_objects.make_forklift,
        indoor_objects.make_machine,
        indoor_objects.make_ladder,
    )
}
ALL = {**VEHICLES, **TREES, **SIGNS, **LONG, **OTHERS}
SEEDS = (0, 1, 2, 3)


@pytest.mark.parametrize("name", ALL)
def test_stands_on_the_ground_with_sound_triangles(name: str) -> None:
    for seed in SEEDS:
        palette = Palette()
        mesh = ALL[name](np.random.default_rng(seed), palette)
        low, high = mesh.bounds
        assert -0.15 <= low[2] <= 0.1, f"seed {seed}: stands at {low[2]} m"
        assert high[2] > 0.05
        assert all(np.isfinite(values).all() for values in (mesh.corners, mesh.uv, mesh.normals))
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1.0, atol=1e-3)
        assert mesh.material.min() >= 0 and mesh.material.max() < len(palette.materials)
        assert all(material.texture in TEXTURES for material in palette.materials)
        assert len(mesh) <= (9000 if name == "make_rack" else 4000)


@pytest.mark.parametrize("name", ALL)
def test_is_the_same_for_the_same_seed_and_another_for_another(name: str) -> None:
    def all_of_it(seed: int) -> bytes:
        palette = Palette()
        mesh = ALL[name](np.random.default_rng(seed), palette)
        arrays = (mesh.corners, mesh.uv, mesh.normals, mesh.material)
        return b"".join(values.tobytes() for values in arrays) + repr(palette.materials).encode()

    assert (all_of_it(5) == all_of_it(5)) is True  # compared as a truth value: nobody wants to read the difference
    assert (all_of_it(5) == all_of_it(6)) is False


VEHICLE_SIZES_M = {
    "hatchback": ((3.4, 4.5), (1.6, 2.25), (1.4, 1.65)),
    "sedan": ((4.3, 5.1), (1.7, 2.35), (1.38, 1.6)),
    "estate": ((4.3, 5.0), (1.7, 2.35), (1.4, 1.65)),
    "suv": ((4.1, 5.0), (1.75, 2.45), (1.58, 1.95)),
    "van": ((4.5, 6.05), (1.8, 2.5), (1.83, 2.7)),
    "pickup": ((4.9, 5.85), (1.8, 2.45), (1.73, 2.0)),
    "box truck": ((5.9, 9.3), (2.1, 3.1), (2.3, 4.2)),
    "articulated truck": ((13.9, 16.8), (2.5, 3.2), (3.2, 4.2)),
    "bus": ((8.9, 13.0), (2.5, 3.2), (2.8, 3.7)),
    "motorbike": ((1.8, 2.4), (0.6, 1.0), (1.2, 2.1)),
}


@pytest.mark.parametrize("kind", vehicles.VEHICLE_KINDS)
def test_vehicles_have_the_size_of_their_class_and_stand_over_their_origin(kind: str) -> None:
    for seed in SEEDS:
        low, high = vehicles.make_vehicle(np.random.default_rng(seed), Palette(), kind).bounds
        for size, (least, greatest) in zip(high - low, VEHICLE_SIZES_M[kind]):
            assert least <= size <= greatest, f"seed {seed}: {high - low}"
        assert np.abs(low + high)[:2].max() / 2 < 0.25


@pytest.mark.parametrize("kind", [k for k in vehicles.VEHICLE_KINDS if k != "motorbike"])
def test_vehicles_carry_glass_retro_reflectors_and_lamps_at_both_ends(kind: str) -> None:
    palette = Palette()
    mesh = vehicles.make_vehicle(np.random.default_rng(1), palette, kind)
    middle_x = mesh.corners.mean(axis=1)[:, 0]
    end = mesh.bounds[1][0]
    transparent = np.array([material.transparent for material in palette.materials])[mesh.material]
    retro = np.array([material.retro for material in palette.materials])[mesh.material]
    assert transparent.any()
    assert (retro[middle_x > 0.8 * end] > 0).any()
    assert (retro[middle_x < -0.8 * end] >= 15).any()


def test_a_parked_car_has_nobody_in_it_and_its_lamps_off() -> None:
    for seed in range(8):
        parked, driven = Palette(), Palette()
        vehicles.make_vehicle(np.random.default_rng(seed), parked, "sedan", parked=True)
        vehicles.make_vehicle(np.random.default_rng(seed), driven, "sedan")
        assert not any(material.name == "skin" or any(material.emission) for material in parked.materials)
        assert any(material.name == "skin" for material in driven.materials)


def _tracer(mesh: Mesh, palette: Palette) -> Tracer:
    place = Place("test", mesh, (), tuple(palette.materials), Trajectory.standing([0, 0, 0]), np.zeros((0, 3)))
    return Tracer(place)


def test_one_sees_under_a_car_and_through_its_wheel_arch_but_not_through_its_doors() -> None:
    palette = Palette()
    mesh = vehicles.make_vehicle(np.random.default_rng(0), palette, "suv")
    x = np.linspace(-0.5, 0.5, 5)
    across = np.tile([0.0, 1.0, 0.0], (5, 1))
    tracer = _tracer(mesh, palette)
    assert tracer.trace(np.column_stack([x, np.full(5, -4.0), np.full(5, 0.6)]), across).hit.all()
    assert not tracer.trace(np.column_stack([x, np.full(5, -4.0), np.full(5, 0.12)]), across).hit.any()


@pytest.mark.parametrize("kind", CAR_KINDS)
def test_seats_and_driver_stay_inside_the_body(kind: str) -> None:
    across = np.stack(np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 60)), axis=-1).reshape(-1, 2)
    for seed in SEEDS:
        palette = Palette()
        mesh = vehicles.make_vehicle(np.random.default_rng(seed), palette, kind)
        tracer = _tracer(mesh, palette)
        inside = [material.name in ("interior", "cloth", "skin") for material in palette.materials]
        low, high = mesh.bounds
        for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1), (2, -1)):
            towards = np.zeros(3)
            towards[axis] = sign
            others = [i for i in range(3) if i != axis]
            origins = np.tile((low + high) / 2 - towards * 10, (len(across), 1))
            origins[:, others] += across * ((high - low) / 2)[others]
            hits = tracer.trace(origins, np.tile(towards, (len(across), 1)))
            sticking_out = np.array(inside)[hits.material[hits.hit]].mean()
            assert sticking_out < 0.001, f"seed {seed}, seen along {towards}: {sticking_out:.4f}"


@pytest.mark.parametrize("kind", ["broadleaf", "conifer", "bare", "palm"])
def test_light_passes_between_the_leaves_of_a_crown(kind: str) -> None:
    palette = Palette()
    mesh = vegetation.make_tree(np.random.default_rng(4), palette, kind, 9.0)
    low, high = mesh.bounds
    y, z = np.meshgrid(np.linspace(0.8 * low[1], 0.8 * high[1], 40), np.linspace(0.4 * high[2], 0.9 * high[2], 40))
    origins = np.column_stack([np.full(y.size, low[0] - 1), y.ravel(), z.ravel()])
    hit = _tracer(mesh, palette).trace(origins, np.tile([1.0, 0.0, 0.0], (y.size, 1))).hit.mean()
    assert 0.05 < hit < 0.97


@pytest.mark.parametrize("name", LONG)
def test_what_is_built_by_the_metre_has_its_length_along_x(name: str) -> None:
    low, high = LONG[name](np.random.default_rng(2), Palette()).bounds
    assert abs(high[0] - low[0] - LENGTH_M) < 0.7
    assert high[1] - low[1] < 1.6


@pytest.mark.parametrize("kind", traffic_signs.SIGN_KINDS)
def test_the_face_of_a_sign_looks_along_x_and_reflects(kind: str) -> None:
    palette = Palette()
    face = traffic_signs.make_sign_face(np.random.default_rng(0), palette, kind)
    centre = face.corners[face_normals(face.corners)[:, 0] > 0.99].mean(axis=(0, 1))
    hits = _tracer(face, palette).trace([2.0, *(centre[1:] + [0.013, 0.005])], [[-1.0, 0.0, 0.0]])
    assert hits.hit.all()
    retro = [palette.materials[index].retro for index in np.unique(face.material)]
    assert max(retro) >= 15


def test_pedestrians_walk_and_stand_at_the_height_of_people() -> None:
    heights = []
    for seed in range(40):
        low, high = people.make_pedestrian(np.random.default_rng(seed), Palette()).bounds
        heights.append(float(high[2] - low[2]))
    assert min(heights) > 1.0 and 1.55 < np.median(heights) < 1.85


@pytest.mark.parametrize(
    "solid",
    [
        tube([(0, 0, 0), (0.4, 0.1, 0.5), (0.5, 0.9, 1.0)], [0.2, 0.15, 0.1], 0),
        revolve([(0, 0), (0.3, 0), (0.2, 0.5), (0, 0.6)], 0),
        ellipsoid((0.3, 0.2, 0.5), 0, (1, 2, 3)),
        plate(rectangle_outline(0.6, 0.4, 0.1), 0.05, 0, 0),
    ],
    ids=["tube", "revolve", "ellipsoid", "plate"],
)
def test_solids_are_closed_and_face_outwards(solid: Mesh) -> None:
    """By the divergence theorem the faces of a closed solid sum to zero and enclose a positive volume."""
    corners = solid.corners.astype(np.float64)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    volume = np.einsum("ij,ij->", corners.mean(axis=1) - corners.mean(axis=(0, 1)), area) / 3
    np.testing.assert_allclose(area.sum(axis=0), 0.0, atol=1e-5)
    assert volume > 0
    agreement = np.einsum("ij,ikj->ik", face_normals(solid.corners), solid.normals)
    assert agreement.min() > 0.2


def test_struts_are_rods_of_their_radius_between_their_ends() -> None:
    rng = np.random.default_rng(0)
    starts, ends = rng.normal(0, 2, (2, 50, 3))
    rods = struts(starts, ends, 0.02, 0.01, 0).corners.reshape(2, 3, 50, 3, 3)  # halves, sides, rods, corners, xyz
    along = (ends - starts) / np.linalg.norm(ends - starts, axis=1, keepdims=True)
    offset = rods - starts[:, None]
    beside = offset - np.einsum("...j,...j->...", offset, along[:, None])[..., None] * along[:, None]
    radius = np.linalg.norm(beside, axis=-1)
    at_start = np.einsum("...j,...j->...", offset, along[:, None]) < 1e-4
    np.testing.assert_allclose(radius[at_start], 0.02, rtol=1e-3)
    np.testing.assert_allclose(radius[~at_start], 0.01, rtol=1e-3)
