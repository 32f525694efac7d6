"""Lamps, signs, signals, barriers, poles and bridges along a road."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, box
from i2p_calib_ros.frames.world.objects.barriers import (
    make_bollard,
    make_concrete_barrier,
    make_cone,
    make_guard_rail,
    make_scaffold_barrier,
)
from i2p_calib_ros.frames.world.objects.masts import (
    lamp_head_height,
    make_billboard,
    make_gantry,
    make_lamp_post,
    make_traffic_light,
    make_utility_pole,
    make_wires,
)
from i2p_calib_ros.frames.world.objects.street_furniture import (
    make_bench,
    make_bicycle_stand,
    make_bin,
    make_bus_shelter,
    make_cabinet,
    make_hydrant,
    make_parking_meter,
    make_post_box,
)
from i2p_calib_ros.frames.world.objects.stuff import CONCRETE, REFLECTOR, WHITE_PLASTIC, near, pick
from i2p_calib_ros.frames.world.objects.traffic_signs import make_sign
from i2p_calib_ros.frames.world.objects.vegetation import make_planter
from i2p_calib_ros.frames.world.places.quads import Quads
from i2p_calib_ros.frames.world.places.roads import Road
from i2p_calib_ros.frames.world.places.site_plan import Site

Maker = Callable[[np.random.Generator, Palette], Mesh]

_PIECE_M = 12.0

_CLUTTER: dict[str, tuple[float, Maker]] = {
    "bin": (2.0, make_bin),
    "bench": (1.0, make_bench),
    "bollard": (2.0, make_bollard),
    "cabinet": (1.0, make_cabinet),
    "meter": (0.8, make_parking_meter),
    "post box": (0.4, make_post_box),
    "hydrant": (0.6, make_hydrant),
    "bicycles": (0.8, make_bicycle_stand),
    "planter": (1.0, make_planter),
    "shelter": (0.3, make_bus_shelter),
    "sign": (4.0, make_sign),
}


def light_up(site: Site, road: Road, spacing_m: float, height_m: float, keep_clear: shapely.Geometry) -> None:
    """Street lamps of one make along a road, on one side or in turn on both."""
    rng, path = site.rng, road.path
    both = rng.random() < 0.5
    post = make_lamp_post(rng, site.palette, height_m)
    reach, head = float(post.bounds[1][0]), lamp_head_height(post)
    for i, s in enumerate(np.arange(rng.uniform(2, spacing_m), path.length_m, spacing_m)):
        side = 1 if both and i % 2 else -1
        x, y = path.at(s, side * (abs(road.kerb_offset(side)) + 0.5))
        if shapely.intersects(keep_clear, shapely.Point(x, y)):
            continue
        yaw = float(path.heading(s)) - side * np.pi / 2
        if site.put(post, x, y, yaw, road.section.kerb_m, radius_m=0.25):
            at = np.array([x + reach * np.cos(yaw), y + reach * np.sin(yaw)])
            site.lamps.append(np.append(at, float(site.terrain.height(at)) + head))


def clutter(site: Site, road: Road, spacing_m: float, keep_clear: shapely.Geometry) -> None:
    """What stands about on pavements: signs, bins, benches, cabinets, bollards in rows."""
    rng, path, section = site.rng, road.path, road.section
    if section.outer_m < 1.0:
        return
    weights = {name: weight for name, (weight, _) in _CLUTTER.items()}
    for side in (-1, 1):
        s = rng.uniform(0, spacing_m)
        while s < path.length_m:
            name = pick(rng, weights)
            at_wall = name in ("shelter", "bench", "cabinet", "bicycles") and section.outer_m > 2.2
            offset = abs(road.kerb_offset(side)) + (section.outer_m - 1.0 if at_wall else 0.45)
            count = int(rng.integers(3, 9)) if name == "bollard" else 1
            for k in range(count):
                at = s + 1.5 * k
                x, y = path.at(at, side * offset)
                if shapely.intersects(keep_clear, shapely.Point(x, y)):
                    continue
                heading = float(path.heading(at))
                yaw = heading + (np.pi if side < 0 else 0.0) if name == "sign" else heading - side * np.pi / 2
                yaw += np.pi / 2 if name == "bicycles" else 0.0
                mesh = site.from_stock(name, 1 if count > 1 else 4, _CLUTTER[name][1])
                site.put(
                    mesh, x, y, yaw + rng.normal(0, 0.05), section.kerb_m, radius_m=0.3 if name != "shelter" else 1.5
                )
            s += rng.exponential(spacing_m) + 2.0


def signal_crossing(site: Site, road: Road, before_m: float, after_m: float) -> None:
    """Traffic lights for both directions of a road, at s = before_m and after_m."""
    light = make_traffic_light(site.rng, site.palette)
    for side, s in ((-1, before_m), (1, after_m)):
        if not 0 < s < road.path.length_m:
            continue
        x, y = road.path.at(s, side * (abs(road.kerb_offset(side)) + 0.5))
        yaw = float(road.path.heading(s)) + (np.pi if side < 0 else 0.0)
        site.put(light, x, y, yaw, road.section.kerb_m, radius_m=0.3)


def sign_country_road(site: Site, road: Road, keep_clear: shapely.Geometry) -> None:
    """Reflecting posts at even distances, and a sign here and there."""
    rng, path = site.rng, road.path
    spacing = float(rng.choice([25.0, 50.0]))
    for side in (-1, 1):
        offset = side * (abs(road.kerb_offset(side)) + 0.9)
        for s in np.arange(rng.uniform(0, spacing), path.length_m, spacing):
            x, y = path.at(s, offset)
            if not shapely.intersects(keep_clear, shapely.Point(x, y)):
                site.put(site.from_stock("delineator", 1, _delineator), x, y, float(path.heading(s)), radius_m=0.2)
        for s in np.arange(rng.uniform(20, 120), path.length_m, rng.uniform(60, 160)):
            x, y = path.at(s, offset * 1.15)
            yaw = float(path.heading(s)) + (np.pi if side < 0 else 0.0)
            if not shapely.intersects(keep_clear, shapely.Point(x, y)):
                site.put(site.from_stock("sign", 4, make_sign), x, y, yaw, radius_m=0.2)


def rail_off(site: Site, road: Road, offset_m: float, start_m: float, end_m: float, concrete: bool = False) -> None:
    """A crash barrier along a line of the road; the lanes are on the side of the middle."""
    maker = make_concrete_barrier if concrete else make_guard_rail
    path = road.path
    for s in np.arange(start_m, end_m - _PIECE_M, _PIECE_M):
        p, q = path.at(s, offset_m), path.at(s + _PIECE_M, offset_m)
        length = float(np.linalg.norm(q - p))
        piece = site.from_stock("barrier" if concrete else "guard rail", 1, maker, _PIECE_M)
        (x, y), d = (p + q) / 2, q - p
        yaw = float(np.arctan2(d[1], d[0])) + (np.pi if offset_m > 0 else 0.0)
        site.put(piece, x, y, yaw, scale=length / _PIECE_M, radius_m=0.0)


def noise_barrier(site: Site, road: Road, offset_m: float, start_m: float, end_m: float) -> None:
    """A wall of panels between posts, 2 to 5 m high."""
    rng, palette = site.rng, site.palette
    high, long = float(rng.uniform(2.0, 5.0)), 4.0
    texture = str(rng.choice(["planks", "concrete", "corrugated", "panels"]))
    panel = palette.add(Material("noise barrier", texture, near(rng, (0.32, 0.32, 0.27), 0.4), lidar_reflectivity=0.4))
    post = palette.add(CONCRETE)
    piece = Mesh.merge([
        box([long - 0.1, 0.14, high + 0.4], panel, [0, 0, high / 2 - 0.2]),
        box([0.18, 0.24, high + 0.6], post, [long / 2, 0, high / 2 - 0.1]),
    ])  # fmt: skip
    for s in np.arange(start_m, end_m, long):
        x, y = road.path.at(s, offset_m)
        site.put(piece, x, y, float(road.path.heading(s)), radius_m=0.0)


def string_poles(site: Site, road: Road, offset_m: float) -> None:
    """A line of utility poles with wires."""
    rng, path = site.rng, road.path
    pole = make_utility_pole(rng, site.palette)
    high = float(pole.bounds[1][2]) - 0.15
    spacing = float(rng.uniform(28, 50))
    before = None
    for s in np.arange(rng.uniform(0, spacing), path.length_m, spacing):
        x, y = path.at(s, offset_m)
        site.put(pole, x, y, float(path.heading(s)), radius_m=0.2)
        top = np.array([x, y, float(site.terrain.height([x, y])) + high])
        if before is not None:
            site.add(make_wires(site.palette, before, top, rng.uniform(0.4, 1.0)))
        before = top


def span_with_gantry(site: Site, road: Road, at_m: float) -> None:
    """Signs over the lanes of the direction of travel."""
    section = road.section
    span = section.right_m + 1.5 - section.median_m / 4
    gantry = make_gantry(site.rng, site.palette, span)
    middle = -(section.right_m + 1.0 + section.median_m / 4) / 2
    x, y = road.path.at(at_m, middle)
    site.put(gantry, x, y, float(road.path.heading(at_m)), radius_m=0.0)


def span_with_bridge(site: Site, road: Road, at_m: float) -> None:
    """A bridge over the road: deck, parapets, piers, and embankments on both sides."""
    rng, palette = site.rng, site.palette
    concrete = palette.add(
        Material("bridge concrete", "concrete", near(rng, (0.42, 0.41, 0.38), 0.2), tile_m=4.0, lidar_reflectivity=0.35)
    )
    rail = palette.add(Material("bridge rail", "metal", near(rng, (0.35, 0.38, 0.37), 0.4), lidar_reflectivity=0.4))
    grass = palette.add(
        Material("embankment", "grass", near(rng, (0.1, 0.14, 0.05)), tile_m=4.0, lidar_reflectivity=0.45)
    )
    wide, clear, thick = float(rng.uniform(6, 14)), float(rng.uniform(5.0, 6.2)), float(rng.uniform(0.9, 1.6))
    left, right = road.section.left_m + 3.0, road.section.right_m + 3.0
    bank, top = 2.0 * (clear + thick), clear + thick
    quads = Quads()
    half = wide / 2
    quads.block(-half, half, -right - bank - 12, left + bank + 12, clear, top, concrete)
    for x in (-half, half - 0.25):
        quads.block(x, x + 0.25, -right - bank - 12, left + bank + 12, top, top + 0.35, concrete)
        posts = np.arange(-right - bank, left + bank, 2.0)
        quads.block(x + 0.1, x + 0.16, posts, posts + 0.06, top + 0.3, top + 1.1, rail)
        for z in (0.7, 1.05):
            quads.block(x + 0.1, x + 0.16, -right - bank, left + bank, top + z, top + z + 0.06, rail)
    piers = [0.0] if road.section.median_m > 1.5 else []
    for y in (*piers, left - 1.0, -right + 1.0):
        for x in np.linspace(-half + 0.8, half - 0.8, 3):
            quads.block(x - 0.35, x + 0.35, y - 0.35, y + 0.35, -1.0, clear, concrete)
        quads.block(-half + 0.3, half - 0.3, y - 0.45, y + 0.45, clear - 0.7, clear, concrete)
    slope_half = half + 1.0
    for side, edge in ((1, left), (-1, right)):
        foot, crest = side * edge, side * (edge + bank * 0.75)
        end = side * (edge + bank + 60)
        ramp = [
            (-slope_half, foot, -0.3),
            (slope_half, foot, -0.3),
            (slope_half, crest, clear),
            (-slope_half, crest, clear),
        ]
        quads.add([ramp if side > 0 else ramp[::-1]], concrete if rng.random() < 0.5 else grass)
        for x, out in ((slope_half, 1), (-slope_half, -1)):
            flank = [(x, foot, -0.3), (x + out * bank * 0.75, crest, -0.5), (x, crest, clear)]
            quads.polygon(flank, grass)
            quads.add(
                [
                    [
                        (x, crest, clear),
                        (x + out * bank * 0.75, crest, -0.5),
                        (x + out * bank * 0.75, end, -0.5),
                        (x, end, clear),
                    ]
                ],
                grass,
            )
    bridge = quads.mesh()
    x, y = road.path.at(at_m)
    yaw = float(road.path.heading(at_m)) + float(rng.normal(0, 0.15))
    site.put(bridge, x, y, yaw, radius_m=0.0)


def road_works(site: Site, road: Road, at_m: float) -> None:
    """A narrowed lane with boards and cones."""
    rng, path = site.rng, road.path
    offset = -road.section.right_m + 0.6
    board = site.from_stock("barrier board", 1, make_scaffold_barrier)
    for s in (at_m, at_m + 14.0):
        x, y = path.at(s, offset)
        site.put(board, x, y, float(path.heading(s)) + np.pi / 2, radius_m=0.3)
    for s in np.arange(at_m + 1.5, at_m + 14.0, 2.2):
        x, y = path.at(s, offset + 0.7 + rng.normal(0, 0.05))
        site.put(site.from_stock("cone", 1, make_cone), x, y, radius_m=0.2)


def put_billboard(site: Site, road: Road, at_m: float, side: int) -> None:
    """An advertisement beyond the pavement, turned towards the traffic."""
    x, y = road.path.at(at_m, side * (abs(road.kerb_offset(side)) + road.section.outer_m + 4.0))
    site.put(make_billboard(site.rng, site.palette), x, y, float(road.path.heading(at_m)) + np.pi + side * 0.5)


def _delineator(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A white post with a black, slanting band and a reflector on both faces."""
    black = palette.add(Material("black band", "plain", (0.03, 0.03, 0.03), lidar_reflectivity=0.08))
    white, reflector = palette.add(WHITE_PLASTIC), palette.add(REFLECTOR)
    return Mesh.merge(
        [
            box([0.08, 0.12, 0.75], white, [0, 0, 0.375]),
            box([0.081, 0.121, 0.2], black, [0, 0, 0.85]),
            box([0.09, 0.05, 0.14], reflector, [0, 0, 0.85]),
            box([0.08, 0.12, 0.08], white, [0, 0, 0.99]),
        ]
    )
