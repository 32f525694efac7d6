"""What stands beside a road: rows of buildings with gardens, trees, parked cars, and the far scenery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh, grid_mesh
from i2p_calib_ros.frames.world.objects.barriers import make_fence, make_wall
from i2p_calib_ros.frames.world.objects.stuff import near, pick
from i2p_calib_ros.frames.world.objects.vegetation import make_grass, make_hedge
from i2p_calib_ros.frames.world.places.buildings import make_building
from i2p_calib_ros.frames.world.places.pavement import Surface, land_material
from i2p_calib_ros.frames.world.places.roads import Path, Road
from i2p_calib_ros.frames.world.places.site_plan import Site, footprint
from i2p_calib_ros.frames.world.places.stock import leafy, plant_bush, plant_tree, put_car

FloatArray = NDArray[np.float64]

NEAR_M = 60.0
"""Buildings farther than this from the way of the recording vehicle are built without rooms."""

WOOD_SHARP_M = 20.0
"""Plants among many others, farther from the way than this, have fewer and larger leaves."""

MAX_PLANTS = 140
"""Trees, and shrubs, along one side of a road: what is built must be traced."""


@dataclass(frozen=True)
class Frontage:
    """How the land beside a road is built on. kinds: chances of kinds of building; widths_m of lots; setback_m from
    the pavement; gap: chance of an empty lot; terraced: chance of wall to wall; hedged: chance of a garden edge;
    open_lots: whether empty lots are used as car parks and yards."""

    kinds: dict[str, float]
    widths_m: tuple[float, float]
    setback_m: tuple[float, float] = (0.0, 0.4)
    gap: float = 0.1
    terraced: float = 0.8
    garden: bool = False
    hedged: float = 0.0
    trees: float = 0.0
    open_lots: bool = True


def build_up(site: Site, surface: Surface, road: Road, side: int, plan: Frontage) -> None:
    """Lots with buildings along one side of a road (1 left, -1 right)."""
    rng, path = site.rng, road.path
    edge = abs(road.kerb_offset(side)) + road.section.outer_m
    terraced = rng.random() < plan.terraced
    setback = rng.uniform(*plan.setback_m)
    turn = 0.0 if side > 0 else np.pi
    lots = _divide(rng, path.length_m, plan)
    for i, (s, width, built_on) in enumerate(lots):
        middle = s + width / 2
        if not terraced:
            setback = float(rng.uniform(*plan.setback_m))
        if not built_on:
            if plan.open_lots:
                _open_lot(site, surface, road, side, edge, middle, width)
            continue
        yaw = float(path.heading(middle)) + turn
        x, y = path.at(middle, side * (edge + setback))
        built = width if terraced else width - float(rng.uniform(1.5, 5.0)) * min(1.0, width / 12)
        depth = float(rng.uniform(9, 15))
        area = footprint(x, y, yaw, np.array([0.3 - built / 2, 0.05]), np.array([built / 2 - 0.3, depth]))
        if not site.is_free(area) or shapely.intersects(surface.reserve, area):
            continue
        site.take(area)
        before, after = i > 0 and lots[i - 1][2], i + 1 < len(lots) and lots[i + 1][2]
        far = not site.beside_way(x, y, NEAR_M)
        mesh = make_building(
            rng,
            site.palette,
            pick(rng, plan.kinds),
            built,
            depth,
            neighbours=(False, False) if not terraced else (before, after) if side > 0 else (after, before),
            far=far,
        )
        ground_z = _lowest(site, path.at(np.array([s, middle, s + width]), side * (edge + setback)))
        site.add(mesh.placed(x, y, ground_z + road.section.kerb_m, yaw), far)
        if plan.garden and setback > 2.0:
            _garden(site, surface, road, side, edge, setback, middle, width, plan)


def _divide(rng: np.random.Generator, length_m: float, plan: Frontage) -> list[tuple[float, float, bool]]:
    """Lots along a road: start, width, and whether it is built on."""
    lots = []
    s = float(rng.uniform(0, 6))
    while s < length_m - 5:
        width = float(rng.uniform(*plan.widths_m))
        lots.append((s, width, bool(rng.random() >= plan.gap)))
        s += width
    return lots


def _lowest(site: Site, xy: FloatArray) -> float:
    return float(site.terrain.height(xy).min())


def _garden(
    site: Site,
    surface: Surface,
    road: Road,
    side: int,
    edge: float,
    setback: float,
    middle: float,
    width: float,
    plan: Frontage,
) -> None:
    """A drive to the house with a car on it, an edge of hedge, fence or wall, bushes and trees."""
    rng, path = site.rng, road.path
    kerb, near_m, far_m = abs(road.kerb_offset(side)), side * edge, side * (edge + setback)
    drive = middle + float(rng.choice([-1, 1])) * width * 0.36
    if rng.random() < 0.75:
        lane = path.band(min(near_m, far_m), max(near_m, far_m), drive - 1.5, drive + 1.5)
        surface.beside.append((lane, land_material(site, str(rng.choice(["paving", "gravel", "asphalt"])))))
        if rng.random() < 0.7:
            across = side * kerb, side * edge
            surface.driveways.append(path.band(min(across), max(across), drive - 1.6, drive + 1.6))
        if rng.random() < 0.45 and setback > 5.0:
            park(site, path, drive, side * (edge + setback - 2.6), float(path.heading(drive)) + np.pi / 2 * side)
    if rng.random() < plan.hedged:
        style = pick(rng, {"hedge": 0.5, "fence": 0.3, "wall": 0.2})
        for start, end in ((middle - width / 2, drive - 1.8), (drive + 1.8, middle + width / 2)):
            if end - start > 1.5:
                border(site, path, start, end, side * (edge + 0.4), style, road.section.kerb_m)
    for _ in range(rng.poisson(1.5)):
        x, y = path.at(middle + rng.uniform(-0.5, 0.5) * width, side * (edge + rng.uniform(0.8, setback)))
        plant_bush(site, x, y, road.section.kerb_m)
    if rng.random() < plan.trees:
        x, y = path.at(middle + rng.uniform(-0.5, 0.5) * width, side * (edge + rng.uniform(1.5, max(1.6, setback - 2))))
        plant_tree(site, x, y, road.section.kerb_m)


def _open_lot(site: Site, surface: Surface, road: Road, side: int, edge: float, middle: float, width: float) -> None:
    """A yard, a parking lot or a bit of green between the houses."""
    rng, path = site.rng, road.path
    deep = float(rng.uniform(12, 25))
    limits = side * edge, side * (edge + deep)
    lot = path.band(min(limits), max(limits), middle - width / 2, middle + width / 2)
    if not site.is_free(lot.buffer(-0.5)) or shapely.intersects(surface.reserve, lot.buffer(-0.3)):
        return
    use = pick(rng, {"parking": 0.45, "green": 0.35, "yard": 0.2})
    if use != "green":
        surface.beside.append((lot, land_material(site, str(rng.choice(["asphalt", "gravel", "paving"])))))
    if rng.random() < 0.6:
        style = pick(rng, {"wall": 0.3, "fence": 0.4, "hedge": 0.3})
        border(
            site, path, middle - width / 2, middle + width / 2 - 3.5, side * (edge + 0.3), style, road.section.kerb_m
        )
    heading = float(path.heading(middle))
    if use == "parking":
        for s in np.arange(middle - width / 2 + 1.5, middle + width / 2 - 1.2, 2.7):
            if rng.random() < 0.7:
                park(site, path, s, side * (edge + 8.0), heading + np.pi / 2 * rng.choice([-1, 1]))
    else:
        for _ in range(rng.poisson(2.5)):
            x, y = path.at(middle + rng.uniform(-0.45, 0.45) * width, side * (edge + rng.uniform(2, deep)))
            if use == "green" and rng.random() < 0.6:
                plant_tree(site, x, y, road.section.kerb_m)
            else:
                plant_bush(site, x, y, road.section.kerb_m)


def border(site: Site, path: Path, start_m: float, end_m: float, offset_m: float, style: str, z: float) -> None:
    """A hedge, fence or wall along a path, in straight pieces."""
    rng = site.rng
    pieces = max(1, round((end_m - start_m) / 6.0))
    sort = int(rng.integers(2))
    for a, b in zip(np.linspace(start_m, end_m, pieces + 1)[:-1], np.linspace(start_m, end_m, pieces + 1)[1:]):
        p, q = path.at(a, offset_m), path.at(b, offset_m)
        length = float(np.linalg.norm(q - p))
        if length < 0.8:
            continue
        size = max(1, round(length))
        (x, y), d = (p + q) / 2, q - p
        name = f"{style} {size} {sort}"
        if style == "hedge":
            mesh = leafy(site, x, y, name, 1, make_hedge, size)
        else:
            mesh = site.from_stock(name, 1, make_fence if style == "fence" else make_wall, size)
        site.put(mesh, x, y, float(np.arctan2(d[1], d[0])), z, radius_m=0.3)


def green_side(site: Site, road: Road, side: int, keep_clear: shapely.Geometry, dense: float) -> None:
    """A park, a wood or wild land along one side: an edge of hedge, fence or wall, then trees and undergrowth."""
    rng, path = site.rng, road.path
    edge = abs(road.kerb_offset(side)) + max(road.section.outer_m, 2.5)
    if rng.random() < 0.5 and road.section.outer_m:
        style = pick(rng, {"hedge": 0.4, "fence": 0.35, "wall": 0.25})
        s = float(rng.uniform(0, 15))
        while s < path.length_m - 6:
            end = min(s + rng.uniform(12, 60), path.length_m)
            border(site, path, s, end, side * (edge + 0.3), style, road.section.kerb_m)
            s = end + rng.uniform(2, 12)
    deep = float(rng.uniform(8, 28))
    area = path.length_m * deep
    for kind, per_100_m2 in (("tree", 0.9), ("bush", 1.3)):
        for _ in range(min(rng.poisson(area / 100 * per_100_m2 * dense), MAX_PLANTS)):
            s, out = rng.uniform(0, path.length_m), edge + 1.0 + deep * rng.random() ** 1.5
            x, y = path.at(s, side * out)
            if shapely.intersects(keep_clear, shapely.Point(x, y).buffer(1.5)):
                continue
            plant = plant_tree if kind == "tree" else plant_bush
            plant(site, x, y, road.section.kerb_m, sharp_m=WOOD_SHARP_M)


def grow_verge(site: Site, road: Road, start_m: float, end_m: float, tufts: int, keep_clear: shapely.Geometry) -> None:
    """Long grass and weeds along both edges of a road without pavements."""
    rng = site.rng
    for _ in range(tufts):
        side = int(rng.choice([-1, 1]))
        offset = side * (abs(road.kerb_offset(side)) + 0.9 + rng.exponential(1.5))
        x, y = road.path.at(rng.uniform(start_m, end_m), offset)
        if not shapely.intersects(keep_clear, shapely.Point(x, y).buffer(0.6)):
            tuft = site.from_stock("grass", 5, make_grass)
            site.put(tuft, x, y, rng.uniform(0, 6), scale=rng.uniform(0.6, 1.8), radius_m=0.0)


def lay_fields(site: Site, surface: Surface, road: Road) -> None:
    """Fields of different crops beside a country road, some with a hedge or a fence between them."""
    rng, path = site.rng, road.path
    for side in (-1, 1):
        s, near_m = 0.0, abs(road.kerb_offset(side)) + float(rng.uniform(3, 9))
        while s < path.length_m - 30:
            end = min(s + rng.uniform(50, 180), path.length_m)
            limits = side * near_m, side * (near_m + 90.0)
            field = path.band(min(limits), max(limits), s, end - 1.5)
            surface.beside.append(
                (field, land_material(site, str(rng.choice(["grass", "grass", "dry grass", "soil"]))))
            )
            if rng.random() < 0.4:
                style = pick(rng, {"hedge": 0.15, "fence": 0.85})
                border(site, path, s, end, side * (near_m - 0.8), style, 0.0)
            s = end


def park(site: Site, path: Path, s_m: float, offset_m: float, yaw_rad: float, z: float = 0.0) -> bool:
    """A parked vehicle, not quite straight."""
    x, y = path.at(s_m, offset_m)
    return put_car(site, x, y, yaw_rad + site.rng.normal(0, 0.025), z)


def park_along(site: Site, road: Road, share: float, keep_clear: shapely.Geometry, on_pavement: bool = False) -> None:
    """Cars along both kerbs: in the parking strip, or with two wheels on the pavement."""
    rng, path, section = site.rng, road.path, road.section
    for side in (-1, 1):
        kerb = abs(road.kerb_offset(side))
        offset = kerb + 0.1 if on_pavement else kerb - 1.15
        for s in np.arange(rng.uniform(3, 6), path.length_m - 4, 5.8):
            if rng.random() > share:
                continue
            at = s + rng.normal(0, 0.3)
            if shapely.intersects(keep_clear, shapely.Point(path.at(at, side * offset)).buffer(4.0)):
                continue
            against = (side > 0) != (rng.random() < 0.1)
            z = section.kerb_m / 2 if on_pavement else 0.0
            park(site, path, at, side * (offset + rng.normal(0, 0.08)), float(path.heading(at)) + np.pi * against, z)


def plant_row(site: Site, road: Road, offset_m: float, spacing_m: float, keep_clear: shapely.Geometry) -> None:
    """An avenue of one sort of tree along one side."""
    rng = site.rng
    kind = pick(rng, {"broadleaf": 0.75, "poplar": 0.08, "palm": 0.07, "bare": 0.1})
    for s in np.arange(rng.uniform(4, spacing_m), road.path.length_m, spacing_m):
        if rng.random() < 0.15:
            continue
        x, y = road.path.at(s + rng.normal(0, 0.5), offset_m)
        if not shapely.intersects(keep_clear, shapely.Point(x, y).buffer(2.0)):
            plant_tree(site, x, y, road.section.kerb_m, kind)


def scatter_plants(site: Site, area: shapely.Geometry, trees: int, bushes: int, spread_m: float = 7.0) -> None:
    """Trees and bushes at random places of an area, in clumps."""
    rng = site.rng
    x0, y0, x1, y1 = area.bounds
    clumps = rng.uniform((x0, y0), (x1, y1), (max(1, (trees + bushes) // 6), 2))
    shapely.prepare(area)
    for i in range(trees + bushes):
        x, y = clumps[int(rng.integers(len(clumps)))] + rng.normal(0, spread_m, 2)
        if shapely.intersects(area, shapely.Point(x, y)):
            plant = plant_tree if i < trees else plant_bush
            plant(site, x, y, sharp_m=WOOD_SHARP_M)


def far_scenery(site: Site, kind: str, land: str) -> None:
    """Ground to the horizon beyond the site, with hills; woods, and the blocks of a town, by its kind."""
    rng = site.rng
    x0, y0, x1, y1 = site.terrain.polygon.bounds
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    half = np.array([(x1 - x0) / 2, (y1 - y0) / 2])
    angle = np.linspace(0, 2 * np.pi, 73)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    to_edge = 1.0 / np.abs(direction / half).max(axis=1)
    reach = np.concatenate([[0.0, 20.0, 60.0], np.geomspace(120, 1500, 8)])
    hills = rng.uniform(0, 0.09) if kind == "country" else rng.uniform(0, 0.04)
    waves = rng.normal(0, 1, (2, 6))
    skyline = (
        0.5
        + 0.35
        * (np.cos(np.outer(angle, np.arange(1, 7))) @ waves[0] + np.sin(np.outer(angle, np.arange(1, 7))) @ waves[1])
        / 2
    )
    xy = middle + direction[None] * (to_edge + reach[:, None])[..., None]
    rise = hills * np.maximum(reach - 60, 0)[:, None] * np.clip(skyline, 0, 2)[None]
    edge_height = site.terrain.height(middle + direction * to_edge[:, None] * 0.999)
    z = edge_height[None] * np.exp(-reach / 60)[:, None] + rise - 0.05
    ground = grid_mesh(np.concatenate([xy, z[..., None]], axis=-1)[:, ::-1], land_material(site, land))
    site.add(ground)
    if kind == "town":
        _skyline(site, middle, to_edge, angle)
    if kind != "none":
        _woods(site, xy, z, density=0.5 if kind == "country" else 0.25)


def _skyline(site: Site, middle: FloatArray, to_edge: FloatArray, angle: FloatArray) -> None:
    rng = site.rng
    tall = rng.random() < 0.3
    for _ in range(int(rng.integers(15, 40))):
        a = rng.uniform(0, 2 * np.pi)
        away = float(np.interp(a, angle, to_edge)) + rng.uniform(5, 60) + (150 if tall and rng.random() < 0.3 else 0)
        x, y = middle + away * np.array([np.cos(a), np.sin(a)])
        kind = "tower" if away > 200 and tall else str(rng.choice(["apartments", "old town", "office", "warehouse"]))
        block = site.from_stock(f"far {kind}", 3, _far_block, kind)
        site.put(block, x, y, a - np.pi / 2 + rng.normal(0, 0.3), far=True)


def _far_block(rng: np.random.Generator, palette: Palette, kind: str) -> Mesh:
    return make_building(rng, palette, kind, float(rng.uniform(14, 30)), far=True)


def _woods(site: Site, xy: FloatArray, z: FloatArray, density: float) -> None:
    """Distant woods: the ragged front and top of a canopy, too far away for single trees."""
    rng = site.rng
    columns = xy.shape[1]
    for row in (1, 2, 4, 6):
        start = 0
        while start < columns - 3:
            end = min(start + int(rng.integers(2, 14)), columns - 1)
            if rng.random() < density:
                colour = near(rng, (0.05, 0.09, 0.03), 0.3)
                leaves = site.palette.add(Material("wood", "foliage", colour, tile_m=6.0, lidar_reflectivity=0.45))
                site.add(_canopy(rng, xy[row : row + 2, start : end + 1], z[row, start : end + 1], leaves))
            start = end


def _canopy(rng: np.random.Generator, xy: FloatArray, ground: FloatArray, leaves: int) -> Mesh:
    """The edge of a wood along xy[0] (n, 2), its crowns bulging out and up, going back towards xy[1]."""
    columns = np.arange(xy.shape[1])
    length = float(np.linalg.norm(np.diff(xy[0], axis=0), axis=1).sum())
    along = np.linspace(0, columns[-1], max(8, min(200, int(length / 1.6))))
    front, behind = (np.column_stack([np.interp(along, columns, line[:, i]) for i in range(2)]) for line in xy)
    inward = (behind - front) / np.linalg.norm(behind - front, axis=1, keepdims=True)
    base = np.interp(along, columns, ground)
    trees = np.cumsum(rng.uniform(3.0, 7.0, int(length / 3) + 8))
    place = np.linspace(0, length, len(along))
    nearest = np.abs(place[:, None] - trees).argmin(axis=1)
    high = rng.uniform(0.7, 1.15, len(trees))[nearest] * rng.uniform(8, 15)
    bulge = np.clip(1 - ((place - trees[nearest]) / 3.2) ** 2, 0.1, 1)
    rows = []
    for share, back in ((-0.04, 0.3), (0.15, 0.0), (0.45, -0.8), (0.75, 0.2), (0.93, 1.6), (1.0, 4.0), (0.9, 12.0)):
        out = back - bulge * (0.9 if 0.1 < share < 1 else 0.2) + rng.normal(0, 0.35, len(along))
        top = high * share * (0.75 + 0.25 * bulge) + rng.normal(0, 0.25, len(along)) * (share > 0)
        rows.append(np.column_stack([front + inward * out[:, None], base + top]))
    return grid_mesh(np.stack(rows)[:, ::-1], leaves)
