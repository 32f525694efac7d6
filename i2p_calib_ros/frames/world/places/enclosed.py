"""Places under a roof: road tunnels, halls for robots, and parking decks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, grid_mesh
from i2p_calib_ros.frames.world.objects.barriers import make_cone
from i2p_calib_ros.frames.world.objects.indoor_objects import (
    make_chair,
    make_column,
    make_crate,
    make_forklift,
    make_ladder,
    make_machine,
    make_pallet_stack,
    make_rack,
    make_shelf,
    make_table,
)
from i2p_calib_ros.frames.world.objects.street_furniture import make_bin
from i2p_calib_ros.frames.world.objects.stuff import DARK_STEEL, GALVANISED, PANE, Colour, bright_paint, near, pick
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.places.ground import Region, Terrain, lay, undulation, upright_band
from i2p_calib_ros.frames.world.places.pavement import paint, road_material, walkway_material
from i2p_calib_ros.frames.world.places.quads import Quads
from i2p_calib_ros.frames.world.places.roads import Path, Road, Section, cracks, patches
from i2p_calib_ros.frames.world.places.site_plan import Site
from i2p_calib_ros.frames.world.places.stock import moving_vehicle, parked_car, person
from i2p_calib_ros.frames.world.places.traffic import Traffic, cruise, follow, ride, walk

FloatArray = NDArray[np.float64]

BEHIND_M = 90.0


def make_tunnel(rng: np.random.Generator, kind: str, duration_s: float) -> Place:
    """A road tunnel with a vaulted or a flat ceiling, walkways, lamps in rows, niches and signs."""
    lanes = int(rng.integers(1, 4))
    two_way = lanes < 3 and rng.random() < 0.5
    section = Section(
        lanes_ahead=lanes,
        lanes_back=lanes if two_way and lanes == 1 else 0,
        lane_m=float(rng.uniform(3.2, 3.75)),
        shoulder_m=float(rng.uniform(0.3, 1.2)),
        pavement_m=float(rng.uniform(0.8, 1.4)),
        kerb_m=float(rng.uniform(0.1, 0.25)),
        centre="solid",
        edge_lines=True,
        yellow=bool(rng.random() < 0.3),
    )
    speed = float(rng.uniform(8, 24))
    length = BEHIND_M + speed * duration_s + 170
    road = Road(Path.winding(rng, length, float(rng.choice([0.0005, 0.002, 0.004]))), section)
    path = road.path
    bounds = np.array(road.reserve.bounds) + np.array([-20, -20, 20, 20])
    terrain = Terrain.sampled(undulation(rng, float(rng.uniform(0.003, 0.02)), (60.0, 250.0)), bounds)
    site = Site(rng, terrain)
    _tunnel_floor(site, road)
    _tunnel_lining(site, road)
    own = int(rng.integers(lanes))
    lane = path.parallel(section.lane_offset(own))
    drive = cruise(rng, lane, BEHIND_M, speed, duration_s)
    ego = ride(rng, drive, terrain)
    traffic = Traffic(rng, terrain, ego)
    gap = 0.0
    while (gap := gap + 10 + rng.exponential(30)) < 120:
        traffic.add(moving_vehicle(site), follow(drive, gap, wobble_m=0.02 * gap, phase=float(rng.uniform(0, 6))))
    traffic.add(moving_vehicle(site), follow(drive, -float(rng.uniform(12, 40)), wobble_m=0.5))
    others = [path.parallel(section.lane_offset(i)) for i in range(lanes) if i != own]
    others += [path.parallel(section.lane_offset(0, True)).reversed()] if section.lanes_back else []
    for other in others:
        at = float(rng.uniform(5, 40))
        pace = speed * rng.uniform(0.8, 1.2)
        while at < other.length_m - 10 and len(traffic.actors) < 20:
            traffic.add(moving_vehicle(site), cruise(rng, other, at, pace, duration_s))
            at += 12 + rng.exponential(45)
    return site.finish(kind, traffic.actors, ego, indoor=True)


def _tunnel_floor(site: Site, road: Road) -> None:
    rng, path, section = site.rng, road.path, road.section
    right, left = -section.right_m, section.left_m
    kerb = site.palette.add(Material("kerb", "concrete", near(rng, (0.4, 0.39, 0.37)), lidar_reflectivity=0.35))
    regions = [
        Region(road.white_lines(), paint(site)),
        Region(road.centre_line() if section.yellow else shapely.Polygon(), paint(site, yellow=True)),
        Region(cracks(rng, path, right, left, rng.uniform(0, 8)), road_material(site)),
        Region(patches(rng, path, right, left, rng.uniform(0, 4)), road_material(site)),
        Region(road.carriageway, road_material(site)),
        Region(road.reserve.buffer(0.5), walkway_material(site), section.kerb_m),
    ]
    site.add(lay(regions, site.terrain))
    edge = shapely.intersection(road.carriageway.boundary, site.terrain.polygon.buffer(-0.5))
    site.add(upright_band(edge, -0.02, section.kerb_m, kerb, site.terrain))


def _tunnel_lining(site: Site, road: Road) -> None:
    """Walls and ceiling along the road, lamps, pipes, doors, joints between the blocks of the lining."""
    rng, palette, path, section = site.rng, site.palette, road.path, road.section
    right, left = -section.right_m - section.outer_m, section.left_m + section.outer_m
    high = float(rng.uniform(4.8, 6.2))
    middle, half = (left + right) / 2, (left - right) / 2
    if rng.random() < 0.55:  # a vault
        angle = np.linspace(np.pi, 0.0, 19)
        vault = np.column_stack([middle + half * np.cos(angle), 1.5 + (high - 0.5) * np.sin(angle)])
        shape = np.vstack([[right, -0.5], vault, [left, -0.5]])
    else:
        sides = [(right, -0.5), (right, 1.5), (right, 3.0), (right, high), (middle, high)]
        shape = np.array(sides + [(left, z) for _, z in sides[3::-1]])
    tone: Colour = (0.22, 0.21, 0.2) if rng.random() < 0.5 else (0.4, 0.39, 0.36)
    texture = str(rng.choice(["concrete", "plaster", "stone"]))
    lining = palette.add(Material("lining", texture, near(rng, tone, 0.2), tile_m=5.0, lidar_reflectivity=0.35))
    texture, tone = str(rng.choice(["tiles", "panels", "concrete"])), near(rng, (0.6, 0.6, 0.56), 0.2)
    wall = palette.add(Material("tunnel wall", texture, tone, tile_m=3.0, gloss=0.02, lidar_reflectivity=0.5))
    s = np.arange(0.0, path.length_m + 2.0, 4.0)
    xy = path.at(s[:, None], shape[None, :, 0])
    z = site.terrain.height(path.at(s))[:, None] + shape[None, :, 1]
    points = np.concatenate([xy, z[..., None]], axis=-1)
    heights = (shape[:-1, 1] + shape[1:, 1]) / 2
    materials = np.broadcast_to(np.where(heights < 2.8, wall, lining).astype(np.int32), (len(s) - 1, len(heights)))
    site.add(grid_mesh(points, materials))
    _tunnel_fittings(site, road, right, left, high)


def _tunnel_fittings(site: Site, road: Road, right: float, left: float, high: float) -> None:
    rng, palette, path = site.rng, site.palette, road.path
    tone = (1.0, 0.75, 0.4) if rng.random() < 0.4 else (1.0, 0.98, 0.9)
    glow = 2.5
    lamp = palette.add(
        Material("tunnel lamp", "plain", (0.8, 0.8, 0.8), emission=(glow * tone[0], glow * tone[1], glow * tone[2]))
    )
    steel, door = palette.add(GALVANISED), palette.add(bright_paint(rng))
    joint = palette.add(Material("joint", "plain", (0.05, 0.05, 0.05), lidar_reflectivity=0.1))
    spacing, long = float(rng.choice([4.0, 6.0, 10.0])), float(rng.uniform(0.6, 1.6))
    middle, half = (left + right) / 2, (left - right) / 2
    rows = [middle] if half < 4 or rng.random() < 0.4 else [middle - half * 0.5, middle + half * 0.5]
    fixture = Quads()
    fixture.block(-long / 2, long / 2, -0.15, 0.15, 0.0, 0.12, steel)
    fixture.level(-long / 2 + 0.04, long / 2 - 0.04, 0.13, -0.13, -0.01, lamp)
    lamp_mesh = fixture.mesh()
    drop = high - 0.35
    for offset in rows:
        for s in np.arange(1.0, path.length_m, spacing):
            x, y = path.at(s, offset)
            site.put(lamp_mesh, x, y, float(path.heading(s)), z=drop, radius_m=0.0)
            if len(site.lamps) < 80 and s % (2 * spacing) < spacing:
                site.lamps.append(np.array([x, y, float(site.terrain.height([x, y])) + drop - 0.1]))
    pipe = Quads()
    for z in (2.9, 3.1):
        pipe.block(-2.0, 2.0, -0.06, 0.06, z, z + 0.1, steel)
    rib = Quads()
    rib.block(-0.03, 0.03, -0.02, 0.02, 0.0, 2.8, joint)
    niche = Quads()
    niche.block(-0.6, 0.6, -0.06, 0.06, 0.2, 2.3, door)
    niche.block(-0.75, 0.75, -0.04, 0.04, 0.2, 2.45, steel)
    for side, wall_at in ((-1, right), (1, left)):
        offset = wall_at - side * 0.05
        for s in np.arange(2.0, path.length_m, 4.0):
            x, y = path.at(s, offset)
            site.put(pipe.mesh(), x, y, float(path.heading(s)), radius_m=0.0)
        for s in np.arange(6.0, path.length_m, 12.0):
            x, y = path.at(s, offset)
            site.put(rib.mesh(), x, y, float(path.heading(s)), radius_m=0.0)
        for s in np.arange(rng.uniform(10, 40), path.length_m, rng.uniform(25, 60)):
            x, y = path.at(s, offset)
            site.put(niche.mesh(), x, y, float(path.heading(s)), radius_m=0.0)
            board = site.from_stock("exit sign", 1, _exit_sign)
            x, y = path.at(s + 1.5, offset - side * 0.1)
            site.put(board, x, y, float(path.heading(s)), z=2.5, radius_m=0.0)


def _exit_sign(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A lit green sign that stands out from the wall."""
    green = palette.add(
        Material("exit sign", "plain", (0.05, 0.4, 0.12), emission=(0.05, 0.6, 0.2), lidar_reflectivity=0.6, retro=8.0)
    )
    quads = Quads()
    quads.block(-0.03, 0.03, -0.3, 0.3, 0.0, 0.4, green)
    return quads.mesh()


