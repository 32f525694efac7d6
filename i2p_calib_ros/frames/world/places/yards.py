"""Open areas without lanes: car parks and industrial yards."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, cylinder, grid_mesh
from i2p_calib_ros.frames.world.objects.barriers import make_bollard, make_concrete_barrier, make_cone
from i2p_calib_ros.frames.world.objects.indoor_objects import make_crate, make_forklift, make_pallet_stack
from i2p_calib_ros.frames.world.objects.masts import lamp_head_height, make_lamp_post
from i2p_calib_ros.frames.world.objects.street_furniture import make_bin
from i2p_calib_ros.frames.world.objects.stuff import GALVANISED, bright_paint, near, pick
from i2p_calib_ros.frames.world.objects.traffic_signs import make_sign
from i2p_calib_ros.frames.world.objects.vehicles import make_vehicle
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.places.buildings import make_building
from i2p_calib_ros.frames.world.places.ground import Region, Terrain, blotches, lay, undulation, upright_band
from i2p_calib_ros.frames.world.places.pavement import land_material, paint, road_material, walkway_material
from i2p_calib_ros.frames.world.places.quads import Quads
from i2p_calib_ros.frames.world.places.roads import Path, cracks, patches
from i2p_calib_ros.frames.world.places.roadside import border, far_scenery, scatter_plants
from i2p_calib_ros.frames.world.places.site_plan import Site, footprint
from i2p_calib_ros.frames.world.places.stock import moving_vehicle, person, plant_bush, plant_tree, put_car
from i2p_calib_ros.frames.world.places.traffic import Traffic, cruise, ride, walk

FloatArray = NDArray[np.float64]

BAY_WIDE_M, BAY_LONG_M, AISLE_M = 2.6, 5.0, 6.5
KERB_M = 0.12


def make_car_park(rng: np.random.Generator, kind: str, duration_s: float) -> Place:
    """Rows of bays beside a shop, with trees between them; the drive goes along one aisle and back in the next."""
    length, aisles = float(rng.uniform(70, 110)), int(rng.integers(2, 5))
    pitch = AISLE_M + 2 * BAY_LONG_M
    depth = aisles * pitch
    area = shapely.box(-8, -2, length + 8, depth + 2)
    bounds = np.array(area.bounds) + np.array([-45, -45, 45, 45])
    terrain = Terrain.sampled(undulation(rng, float(rng.uniform(0.002, 0.012))), bounds)
    site = Site(rng, terrain)
    aisle_y = np.asarray((np.arange(aisles) + 0.5) * pitch)
    speed = float(rng.uniform(2.0, 6.5))
    route, start = _aisle_route(rng, length, aisle_y, speed * duration_s)
    drive = cruise(rng, route, start, speed, duration_s)
    ego = ride(rng, drive, terrain)
    ego_line = shapely.LineString(route.at(drive.s_m[::10]))

    angled = float(rng.choice([0.0, 0.0, 0.35]))
    rows = [(y + side * (AISLE_M / 2), side) for y in aisle_y for side in (-1, 1)]
    starts = np.arange(2.0, length - BAY_WIDE_M, BAY_WIDE_M)
    lean = np.tan(angled) * BAY_LONG_M
    islands, lines = [], []
    for y, side in rows:
        far = y + side * BAY_LONG_M
        for i, x in enumerate(starts):
            lines.append(shapely.Polygon([(x, y), (x + 0.1, y), (x + 0.1 + lean, far), (x + lean, far)]))
            if i in (0, len(starts) - 1) and rng.random() < 0.7:
                islands.append(shapely.box(x, min(y, far), x + BAY_WIDE_M, max(y, far)).buffer(-0.3).buffer(0.2))
    green = shapely.union_all(islands) if islands else shapely.Polygon()
    middle = Path.through(np.linspace((-8.0, depth / 2), (length + 8.0, depth / 2), 120))
    half = depth / 2 + 2
    kerb = site.palette.add(Material("kerb", "concrete", near(rng, (0.4, 0.39, 0.37)), lidar_reflectivity=0.35))
    surface = [
        Region(green, land_material(site, str(rng.choice(["grass", "gravel", "paving"]))), KERB_M),
        Region(shapely.union_all(lines), paint(site, yellow=bool(rng.random() < 0.1))),
        Region(cracks(rng, middle, -half, half, rng.uniform(0, 25)) & area, _bitumen(site)),
        Region(patches(rng, middle, -half, half, rng.uniform(0, 6)) & area, road_material(site)),
        Region(area, road_material(site)),
        Region(area.buffer(2.0, join_style="mitre"), walkway_material(site), KERB_M),
        Region(terrain.polygon, land_material(site, "grass"), KERB_M),
    ]
    site.add(lay(surface, terrain))
    edges = shapely.union(area.boundary, green.boundary)
    site.add(upright_band(edges, -0.03, KERB_M, kerb, terrain))

    site.take_way(ego_line, 1.6)
    full = float(rng.uniform(0.25, 0.95))
    for y, side in rows:
        share = np.clip(full + rng.normal(0, 0.2), 0.05, 0.97)
        for x in starts:
            if rng.random() > share or shapely.intersects(green, shapely.Point(x + 1.3, y + side * 2.5)):
                continue
            into = side * (np.pi / 2 - angled) + (np.pi if rng.random() < 0.25 else 0.0)
            put_car(
                site,
                x + BAY_WIDE_M / 2 + lean / 2 + rng.normal(0, 0.1),
                y + side * (BAY_LONG_M / 2 + rng.normal(0.1, 0.2)),
                into + rng.normal(0, 0.02),
            )
    _trees_and_lamps(site, rows, starts, islands)
    _shop_and_border(site, length, depth, area)
    far_scenery(site, "town", "grass")

    traffic = Traffic(rng, terrain, ego)
    for y in aisle_y:
        for _ in range(int(rng.integers(0, 2))):
            line = np.column_stack([np.linspace(-6, length + 6, 90), np.full(90, y + rng.choice([-1.4, 1.4]))])
            path = Path.through(line if rng.random() < 0.5 else line[::-1])
            car = moving_vehicle(site)
            traffic.add(car, cruise(rng, path, float(rng.uniform(4, length)), float(rng.uniform(1, 5)), duration_s))
    _strollers(site, traffic, area, int(rng.integers(2, 14)), duration_s)
    return site.finish(kind, traffic.actors, ego)


def make_industrial_yard(rng: np.random.Generator, kind: str, duration_s: float) -> Place:
    """A yard between works and warehouses with containers, lorries and goods; the drive winds through it."""
    long, wide = float(rng.uniform(100, 170)), float(rng.uniform(50, 90))
    area = shapely.box(0, 0, long, wide)
    bounds = np.array([-50.0, -50.0, long + 50, wide + 50])
    terrain = Terrain.sampled(undulation(rng, float(rng.uniform(0.002, 0.012))), bounds)
    site = Site(rng, terrain)
    speed = float(rng.uniform(1.5, 6.0))
    turns = np.arange(10.0, long - 5, rng.uniform(18, 35))
    route = Path.smooth(
        np.column_stack([turns, wide / 2 + rng.uniform(-0.3, 0.3, len(turns)) * wide]), float(rng.uniform(4, 8))
    )
    speed = min(speed, (route.length_m - 8.0) / duration_s)
    drive = cruise(
        rng, route, float(rng.uniform(2, max(2.1, route.length_m - speed * duration_s - 4))), speed, duration_s
    )
    ego = ride(rng, drive, terrain)
    site.take_way(shapely.LineString(route.xy), 2.6)

    ground = str(rng.choice(["asphalt", "asphalt", "gravel", "paving"]))
    floor = land_material(site, ground)
    middle = Path.through(np.linspace((0.0, wide / 2), (long, wide / 2), 200))
    half = wide / 2
    marks = [route.band(d - 0.06, d + 0.06) for d in (-2.2, 2.2)] if rng.random() < 0.4 else []
    marks += [shapely.box(x, 4, x + 0.12, 16) for x in np.arange(10, long - 10, 4.0)] if rng.random() < 0.4 else []
    spots = blotches(rng, area.bounds, int(rng.integers(5, 40)), (0.4, 5.0))
    hard = ground != "gravel"
    site.add(
        lay(
            [
                Region(
                    shapely.union_all(marks) if marks and hard else shapely.Polygon(),
                    paint(site, bool(rng.random() < 0.5)),
                ),
                Region(cracks(rng, middle, -half, half, rng.uniform(0, 25) * hard) & area, _bitumen(site)),
                Region(spots & area, _stain(site)),
                Region(patches(rng, middle, -half, half, rng.uniform(0, 10)) & area, road_material(site)),
                Region(area, floor),
                Region(terrain.polygon, land_material(site, str(rng.choice(["grass", "gravel", "asphalt"])))),
            ],
            terrain,
        )
    )
    for a, b, turn in (((0, 0), (long, 0), np.pi), ((0, wide), (long, wide), 0.0)):
        _row_of_works(site, np.array(a, dtype=np.float64), np.array(b, dtype=np.float64), turn)
    for x, turn in ((-2.0, np.pi / 2), (long + 2.0, -np.pi / 2)):
        if rng.random() < 0.5:
            depth = float(rng.uniform(15, 30))
            block = make_building(rng, site.palette, str(rng.choice(["warehouse", "works"])), wide * 0.6, depth)
            site.put(block, x, wide / 2, turn)
        fence = Path.through(np.column_stack([np.full(50, x + 1.0), np.linspace(0, wide, 50)]))
        border(site, fence, 0.0, wide, 0.0, "fence", 0.0)
    _fill_yard(site, area, int(area.area * rng.uniform(0.003, 0.012)))
    outside = shapely.difference(terrain.polygon.buffer(-3), area.buffer(4))
    scatter_plants(site, outside, int(rng.integers(0, 25)), 10)
    far_scenery(site, "town", "grass")

    traffic = Traffic(rng, terrain, ego)
    for _ in range(int(rng.integers(0, 4))):
        line = rng.uniform((5, 8), (long - 5, wide - 8), (3, 2))
        path = Path.smooth(line, 4.0)
        maker = make_forklift if rng.random() < 0.6 else make_vehicle
        body = site.from_stock(maker.__name__, 2, maker)
        if site.is_free(shapely.LineString(path.xy).buffer(1.5)):
            traffic.add(body, cruise(rng, path, 1.0, float(rng.uniform(1, 4)), duration_s))
    _strollers(site, traffic, area, int(rng.integers(0, 6)), duration_s)
    return site.finish(kind, traffic.actors, ego)


def _aisle_route(rng: np.random.Generator, length: float, aisle_y: FloatArray, drive_m: float) -> tuple[Path, float]:
    """Along one aisle and back in the next, and where on it to start so that the turn may be seen."""
    first = int(rng.integers(len(aisle_y) - 1))
    y0, y1 = aisle_y[first] - 1.4, aisle_y[first + 1] + 1.4
    points = np.array([(-4, y0), (length / 2, y0), (length + 3.5, y0), (length + 3.5, y1), (length / 2, y1), (-4, y1)])
    if rng.random() < 0.5:
        points = points * [1, -1] + [0, y0 + y1]
    route = Path.smooth(points, 3.0)
    return route, float(rng.uniform(3, max(4, min(length, route.length_m - drive_m - 6))))


def _trees_and_lamps(
    site: Site, rows: list[tuple[float, int]], starts: FloatArray, islands: list[shapely.Polygon]
) -> None:
    rng = site.rng
    planted = rng.random() < 0.7
    for island in islands:
        x, y = island.centroid.x, island.centroid.y
        if planted:
            plant_tree(site, x, y, KERB_M)
        elif rng.random() < 0.5:
            plant_bush(site, x, y, KERB_M)
    post = make_lamp_post(rng, site.palette, float(rng.uniform(5, 9)))
    head = lamp_head_height(post)
    for y, side in rows[1::2]:
        for x in starts[4::9]:
            at = y + side * BAY_LONG_M
            if site.put(post, x, at, rng.choice([0.0, np.pi]), radius_m=0.15):
                site.lamps.append(np.array([x, at, float(site.terrain.height([x, at])) + head]))


def _shop_and_border(site: Site, length: float, depth: float, area: shapely.Polygon) -> None:
    rng = site.rng
    kind = str(rng.choice(["shop", "warehouse", "office", "apartments"]))
    shop = make_building(rng, site.palette, kind, length * float(rng.uniform(0.4, 0.9)), float(rng.uniform(14, 26)))
    site.put(shop, length / 2, depth + 6.0, 0.0, KERB_M)
    for _ in range(10):
        maker = (make_bollard, make_bin, make_sign)[int(rng.integers(3))]
        x = rng.uniform(0, length)
        site.put(site.from_stock(maker.__name__, 2, maker), x, depth + 3.2, -np.pi / 2, KERB_M, radius_m=0.3)
    ring = Path.through(shapely.get_coordinates(shapely.segmentize(area.buffer(3.0).exterior, 2.0))[::-1])
    for start in np.arange(0, ring.length_m - 8, 8.0):
        xy = ring.at(start + 4.0)
        if xy[1] > depth and abs(xy[0] - length / 2) < length / 2:
            continue
        if rng.random() < 0.6:
            border(site, ring, start, start + 7.5, 0.0, pick(rng, {"hedge": 0.6, "fence": 0.25, "wall": 0.15}), KERB_M)
        if rng.random() < 0.5:
            x, y = ring.at(start + 4.0, -2.5)
            plant_tree(site, x, y, KERB_M)
    outside = shapely.difference(site.terrain.polygon.buffer(-3), area.buffer(7))
    for _ in range(8):
        x, y = rng.uniform(outside.bounds[:2], outside.bounds[2:])
        if shapely.contains(outside, shapely.Point(x, y).buffer(14)):
            kinds = {"apartments": 0.4, "brick terrace": 0.3, "house": 0.3}
            block = make_building(rng, site.palette, pick(rng, kinds), float(rng.uniform(12, 25)), far=True)
            site.put(block, x, y, float(rng.choice([0.0, np.pi / 2, np.pi, -np.pi / 2])), far=True)
    scatter_plants(site, outside, 14, 14)


def _row_of_works(site: Site, start: FloatArray, end: FloatArray, turn: float) -> None:
    rng, s = site.rng, 2.0
    length = float(np.linalg.norm(end - start))
    direction = (end - start) / length
    while s < length - 14:
        width = min(float(rng.uniform(14, 45)), length - s)
        kind = pick(rng, {"warehouse": 0.55, "works": 0.35, "garage": 0.1})
        block = make_building(rng, site.palette, kind, width - 2.0)
        x, y = start + direction * (s + width / 2)
        y += float(np.cos(turn)) * rng.uniform(0, 4)
        _, high = block.bounds
        half = width / 2 - 1.0
        if rng.random() < 0.85 and site.is_free(
            footprint(x, y, turn, np.array([-half, 0.0]), np.array([half, high[1]]))
        ):
            site.put(block, x, y, turn)
        s += width


def _fill_yard(site: Site, area: shapely.Polygon, things: int) -> None:
    rng = site.rng
    x0, y0, x1, y1 = area.buffer(-4).bounds
    shares = {
        "container": 0.25, "lorry": 0.14, "pallets": 0.2, "crates": 0.1, "barrier": 0.08, "tank": 0.05, "heap": 0.05,
        "car": 0.1, "cones": 0.03,
    }  # fmt: skip
    for _ in range(things):
        what = pick(rng, shares)
        x, y = rng.uniform((x0, y0), (x1, y1))
        yaw = float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2]) + rng.normal(0, 0.05))
        if what == "container":
            box = site.from_stock("container", 5, make_container)
            if site.put(box, x, y, yaw) and rng.random() < 0.4:
                top = float(box.bounds[1][2])
                site.put(box, x, y, yaw, z=top, radius_m=0.0)  # of the same length, so that it rests on its corners
        elif what == "lorry":
            lorry = pick(rng, {"box truck": 0.5, "articulated truck": 0.5})
            site.put(site.from_stock(lorry, 2, make_vehicle, lorry), x, y, yaw)
        elif what in ("pallets", "crates"):
            maker = make_pallet_stack if what == "pallets" else make_crate
            for k in range(int(rng.integers(1, 6))):
                site.put(site.from_stock(what, 5, maker), x + 1.5 * k * np.cos(yaw), y + 1.5 * k * np.sin(yaw), yaw)
        elif what == "barrier":
            for k in range(int(rng.integers(2, 6))):
                piece = site.from_stock("barrier", 1, make_concrete_barrier, 3.0)
                site.put(piece, x + 3.1 * k * np.cos(yaw), y + 3.1 * k * np.sin(yaw), yaw)
        elif what == "car":
            put_car(site, x, y, yaw)
        elif what == "cones":
            for _ in range(5):
                a, b = (x, y) + rng.normal(0, 2, 2)
                site.put(site.from_stock("cone", 1, make_cone), a, b, radius_m=0.3)
        else:
            maker = _tank if what == "tank" else _heap
            site.put(site.from_stock(what, 3, maker), x, y, yaw)


def make_container(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A freight container of 20 or 40 feet: corrugated walls between corner posts, doors towards +x."""
    coat = bright_paint(rng)
    wall = palette.add(
        Material("container", "corrugated", coat.albedo, 2.5, lidar_reflectivity=coat.lidar_reflectivity)
    )
    frame, steel = palette.add(coat), palette.add(GALVANISED)
    x, y, z = (3.03 if rng.random() < 0.5 else 6.1), 1.22, 2.6
    quads = Quads()
    quads.block(-x + 0.05, x - 0.06, -y + 0.04, y - 0.04, 0.15, z - 0.06, wall)
    for a in (-x, x - 0.16):
        for b in (-y, y - 0.16):
            quads.block(a, a + 0.16, b, b + 0.16, 0.0, z, frame)
    for b in (-y, y - 0.12):
        for c in (0.0, z - 0.12):
            quads.block(-x, x, b, b + 0.12, c, c + 0.14, frame)
    for b in (-0.75, -0.3, 0.27, 0.72):
        quads.block(x - 0.06, x - 0.02, b, b + 0.04, 0.2, z - 0.15, steel)
    return quads.mesh()


