"""Places along roads: city streets, junctions, suburbs, country roads, motorways, with their drives and traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.objects.people import make_cyclist
from i2p_calib_ros.frames.world.objects.stuff import pick
from i2p_calib_ros.frames.world.place import Place
from i2p_calib_ros.frames.world.places.fittings import (
    clutter,
    light_up,
    noise_barrier,
    put_billboard,
    rail_off,
    road_works,
    sign_country_road,
    signal_crossing,
    span_with_bridge,
    span_with_gantry,
    string_poles,
)
from i2p_calib_ros.frames.world.places.ground import Terrain, undulation
from i2p_calib_ros.frames.world.places.pavement import Surface, lay_surface, road_lanes
from i2p_calib_ros.frames.world.places.roads import Path, Road, Section, arrow, stop_line, zebra
from i2p_calib_ros.frames.world.places.roadside import (
    Frontage,
    build_up,
    far_scenery,
    green_side,
    grow_verge,
    lay_fields,
    park_along,
    plant_row,
    scatter_plants,
)
from i2p_calib_ros.frames.world.places.site_plan import Site
from i2p_calib_ros.frames.world.places.stock import moving_vehicle, person
from i2p_calib_ros.frames.world.places.traffic import Motion, Traffic, cruise, follow, ride, walk

FloatArray = NDArray[np.float64]

STREET_KINDS = ("city street", "junction", "suburb", "rural road", "highway", "open road")

BEHIND_M = 100.0
"""Road behind the start of the drive, for cameras and LiDARs that look back."""

SIGHT_M = 110.0
"""Traffic that stays farther away than this is left out."""
MAX_VEHICLES = 26


@dataclass(frozen=True)
class StreetPlan:
    """One street before it is built; distances in metres, shares 0..1.

    frontages: right and left; bend: curvature 1/m; slope: of the ground; ahead_m: road beyond the end of the drive;
    margin_m: land beside it; crossings: side roads (distance from the start of the drive, angle in degrees, whether
    they cross (0) or only join from the right (-1) or left (1)); lane: of the drive, counted from the middle; turn:
    where the drive goes at the first crossing; stop_s: until when it waits there; parked: share of kerb with cars;
    avenue_m: distance of trees, 0 none; green: how dense woods or parks are along the right and the left side;
    banks_m: how far the land rises beyond them; woods, people, cyclists: numbers; lamps_m, clutter_m: distances, 0
    none; works, billboards: chances; land: see pavement.land_material; scenery: town | country | none.
    """

    section: Section
    frontages: tuple[Frontage, Frontage]
    speed_mps: float
    bend: float = 0.002
    slope: float = 0.008
    ahead_m: float = 130.0
    margin_m: float = 55.0
    crossings: tuple[tuple[float, float, int], ...] = ()
    side_section: Section = field(default_factory=Section)
    lane: int = 0
    turn: str = "straight"
    stop_s: float = 0.0
    parked: float = 0.0
    avenue_m: float = 0.0
    woods: int = 0
    green: tuple[float, float] = (0.0, 0.0)
    banks_m: tuple[float, float] = (0.0, 0.0)
    people: int = 0
    cyclists: int = 0
    headway_m: float = 40.0
    lamps_m: float = 0.0
    clutter_m: float = 0.0
    signals: bool = False
    poles: bool = False
    works: float = 0.0
    billboards: float = 0.0
    land: str = "grass"
    scenery: str = "town"
    wear: float = 1.0


def make_street(rng: np.random.Generator, kind: str, duration_s: float) -> Place:
    """A place of a kind of STREET_KINDS with a drive through it."""
    plan = _PLANS[kind](rng)
    length = BEHIND_M + plan.speed_mps * duration_s + plan.ahead_m
    main = Road(Path.winding(rng, length, plan.bend), plan.section)
    sides = [_side_road(rng, main, plan, *crossing) for crossing in plan.crossings]
    surface = Surface([main, *sides], land=plan.land, wear=plan.wear)
    bounds = np.array(surface.reserve.bounds) + plan.margin_m * np.array([-1, -1, 1, 1])
    terrain = Terrain.sampled(_relief(rng, main, plan), bounds)
    site = Site(rng, terrain)

    route = _route(main, sides, plan)
    stop = BEHIND_M + plan.crossings[0][0] - plan.side_section.left_m - 8.0 if plan.crossings else None
    drive = cruise(rng, route, BEHIND_M, plan.speed_mps, duration_s, stop, plan.stop_s)
    ego = ride(rng, drive, terrain)
    ego_line = shapely.LineString(route.at(drive.s_m[::10]))

    _mark_crossings(surface, main, sides, plan)
    for road in surface.roads:
        site.take(road_lanes(road).buffer(-0.9))
    site.take_way(ego_line, 1.25)
    for road in surface.roads:
        for side, frontage in zip((-1, 1), plan.frontages):
            if frontage.kinds and not (road is main and plan.green[max(side, 0)]):
                build_up(site, surface, road, side, frontage)
    _fit_out(site, surface, plan)
    _plant(site, surface, plan, ego_line.length)
    lay_surface(site, surface)
    _park(site, surface, plan)
    far_scenery(site, plan.scenery, plan.land if plan.land in ("grass", "dry grass", "soil") else "grass")

    traffic = Traffic(rng, terrain, ego)
    _drive_lanes(site, traffic, main, sides, plan, drive, duration_s)
    _people(site, traffic, main, plan, duration_s)
    return site.finish(kind, traffic.actors, ego)


def _relief(rng: np.random.Generator, main: Road, plan: StreetPlan) -> Callable[[FloatArray], FloatArray]:
    """Heights of the land: waves, and banks beside the road."""
    waves = undulation(rng, plan.slope)
    if not any(plan.banks_m):
        return waves
    foot = main.section.right_m + 4.0, main.section.left_m + 4.0
    wide = float(rng.uniform(5, 14))

    def height(xy: FloatArray) -> FloatArray:
        offset = main.path.project(xy)[..., 1]
        rise = np.zeros(offset.shape)
        for sign, start, bank in zip((-1, 1), foot, plan.banks_m):
            share = np.clip((sign * offset - start) / wide, 0, 1)
            rise += bank * share**2 * (3 - 2 * share)
        return waves(xy) + rise

    return height


def _side_road(
    rng: np.random.Generator, main: Road, plan: StreetPlan, at_m: float, angle_deg: float, reach: int
) -> Road:
    """A road that crosses the main one, or only joins it from one side (reach -1 right, 1 left)."""
    s = BEHIND_M + at_m
    heading = float(main.path.heading(s)) + np.radians(angle_deg)
    direction = np.array([np.cos(heading), np.sin(heading)])
    length = plan.margin_m + 45.0
    start = 0.0 if reach > 0 else -length
    end = 0.0 if reach < 0 else length
    steps = np.arange(start, end + 0.5, 1.0)
    sway = rng.normal(0, 1e-3) * steps**2
    points = main.path.at(s) + steps[:, None] * direction + sway[:, None] * np.array([-direction[1], direction[0]])
    return Road(Path.through(points), plan.side_section)


def _route(main: Road, sides: list[Road], plan: StreetPlan) -> Path:
    """The middle of the lane that the recording vehicle takes."""
    lane = main.path.line(main.section.lane_offset(plan.lane))
    if plan.turn == "straight" or not sides:
        return Path.through(lane)
    side = sides[0]
    s_main = BEHIND_M + plan.crossings[0][0]
    middle = float(side.path.project(main.path.at(s_main))[0])
    inward = main.path.line(main.section.lane_offset(0), 0.0, s_main)
    if plan.turn == "left":
        outward = side.path.line(side.section.lane_offset(0), middle + 2.0)
    else:
        outward = side.path.line(side.section.lane_offset(0, back=True), 0.0, middle - 2.0)[::-1]
    wide = 4.0 if plan.turn == "left" else 2.5
    cut_in = inward[: -int(side.section.left_m + 1)]
    cut_out = outward[int(main.section.right_m) :]
    return Path.smooth(np.concatenate([cut_in, _corner(cut_in, cut_out), cut_out]), wide)


def _corner(a: FloatArray, b: FloatArray) -> FloatArray:
    """The point where the lines that end in `a` and begin with `b` meet."""
    da, db = a[-1] - a[-2], b[1] - b[0]
    t = np.linalg.solve(np.column_stack([da, -db]), b[0] - a[-1])
    return (a[-1] + t[0] * da)[None]


def _mark_crossings(surface: Surface, main: Road, sides: list[Road], plan: StreetPlan) -> None:
    if plan.scenery == "country":
        return
    for side, (at_m, _, reach) in zip(sides, plan.crossings):
        s = BEHIND_M + at_m
        clear = side.section.left_m + 4.0
        middle = float(side.path.project(main.path.at(s))[0])
        ladder = len(main.path.xy) % 2 == 0
        surface.marks += [zebra(main, s - clear - 3.0, ladder=ladder), zebra(main, s + clear, ladder=ladder)]
        surface.marks += [stop_line(main, s - clear - 4.5), stop_line(main, s + clear + 4.5, back=True)]
        across = main.section.left_m + 4.0
        if reach <= 0:
            surface.marks += [
                zebra(side, middle - across - 3.0, ladder=ladder),
                stop_line(side, middle - across - 4.5),
            ]
        if reach >= 0:
            surface.marks += [
                zebra(side, middle + across, ladder=ladder),
                stop_line(side, middle + across + 4.5, back=True),
            ]
        for lane in range(main.section.lanes_ahead):
            surface.marks.append(arrow(main, s - clear - 14.0, main.section.lane_offset(lane)))


def _fit_out(site: Site, surface: Surface, plan: StreetPlan) -> None:
    """Lamps, signals, signs, barriers, bridges."""
    rng, main, open_road = site.rng, surface.roads[0], surface.carriageway
    if plan.signals:
        for side, (at_m, _, reach) in zip(surface.roads[1:], plan.crossings):
            clear = side.section.left_m + 8.5
            signal_crossing(site, main, BEHIND_M + at_m - clear, BEHIND_M + at_m + clear)
            middle = float(side.path.project(main.path.at(BEHIND_M + at_m))[0])
            clear = main.section.left_m + 8.5
            signal_crossing(site, side, middle - clear if reach <= 0 else -1.0, middle + clear if reach >= 0 else -1.0)
    if plan.lamps_m:
        height = float(rng.uniform(4.0, 9.5))
        for road in surface.roads:
            light_up(site, road, plan.lamps_m, height, open_road)
    if plan.clutter_m:
        for road in surface.roads:
            clutter(site, road, plan.clutter_m, open_road)
    if plan.poles:
        bank = int(rng.choice([-1, 1]))
        string_poles(site, main, bank * (abs(main.kerb_offset(bank)) + max(main.section.outer_m, 2.0) + 0.4))
    if rng.random() < plan.works:
        road_works(site, main, BEHIND_M + float(rng.uniform(10, 60)))
    if rng.random() < plan.billboards:
        put_billboard(site, main, BEHIND_M + float(rng.uniform(15, 100)), int(rng.choice([-1, 1])))
    if not main.section.kerb_m and plan.scenery != "none":
        sign_country_road(site, main, open_road)
        _rails(site, main, plan)


def _rails(site: Site, main: Road, plan: StreetPlan) -> None:
    """Crash barriers, gantries, noise barriers and bridges of a road without kerbs."""
    rng, section, length = site.rng, main.section, main.path.length_m
    motorway = section.median_m > 1.0
    for side in (-1, 1):
        offset = side * (abs(main.kerb_offset(side)) + 0.7)
        if motorway or rng.random() < 0.35:
            start, end = (0.0, length) if motorway and rng.random() < 0.6 else np.sort(rng.uniform(0, length, 2))
            rail_off(site, main, offset, float(start), float(end))
        if motorway and rng.random() < 0.4:
            start, end = np.sort(rng.uniform(0, length, 2))
            noise_barrier(site, main, offset + side * 2.5, float(start), float(end))
    if not motorway:
        return
    if rng.random() < 0.5:
        rail_off(site, main, 0.0, 0.0, length, concrete=True)
    else:
        for offset in (-0.5, 0.5):
            rail_off(site, main, offset * min(1.0, section.median_m / 2), 0.0, length)
    for s in np.arange(BEHIND_M + rng.uniform(20, 200), length, rng.uniform(150, 300)):
        (span_with_bridge if rng.random() < 0.5 else span_with_gantry)(site, main, float(s))


def _plant(site: Site, surface: Surface, plan: StreetPlan, drive_m: float) -> None:
    main = surface.roads[0]
    clear = shapely.union_all([road.reserve for road in surface.roads[1:]]) | surface.carriageway.buffer(1.5)
    for side, dense in zip((-1, 1), plan.green):
        if dense:
            green_side(site, main, side, clear, dense)
    if plan.scenery == "country" and not plan.section.kerb_m:
        lay_fields(site, surface, main)
        reach = (max(0.0, BEHIND_M - 30.0), min(main.path.length_m, BEHIND_M + drive_m + 60.0))
        grow_verge(site, main, *reach, int(site.rng.integers(50, 350)), surface.carriageway)
    for road in surface.roads:
        if plan.avenue_m and road.section.outer_m > 1.5:
            for side in (-1, 1):
                row = side * (abs(road.kerb_offset(side)) + max(0.8, road.section.verge_m / 2))
                plant_row(site, road, row, plan.avenue_m, surface.carriageway)
    if plan.woods:
        verge = surface.reserve.buffer(3.0 if plan.scenery == "country" else 1.5)
        land = shapely.difference(site.terrain.polygon.buffer(-3), verge)
        beside = shapely.intersection(land, surface.carriageway.buffer(22.0))
        scatter_plants(site, beside, plan.woods // 3, plan.woods // 3)
        scatter_plants(site, land, plan.woods, plan.woods // 3, 14.0)


def _park(site: Site, surface: Surface, plan: StreetPlan) -> None:
    if not plan.parked:
        return
    for i, road in enumerate(surface.roads):
        others = [other.carriageway.buffer(7.0) for j, other in enumerate(surface.roads) if j != i]
        clear = shapely.union_all(others) if others else shapely.Polygon()
        park_along(site, road, plan.parked, clear, on_pavement=road.section.parking_m == 0)


def _drive_lanes(
    site: Site, traffic: Traffic, main: Road, sides: list[Road], plan: StreetPlan, drive: Motion, duration_s: float
) -> None:
    rng, section = site.rng, main.section

    gap = 0.0
    while (gap := gap + _headway(rng, plan)) < 110:  # ahead and behind in the own lane
        traffic.add(moving_vehicle(site), follow(drive, gap, wobble_m=0.02 * gap, phase=rng.uniform(0, 6)))
    if drive.s_m[0] > 30:
        traffic.add(moving_vehicle(site), follow(drive, -_headway(rng, plan), wobble_m=0.5))
    crossing = bool(sides)
    lanes = [(main.path.parallel(section.lane_offset(i)), 1) for i in range(section.lanes_ahead) if i != plan.lane]
    lanes += [(main.path.parallel(section.lane_offset(i, True)).reversed(), -1) for i in range(section.lanes_back)]
    for path, direction in lanes:
        speed = plan.speed_mps * rng.uniform(0.85, 1.25)
        waits = crossing and plan.turn == "left"
        at = -speed * duration_s * 0.5
        while (at := at + _headway(rng, plan)) < path.length_m - 10 and len(traffic.actors) < MAX_VEHICLES:
            if not _meets(drive, path, at, speed if direction < 0 else 0.0, duration_s):
                continue
            motion = (
                cruise(rng, path, max(at, 1.0), speed, duration_s) if not waits else walk(path, at, 0.0, duration_s)
            )
            if at > 1.0:
                traffic.add(moving_vehicle(site), motion)
    for side in sides:
        for back in (False, True):
            if not (side.section.lanes_back if back else side.section.lanes_ahead):
                continue
            path = side.path.parallel(side.section.lane_offset(0, back))
            path = path.reversed() if back else path
            at = float(path.project(main.path.at(BEHIND_M + plan.crossings[0][0]))[0]) - main.section.left_m - 12.0
            if plan.stop_s > 0:
                for gap in np.arange(0, 3) * _headway(rng, plan):
                    if at - gap > 2:
                        traffic.add(moving_vehicle(site), cruise(rng, path, at - gap, 9.0, duration_s))
            else:
                for queue in range(int(rng.integers(0, 4))):
                    if at - queue * 7.5 > 4:
                        traffic.add(moving_vehicle(site), walk(path, at - queue * 7.5, 0.0, duration_s))


def _meets(drive: Motion, path: Path, at_m: float, closing_mps: float, duration_s: float) -> bool:
    """Whether a vehicle at `at_m` of a lane will be in sight of the drive at some time."""
    place = path.at(np.clip(at_m + closing_mps * np.array([0.0, duration_s / 2, duration_s]), 0, path.length_m))
    seen_from = drive.path.at(np.interp([0.0, duration_s / 2, duration_s], drive.times_s, drive.s_m))
    return bool(np.linalg.norm(place - seen_from, axis=1).min() < SIGHT_M)


def _headway(rng: np.random.Generator, plan: StreetPlan) -> float:
    return float(8.0 + rng.exponential(plan.headway_m))


def _people(site: Site, traffic: Traffic, main: Road, plan: StreetPlan, duration_s: float) -> None:
    rng, section = site.rng, main.section
    reach = min(main.path.length_m - 5.0, BEHIND_M + plan.speed_mps * duration_s + 70.0)
    for _ in range(plan.people):
        side = int(rng.choice([-1, 1]))
        offset = side * (abs(main.kerb_offset(side)) + rng.uniform(0.6, max(0.7, section.outer_m - 0.4)))
        path = main.path.parallel(offset)
        path = path.reversed() if rng.random() < 0.5 else path
        start = float(rng.uniform(BEHIND_M - 40, reach))
        walking = rng.random() < 0.8
        mesh = person(site, walking)
        x, y = path.at(start)
        if not site.is_free(shapely.Point(x, y).buffer(0.4)):
            continue
        speed = rng.uniform(0.9, 1.7)
        if walking and len(traffic.actors) < 28:
            traffic.add(mesh, walk(path, start, speed, duration_s), section.kerb_m, sprung=False, clear_m=0.1)
        elif not walking:
            site.put(mesh, x, y, rng.uniform(0, 6), section.kerb_m, radius_m=0.3)
    for _ in range(plan.cyclists):
        back = rng.random() < 0.5
        offset = section.right_m - section.parking_m - 0.6
        path = main.path.parallel(offset).reversed() if back else main.path.parallel(-offset)
        mesh = site.from_stock("cyclist", 3, make_cyclist)
        start = float(rng.uniform(BEHIND_M - 20, reach))
        traffic.add(mesh, walk(path, start, rng.uniform(3.0, 6.5), duration_s))


def _city_section(rng: np.random.Generator) -> Section:
    lanes = int(rng.choice([1, 1, 2]))
    return Section(
        lanes_ahead=lanes,
        lanes_back=int(rng.choice([lanes, lanes, 0])) if lanes == 1 else lanes,
        lane_m=float(rng.uniform(2.8, 3.5)),
        median_m=float(rng.uniform(1.2, 5.0)) if lanes == 2 and rng.random() < 0.35 else 0.0,
        parking_m=float(rng.choice([0.0, 2.2, 2.3])),
        shoulder_m=float(rng.uniform(0.15, 0.5)),
        verge_m=float(rng.choice([0.0, 0.0, 1.4, 2.5])),
        pavement_m=float(rng.uniform(1.6, 4.5)),
        kerb_m=float(rng.uniform(0.06, 0.16)),
        centre=pick(rng, {"dashed": 0.45, "solid": 0.2, "double": 0.15, "none": 0.2}),
        yellow=bool(rng.random() < 0.3),
        line_m=float(rng.uniform(0.1, 0.16)),
        dash_m=float(rng.choice([1.5, 3.0, 3.0, 6.0])),
        gap_m=float(rng.choice([1.5, 3.0, 6.0, 9.0])),
    )


def _city_frontage(rng: np.random.Generator) -> Frontage:
    if rng.random() < 0.3:  # an outer district: sheds, shops and yards
        kinds = {"warehouse": 3.0, "shop": 3.0, "works": 1.0, "office": 1.0, "brick terrace": 1.0}
        return Frontage(kinds, (14, 34), (0.0, 3.0), gap=0.25, terraced=0.4)
    weights = rng.dirichlet([0.6] * 5)
    kinds = dict(zip(("old town", "apartments", "brick terrace", "office", "shop"), weights.tolist()))
    low = rng.uniform(7, 14)
    return Frontage(kinds, (low, low * 2.2), (0.0, 0.6), gap=rng.uniform(0.03, 0.3), terraced=0.85)


def _green_sides(rng: np.random.Generator, chance: float) -> tuple[float, float]:
    dense = float(rng.uniform(0.4, 1.6)) if rng.random() < chance else 0.0
    return (dense, 0.0) if rng.random() < 0.5 else (0.0, dense)


def _wood(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.3, 2.0)) if rng.random() < 0.5 else 0.0


def _banks(rng: np.random.Generator) -> tuple[float, float]:
    heights = rng.uniform(-3, 5, 2) * (rng.random(2) < 0.4)
    return float(heights[0]), float(heights[1])


def _city_street(rng: np.random.Generator) -> StreetPlan:
    section = _city_section(rng)
    own = int(rng.integers(section.lanes_ahead))
    crossings = tuple(
        (float(rng.uniform(15, 190)), float(rng.uniform(75, 105)), int(rng.choice([-1, 0, 1])))
        for _ in range(int(rng.choice([0, 1, 1])))
    )
    return StreetPlan(
        section=section,
        frontages=(_city_frontage(rng), _city_frontage(rng)),
        lane=own,
        speed_mps=float(rng.uniform(4.0, 14.0)),
        bend=float(rng.choice([0.0, 0.001, 0.004, 0.008])),
        slope=float(rng.uniform(0.002, 0.014)),
        crossings=crossings,
        side_section=Section(parking_m=0.0, pavement_m=section.pavement_m, kerb_m=section.kerb_m, centre="none"),
        parked=float(rng.uniform(0.2, 0.95)) if section.parking_m or rng.random() < 0.4 else 0.0,
        avenue_m=float(rng.choice([0.0, 8.0, 12.0, 18.0])),
        lamps_m=float(rng.choice([0.0, 22.0, 30.0, 38.0])),
        clutter_m=float(rng.uniform(4, 14)),
        signals=bool(rng.random() < 0.5),
        poles=bool(rng.random() < 0.2),
        works=0.1,
        billboards=0.15,
        woods=int(rng.integers(5, 40)),
        green=_green_sides(rng, 0.3),
        people=int(rng.integers(2, 18)),
        cyclists=int(rng.integers(0, 4)),
        headway_m=float(rng.uniform(8, 60)),
        land=str(rng.choice(["grass", "asphalt", "gravel"])),
        wear=float(rng.uniform(0.2, 1.6)),
    )


def _junction(rng: np.random.Generator) -> StreetPlan:
    section = _city_section(rng)
    section = Section(**{**section.__dict__, "lanes_back": section.lanes_ahead})
    side = _city_section(rng)
    side = Section(**{**side.__dict__, "lanes_back": side.lanes_ahead, "kerb_m": section.kerb_m, "median_m": 0.0})
    turn = pick(rng, {"straight": 0.4, "left": 0.3, "right": 0.3})
    return StreetPlan(
        section=section,
        frontages=(_city_frontage(rng), _city_frontage(rng)),
        speed_mps=float(rng.uniform(5.0, 12.0)),
        bend=float(rng.choice([0.0, 0.002])),
        slope=float(rng.uniform(0.002, 0.01)),
        crossings=((float(rng.uniform(25, 55)), float(rng.uniform(72, 108)), 0),),
        side_section=side,
        turn=turn,
        stop_s=float(rng.uniform(2, 5)) if rng.random() < 0.4 else 0.0,
        parked=float(rng.uniform(0.0, 0.8)) if section.parking_m else 0.0,
        avenue_m=float(rng.choice([0.0, 10.0, 16.0])),
        lamps_m=float(rng.choice([22.0, 30.0, 38.0])),
        clutter_m=float(rng.uniform(4, 14)),
        signals=bool(rng.random() < 0.75),
        works=0.1,
        billboards=0.15,
        woods=int(rng.integers(5, 30)),
        green=_green_sides(rng, 0.15),
        people=int(rng.integers(4, 20)),
        cyclists=int(rng.integers(0, 3)),
        headway_m=float(rng.uniform(8, 40)),
        land=str(rng.choice(["grass", "asphalt", "gravel"])),
        wear=float(rng.uniform(0.2, 1.4)),
    )


def _suburb(rng: np.random.Generator) -> StreetPlan:
    lot = float(rng.uniform(13, 24))
    frontages = tuple(
        Frontage(
            {"house": 1.0},
            (lot, lot * 1.3),
            (float(rng.uniform(2.5, 5)), float(rng.uniform(5, 9))),
            gap=0.08,
            terraced=0.12,
            garden=True,
            hedged=float(rng.uniform(0.1, 0.9)),
            trees=float(rng.uniform(0.2, 0.8)),
        )
        for _ in range(2)
    )
    pavement = float(rng.choice([0.0, 1.5, 2.0]))
    return StreetPlan(
        section=Section(
            lane_m=float(rng.uniform(2.5, 3.3)),
            parking_m=float(rng.choice([0.0, 0.0, 2.0])),
            verge_m=float(rng.choice([0.0, 1.5, 3.0])),
            pavement_m=max(pavement, 0.8),
            kerb_m=float(rng.uniform(0.05, 0.13)),
            centre=pick(rng, {"none": 0.6, "dashed": 0.3, "solid": 0.1}),
        ),
        frontages=(frontages[0], frontages[1]),
        speed_mps=float(rng.uniform(4.0, 11.0)),
        bend=float(rng.choice([0.002, 0.006, 0.012])),
        slope=float(rng.uniform(0.006, 0.03)),
        crossings=((float(rng.uniform(20, 120)), float(rng.uniform(75, 105)), int(rng.choice([-1, 0, 1]))),)
        if rng.random() < 0.6
        else (),
        side_section=Section(lane_m=2.8, kerb_m=0.08, pavement_m=1.4, centre="none"),
        parked=float(rng.uniform(0.0, 0.5)),
        avenue_m=float(rng.choice([0.0, 10.0, 15.0])),
        woods=int(rng.integers(10, 50)),
        green=_green_sides(rng, 0.25),
        lamps_m=float(rng.choice([0.0, 32.0, 45.0])),
        clutter_m=float(rng.uniform(12, 40)),
        poles=bool(rng.random() < 0.35),
        works=0.05,
        people=int(rng.integers(0, 7)),
        cyclists=int(rng.integers(0, 2)),
        headway_m=120.0,
        wear=float(rng.uniform(0.3, 1.6)),
    )


def _rural(rng: np.random.Generator) -> StreetPlan:
    farms = Frontage(
        {"barn": 2.0, "house": 2.0}, (20, 40), (6, 25), gap=0.85, terraced=0.0, garden=True, open_lots=False
    )
    return StreetPlan(
        section=Section(
            lane_m=float(rng.uniform(2.6, 3.6)),
            shoulder_m=float(rng.uniform(0.2, 0.8)),
            pavement_m=0.0,
            kerb_m=0.0,
            centre=pick(rng, {"dashed": 0.6, "solid": 0.15, "none": 0.25}),
            edge_lines=bool(rng.random() < 0.7),
            dash_m=4.0,
            gap_m=8.0,
        ),
        frontages=(farms, farms),
        speed_mps=float(rng.uniform(9.0, 22.0)),
        bend=float(rng.choice([0.001, 0.003, 0.006])),
        slope=float(rng.uniform(0.01, 0.04)),
        ahead_m=300.0,
        margin_m=70.0,
        crossings=((float(rng.uniform(40, 160)), float(rng.uniform(60, 120)), int(rng.choice([-1, 1]))),)
        if rng.random() < 0.4
        else (),
        side_section=Section(lane_m=2.4, pavement_m=0.0, kerb_m=0.0, centre="none"),
        woods=int(rng.integers(30, 100)),
        green=(_wood(rng), _wood(rng)),
        banks_m=_banks(rng),
        poles=bool(rng.random() < 0.4),
        cyclists=int(rng.integers(0, 2)),
        headway_m=90.0,
        land=str(rng.choice(["grass", "grass", "dry grass", "soil"])),
        scenery="country",
        wear=float(rng.uniform(0.3, 1.5)),
    )


def _highway(rng: np.random.Generator) -> StreetPlan:
    lanes = int(rng.integers(2, 5))
    own = int(rng.integers(lanes))
    empty = Frontage({}, (10, 10))
    return StreetPlan(
        section=Section(
            lanes_ahead=lanes,
            lanes_back=lanes,
            lane_m=3.6,
            median_m=float(rng.uniform(2.0, 8.0)),
            shoulder_m=float(rng.uniform(1.5, 3.2)),
            pavement_m=0.0,
            kerb_m=0.0,
            edge_lines=True,
            line_m=0.15,
            dash_m=float(rng.choice([3.0, 6.0])),
            gap_m=float(rng.choice([9.0, 12.0])),
        ),
        frontages=(empty, empty),
        lane=own,
        speed_mps=float(rng.uniform(15.0, 32.0)),
        bend=float(rng.choice([0.0, 0.0005, 0.0015])),
        slope=float(rng.uniform(0.004, 0.02)),
        ahead_m=320.0,
        margin_m=60.0,
        woods=int(rng.integers(20, 60)),
        green=(_wood(rng), _wood(rng)),
        banks_m=_banks(rng),
        lamps_m=float(rng.choice([0.0, 0.0, 45.0])),
        billboards=0.2,
        headway_m=float(rng.uniform(15, 60)),
        land=str(rng.choice(["grass", "dry grass"])),
        scenery=str(rng.choice(["country", "town"])),
        wear=float(rng.uniform(0.1, 0.8)),
    )


def _open_road(rng: np.random.Generator) -> StreetPlan:
    """Ground and paint, and nothing that stands: what lies along and beside the road is hardly constrained."""
    nothing = Frontage({}, (10, 10))
    return StreetPlan(
        section=Section(
            lane_m=float(rng.uniform(2.6, 3.6)),
            shoulder_m=float(rng.uniform(0.2, 3.0)),
            pavement_m=0.0,
            kerb_m=0.0,
            centre=pick(rng, {"dashed": 0.4, "solid": 0.2, "none": 0.4}),
            edge_lines=bool(rng.random() < 0.5),
            dash_m=4.0,
            gap_m=8.0,
        ),
        frontages=(nothing, nothing),
        speed_mps=float(rng.uniform(5.0, 30.0)),
        bend=float(rng.choice([0.0, 0.0005, 0.003])),
        slope=float(rng.uniform(0.001, 0.02)),
        ahead_m=300.0,
        margin_m=70.0,
        headway_m=1e6,
        land=str(rng.choice(["grass", "dry grass", "soil", "asphalt"])),
        scenery="none",
        wear=float(rng.uniform(0.1, 1.5)),
    )


_PLANS = {
    "city street": _city_street,
    "junction": _junction,
    "suburb": _suburb,
    "rural road": _rural,
    "highway": _highway,
    "open road": _open_road,
}