def make_hall(rng: np.random.Generator, kind: str, duration_s: float) -> Place:
    """A warehouse, a workshop, or a parking deck, seen from a robot or a car that drives through it."""
    use = pick(rng, {"warehouse": 0.4, "workshop": 0.35, "parking": 0.25})
    long, wide = float(rng.uniform(30, 80)), float(rng.uniform(16, 45))
    high = {"warehouse": rng.uniform(6, 11), "workshop": rng.uniform(3.2, 7), "parking": rng.uniform(2.5, 3.2)}[use]
    terrain = Terrain(np.array([-2.0, -2.0]), 2.0, np.zeros((int(wide / 2) + 4, int(long / 2) + 4)))
    site = Site(rng, terrain)
    aisles = _aisles(rng, wide, use)
    route = _hall_route(rng, long, aisles)
    speed = float(rng.uniform(0.4, 2.0) if use != "parking" else rng.uniform(1.5, 4.0))
    speed = min(speed, (route.length_m - 4.0) / duration_s)
    start = float(rng.uniform(1.0, max(1.1, route.length_m - speed * duration_s - 10.0)))
    drive = cruise(rng, route, start, speed, duration_s)
    ego = ride(rng, drive, terrain)
    site.take(
        shapely.LineString(route.at(np.clip(drive.s_m[::20], 0, route.length_m))).buffer(
            1.3 if use == "parking" else 0.9
        )
    )
    _shell(site, long, wide, float(high), use)
    _furnish_hall(site, long, wide, float(high), aisles, use)
    traffic = Traffic(rng, terrain, ego)
    for _ in range(int(rng.integers(0, 7))):
        _someone(site, traffic, long, wide, duration_s)
    return site.finish(kind, traffic.actors, ego, indoor=True)