def _tank(rng: np.random.Generator, palette: Palette) -> Mesh:
    radius, height = float(rng.uniform(1.0, 3.0)), float(rng.uniform(3.0, 11.0))
    shell = palette.add(
        Material("tank", "metal", near(rng, (0.5, 0.5, 0.5), 0.3), tile_m=3.0, gloss=0.04, lidar_reflectivity=0.45)
    )
    ring = cylinder(radius + 0.06, 0.12, shell, 24)
    rings = [ring.translated(0, 0, z) for z in np.arange(0.5, height, 2.0)]
    cone = cylinder(radius, 0.25 * radius, shell, 24, top_radius_m=0.2).translated(0, 0, height)
    return Mesh.merge([cylinder(radius, height, shell, 24), *rings, cone])


def _heap(rng: np.random.Generator, palette: Palette) -> Mesh:
    """Sand, gravel, or rubble."""
    material = palette.add(
        Material(
            "heap", str(rng.choice(["gravel", "soil"])), near(rng, (0.3, 0.26, 0.2), 0.35), lidar_reflectivity=0.35
        )
    )
    radius, height = float(rng.uniform(1.5, 4.0)), float(rng.uniform(0.8, 2.2))
    angle = np.linspace(0, 2 * np.pi, 25)
    shares = np.array([1.0, 0.8, 0.55, 0.3, 0.1, 0.001])
    lumps = 1 + 0.12 * rng.standard_normal((len(shares), 25))
    lumps[:, -1] = lumps[:, 0]
    out = radius * shares[:, None] * lumps
    z = height * (1 - shares[:, None] ** 1.3) * (1 + 0.05 * rng.standard_normal((len(shares), 25))) - 0.05
    z[:, -1] = z[:, 0]
    return grid_mesh(np.stack([out * np.cos(angle), out * np.sin(angle), z], axis=-1), material, closed=True)


def _strollers(site: Site, traffic: Traffic, area: shapely.Polygon, count: int, duration_s: float) -> None:
    rng = site.rng
    x0, y0, x1, y1 = area.bounds
    for _ in range(count):
        a = rng.uniform((x0, y0), (x1, y1))
        heading = rng.uniform(0, 2 * np.pi)
        path = Path.through(a + np.arange(0, 40.0)[:, None] * [np.cos(heading), np.sin(heading)])
        if rng.random() < 0.25:
            site.put(person(site, False), a[0], a[1], heading, radius_m=0.4)
        elif site.is_free(shapely.LineString(path.xy[:20]).buffer(0.4)):
            traffic.add(person(site, True), walk(path, 0.5, rng.uniform(0.7, 1.6), duration_s), sprung=False)


def _bitumen(site: Site) -> int:
    return site.palette.add(Material("bitumen", "plain", (0.025, 0.025, 0.026), gloss=0.02, lidar_reflectivity=0.06))


def _stain(site: Site) -> int:
    return site.palette.add(
        Material("stain", "asphalt", near(site.rng, (0.06, 0.055, 0.05), 0.3), lidar_reflectivity=0.08)
    )