def _aisles(rng: np.random.Generator, wide: float, use: str) -> FloatArray:
    spacing = {"warehouse": rng.uniform(4.5, 6.5), "workshop": rng.uniform(5, 8), "parking": 16.5}[use]
    count = max(1, int((wide - 3) / spacing))
    return np.asarray(wide / 2 + (np.arange(count) - (count - 1) / 2) * spacing)


def _hall_route(rng: np.random.Generator, long: float, aisles: FloatArray) -> Path:
    first = int(rng.integers(len(aisles)))
    second = int(np.clip(first + rng.choice([-1, 1]), 0, len(aisles) - 1))
    points = [(1.5, aisles[first]), (long / 2, aisles[first]), (long - 3.0, aisles[first])]
    if second != first:
        points += [(long - 3.0, aisles[second]), (long / 2, aisles[second]), (2.0, aisles[second])]
    route = np.array(points)
    return Path.smooth(route if rng.random() < 0.5 else route[::-1], 1.2)


def _shell(site: Site, long: float, wide: float, high: float, use: str) -> None:
    """Floor with its markings, walls with doors and windows, columns, roof beams and lamps."""
    rng, palette = site.rng, site.palette
    floor_texture = str(
        rng.choice(["concrete", "concrete", "tiles", "paint"] if use != "parking" else ["concrete", "asphalt"])
    )
    floor_colour = near(rng, (0.33, 0.33, 0.31) if floor_texture != "paint" else (0.25, 0.3, 0.27), 0.3)
    floor = palette.add(
        Material(
            "floor", floor_texture, floor_colour, tile_m=4.0, gloss=float(rng.uniform(0, 0.06)), lidar_reflectivity=0.3
        )
    )
    box = shapely.box(0, 0, long, wide)
    inset = [shapely.box(1.2, 1.2, long - 1.2, wide - 1.2).boundary.buffer(0.05)] if rng.random() < 0.5 else []
    joints = [shapely.box(x - 0.01, 0, x + 0.01, wide) for x in np.arange(6.0, long, 6.0)]
    joints += [shapely.box(0, y - 0.01, long, y + 0.01) for y in np.arange(6.0, wide, 6.0)]
    if use == "parking":
        rows = [y + side * 3.0 for y in _aisle_rows(wide) for side in (-1, 1)]
        inset += [
            shapely.box(x, min(y, y + d), x + 0.1, max(y, y + d))
            for y, d in zip(rows, [-5.0, 5.0] * len(rows))
            for x in np.arange(2.0, long - 2, 2.6)
        ]
    path = Path.through(np.linspace((0.0, wide / 2), (long, wide / 2), 60))
    bitumen = palette.add(Material("joint", "plain", (0.07, 0.07, 0.07), lidar_reflectivity=0.1))
    regions = [
        Region(
            shapely.union_all(inset) & box if inset else shapely.Polygon(), paint(site, yellow=bool(rng.random() < 0.6))
        ),
        Region(cracks(rng, path, -wide / 2, wide / 2, rng.uniform(0, 10)) & box, bitumen),
        Region(shapely.union_all(joints) & box, bitumen),
        Region(box, floor),
    ]
    site.add(lay(regions, site.terrain))
    _walls(site, long, wide, high)
    _ceiling(site, long, wide, high, use)


def _aisle_rows(wide: float) -> list[float]:
    count = max(1, int((wide - 3) / 16.5))
    return [wide / 2 + (i - (count - 1) / 2) * 16.5 for i in range(count)]


def _walls(site: Site, long: float, wide: float, high: float) -> None:
    rng, palette = site.rng, site.palette
    texture = str(rng.choice(["concrete", "plaster", "brick", "corrugated", "panels"]))
    upper = palette.add(
        Material("hall wall", texture, near(rng, (0.55, 0.54, 0.5), 0.3), tile_m=3.0, lidar_reflectivity=0.5)
    )
    lower = palette.add(
        Material("hall plinth", "plaster", near(rng, (0.4, 0.42, 0.4), 0.4), tile_m=3.0, lidar_reflectivity=0.4)
    )
    pane, steel = palette.add(PANE), palette.add(DARK_STEEL)
    daylight = palette.add(
        Material("daylight", "plain", (0.9, 0.9, 0.9), emission=(1.3, 1.4, 1.6), lidar_reflectivity=0.1)
    )
    door = palette.add(bright_paint(rng))
    windows = rng.random() < 0.5 and high > 3.1
    split = min(1.4, high / 2)
    for (x, y, yaw), width in (
        ((0.0, wide, 0.0), long),
        ((long, 0.0, np.pi), long),
        ((0.0, 0.0, np.pi / 2), wide),
        ((long, wide, -np.pi / 2), wide),
    ):
        quads = Quads()  # the wall's frame: x along it, seen from -y, which is inside
        quads.front(0.0, width, 0.0, split, 0.0, lower)
        quads.front(0.0, width, split, high, 0.0, upper)
        posts = np.arange(0.0, width, 6.0)
        quads.block(posts - 0.15, posts + 0.15, -0.25, 0.0, 0.0, high, upper if rng.random() < 0.5 else steel)
        if windows:
            a = np.arange(1.2, width - 4.5, 6.0)
            z0, z1 = max(1.5, high * 0.45), high - 0.5
            quads.front(a, a + 3.6, z0, z1, -0.02, daylight)
            quads.front(a, a + 3.6, z0, z1, -0.04, pane)
            for share in (0.0, 0.33, 0.66, 1.0):
                quads.block(a + 3.55 * share, a + 3.55 * share + 0.05, -0.08, -0.02, z0, z1, steel)
            quads.block(a, a + 3.6, -0.08, -0.02, z0 - 0.05, z0, steel)
        for _ in range(int(rng.integers(0, 3))):
            at = float(rng.uniform(1, max(1.1, width - 6)))
            if rng.random() < 0.5 and high > 4:
                ribs = np.arange(0.4, 3.6, 0.4)
                quads.block(at, at + 3.6, -0.05, -0.01, 0.0, 3.8, door)
                quads.block(at, at + 3.6, -0.08, -0.05, ribs, ribs + 0.04, steel)
            else:
                quads.block(at, at + 1.0, -0.06, -0.01, 0.0, 2.1, door)
        pipes = rng.uniform(2.3, max(2.4, high - 0.5), int(rng.integers(0, 4)))
        quads.block(0.0, width, -0.22, -0.12, pipes, pipes + 0.1, steel)
        posters = rng.uniform(0.5, max(0.6, width - 1.5), int(rng.integers(0, 6)))
        if posters.size:
            paper = palette.add(Material("poster", "graffiti", near(rng, (0.5, 0.48, 0.45), 0.3), tile_m=1.5))
            quads.block(posters, posters + 0.8, -0.02, -0.005, 1.1, 1.9, paper)
        site.add(quads.mesh().placed(x, y, yaw_rad=yaw))


def _ceiling(site: Site, long: float, wide: float, high: float, use: str) -> None:
    rng, palette = site.rng, site.palette
    roof = palette.add(
        Material(
            "ceiling",
            str(rng.choice(["concrete", "corrugated", "plaster", "panels"])),
            near(rng, (0.4, 0.4, 0.38), 0.4),
            tile_m=3.0,
            lidar_reflectivity=0.4,
        )
    )
    steel = palette.add(bright_paint(rng) if rng.random() < 0.3 else GALVANISED)
    lamp = palette.add(
        Material("hall lamp", "plain", (0.9, 0.9, 0.9), emission=(3.0, 3.0, 2.8), lidar_reflectivity=0.4)
    )
    quads = Quads()
    quads.level(0.0, long, wide, 0.0, high, roof)
    step = float(rng.choice([5.0, 6.0, 8.0]))
    beams = np.arange(step / 2, long, step)
    deep = min(0.7, high * 0.12)
    quads.block(beams - 0.12, beams + 0.12, 0.0, wide, high - deep, high - 0.01, steel if use != "parking" else roof)
    along = np.arange(3.0, wide, 6.0)
    quads.block(0.0, long, along - 0.06, along + 0.06, high - 0.2, high - 0.02, steel)
    ducts = rng.uniform(1.0, wide - 1.0, int(rng.integers(0, 3)))
    quads.block(
        0.5, long - 0.5, ducts - 0.3, ducts + 0.3, high - deep - 0.5, high - deep - 0.02, palette.add(GALVANISED)
    )
    drop = high - deep - float(rng.uniform(0.05, 0.3))
    length = float(rng.choice([0.5, 1.5, 2.4]))
    for x in np.arange(step / 2 + 1.0, long - 1, step):
        for y in np.arange(2.5, wide, float(rng.choice([5.0]))):
            quads.block(x - length / 2, x + length / 2, y - 0.12, y + 0.12, drop, drop + 0.08, steel)
            quads.level(x - length / 2, x + length / 2, y + 0.1, y - 0.1, drop - 0.01, lamp)
            site.lamps.append(np.array([x, y, drop - 0.05]))
    site.add(quads.mesh())


def _furnish_hall(site: Site, long: float, wide: float, high: float, aisles: FloatArray, use: str) -> None:
    rng = site.rng
    spacing = float(rng.choice([6.0, 8.0, 10.0]))
    rows = [y + 8.25 for y in aisles[:-1]] if use == "parking" else list((aisles[1:] + aisles[:-1]) / 2)
    for y in rows if rng.random() < 0.8 else []:
        for x in np.arange(spacing / 2, long, spacing):
            column = site.from_stock("column", 1, make_column, high)
            site.put(column, x, y)
    if use == "parking":
        share = float(rng.uniform(0.3, 0.95))
        for y in aisles:
            for side in (-1, 1):
                for x in np.arange(2.0, long - 4, 2.6):
                    if rng.random() < share:
                        turn = side * np.pi / 2 + (np.pi if rng.random() < 0.3 else 0)
                        site.put(parked_car(site, low=True), x + 1.35, y + side * (5.6 + rng.normal(0, 0.15)), turn)
        _scatter(
            site, long, wide, {"bin": (0.3, make_bin), "cone": (0.4, make_cone), "pallets": (0.3, make_pallet_stack)}, 6
        )
        return
    if use == "warehouse":
        for y in [*((aisles[1:] + aisles[:-1]) / 2), 0.8, wide - 0.8]:
            for x in np.arange(4.0, long - 6.0, 5.6):
                if rng.random() < 0.8:
                    rack = site.from_stock("rack", 6, make_rack, 5.4, min(high - 0.9, 7.5))
                    site.put(rack, x + 2.7, y, float(rng.choice([0.0, np.pi])))
        _scatter(site, long, wide, _WAREHOUSE, int(rng.integers(8, 40)))
        return
    for y in (0.5, wide - 0.5):  # shelves along the walls
        for x in np.arange(2.0, long - 2.0, 1.4):
            if rng.random() < 0.35:
                site.put(site.from_stock("shelf", 4, make_shelf), x, y, np.pi / 2 if y < 1 else -np.pi / 2)
    _scatter(site, long, wide, _WORKSHOP, int(long * wide * rng.uniform(0.04, 0.14)))


_Maker = Callable[[np.random.Generator, Palette], Mesh]
_WAREHOUSE: dict[str, tuple[float, _Maker]] = {
    "pallets": (4.0, make_pallet_stack),
    "crate": (2.0, make_crate),
    "forklift": (0.6, make_forklift),
    "ladder": (0.3, make_ladder),
    "bin": (0.4, make_bin),
    "cone": (0.5, make_cone),
}
_WORKSHOP: dict[str, tuple[float, _Maker]] = {
    "table": (4.0, make_table),
    "chair": (4.0, make_chair),
    "machine": (2.0, make_machine),
    "crate": (2.0, make_crate),
    "pallets": (1.5, make_pallet_stack),
    "shelf": (1.5, make_shelf),
    "ladder": (0.5, make_ladder),
    "bin": (0.6, make_bin),
    "cone": (0.5, make_cone),
}


def _scatter(site: Site, long: float, wide: float, things: dict[str, tuple[float, _Maker]], count: int) -> None:
    rng = site.rng
    for _ in range(count):
        name = pick(rng, {key: weight for key, (weight, _) in things.items()})
        x, y = rng.uniform((1.0, 1.0), (long - 1.0, wide - 1.0))
        yaw = float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2]) + rng.normal(0, 0.1))
        site.put(site.from_stock(name, 5, things[name][1]), x, y, yaw)


def _someone(site: Site, traffic: Traffic, long: float, wide: float, duration_s: float) -> None:
    rng = site.rng
    a = rng.uniform((1.0, 1.0), (long - 1.0, wide - 1.0))
    heading = float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2]) + rng.normal(0, 0.2))
    path = Path.through(a + np.arange(0, 20.0)[:, None] * [np.cos(heading), np.sin(heading)])
    inside = shapely.box(0.5, 0.5, long - 0.5, wide - 0.5)
    way = shapely.LineString(path.xy[:12]).buffer(0.35)
    if rng.random() < 0.5 or not (site.is_free(way) and shapely.contains(inside, way)):
        site.put(person(site, False), a[0], a[1], heading, radius_m=0.35)
    else:
        traffic.add(person(site, True), walk(path, 0.2, min(1.2, 10.0 / duration_s), duration_s), sprung=False)
