"""The surface of roads: carriageways with their lines, patches and cracks, kerbs, pavements, and the land beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from i2p_calib_ros.frames.world.materials import Material
from i2p_calib_ros.frames.world.objects.stuff import Colour, near, pick
from i2p_calib_ros.frames.world.places.ground import Region, blotches, lay, upright_band
from i2p_calib_ros.frames.world.places.roads import Road, cracks, manholes, patches
from i2p_calib_ros.frames.world.places.site_plan import Site

FloatArray = NDArray[np.float64]

CORNER_RADIUS_M = 5.0
KERB_STONE_M = 0.15


@dataclass(eq=False)
class Surface:
    """What is to be laid: roads, the first of them with right of way; marks of white paint beyond their own lines;
    driveways and yards (area, material) beside them; bays: strips beside the lanes of another material."""

    roads: Sequence[Road]
    marks: list[shapely.Geometry] = field(default_factory=list)
    beside: list[tuple[shapely.Geometry, int]] = field(default_factory=list)
    driveways: list[shapely.Geometry] = field(default_factory=list)
    land: str = "grass"
    wear: float = 1.0

    def __post_init__(self) -> None:
        joined = shapely.union_all([road.carriageway for road in self.roads])
        closed = joined.buffer(CORNER_RADIUS_M, quad_segs=6).buffer(-CORNER_RADIUS_M, quad_segs=6)
        self.carriageway: shapely.Geometry = closed if len(self.roads) > 1 else joined
        self.reserve: shapely.Geometry = shapely.union_all([road.reserve for road in self.roads])


def lay_surface(site: Site, surface: Surface) -> None:
    """Add the ground of the whole site."""
    rng, main = site.rng, surface.roads[0]
    section = main.section
    asphalt = road_material(site)
    path, right, left = main.path, -section.right_m, section.left_m
    open_road = surface.carriageway
    line_free = _junction_areas(surface.roads)
    white = shapely.difference(shapely.union_all([road.white_lines() for road in surface.roads]), line_free)
    yellow = [road.centre_line() for road in surface.roads if road.section.yellow]
    cracked = shapely.union_all([cracks(rng, path, right, left, surface.wear * rng.uniform(0, 14))])
    mended = patches(rng, path, right, left, surface.wear * rng.uniform(0, 6))
    median = main.median if len(surface.roads) == 1 else shapely.difference(main.median, line_free.buffer(2.0))
    regions = [
        Region(median, _median(site, section.kerb_m), section.kerb_m),
        Region(shapely.union_all([white, *surface.marks]) & open_road, paint(site)),
        Region(shapely.difference(shapely.union_all(yellow), line_free), paint(site, yellow=True)),
    ]
    if section.kerb_m:
        regions.append(Region(manholes(rng, path, right, left, rng.uniform(18, 45)), _iron(site)))
    regions += [
        Region(cracked, _bitumen(site)),
        Region(mended & open_road, road_material(site)),
    ]
    if section.parking_m and rng.random() < 0.4:
        lanes = road_lanes(main)
        regions.append(Region(shapely.difference(main.carriageway, lanes), _bays(site), uv_of=path.project))
    tracks = _wheel_tracks(main)
    if rng.random() < 0.6:
        regions.append(Region(tracks & open_road, _worn(site, asphalt)))
    regions.append(Region(main.carriageway, asphalt, uv_of=path.project))
    regions.append(Region(open_road, asphalt if rng.random() < 0.5 else road_material(site)))

    walkways = shapely.union_all([road.reserve for road in surface.roads if road.section.pavement_m > 0])
    kerb = site.palette.add(Material("kerb", "concrete", near(rng, (0.4, 0.39, 0.37)), lidar_reflectivity=0.35))
    if section.kerb_m:
        stones = open_road.buffer(KERB_STONE_M, join_style="mitre")
        regions += [Region(area, _driveway(site), section.kerb_m) for area in surface.driveways]
        regions.append(Region(stones, kerb, section.kerb_m))
    if not walkways.is_empty:
        inner = open_road.buffer(section.verge_m) if section.verge_m else None
        if inner is not None:
            regions.append(Region(inner, land_material(site, "grass"), section.kerb_m))
        regions.append(Region(walkways.buffer(0), walkway_material(site), section.kerb_m, path.project))
    regions += [Region(area, material, section.kerb_m) for area, material in surface.beside]
    if not section.kerb_m:  # a ragged strip of gravel between asphalt and grass
        regions.append(Region(open_road.buffer(rng.uniform(0.4, 1.2)), land_material(site, "gravel")))
    bounds = surface.reserve.buffer(15.0).bounds
    for other in ("soil", "dry grass", surface.land):
        spots = blotches(rng, bounds, int(rng.integers(0, 60)), (0.6, 7.0))
        regions.append(Region(spots, land_material(site, other), section.kerb_m))
    regions.append(Region(site.terrain.polygon, land_material(site, surface.land), section.kerb_m))
    site.add(lay(regions, site.terrain))
    if section.kerb_m:
        inside = site.terrain.polygon.buffer(-0.5)
        edges = shapely.intersection(shapely.union(open_road.boundary, median.boundary), inside)
        site.add(upright_band(edges, -0.03, section.kerb_m, kerb, site.terrain))


def road_lanes(road: Road) -> shapely.Polygon:
    """The lanes without the parking strips."""
    s = road.section
    return road.path.band(-s.median_m / 2 - s.lanes_ahead * s.lane_m, s.median_m / 2 + s.lanes_back * s.lane_m)


def road_material(site: Site) -> int:
    """Asphalt young or old, seldom concrete or cobbles."""
    rng = site.rng
    kind = pick(rng, {"asphalt": 0.9, "concrete": 0.06, "cobbles": 0.04})
    grey = float(np.exp(rng.uniform(np.log(0.05), np.log(0.2)))) * (1.6 if kind == "concrete" else 1.0)
    tint = near(rng, (grey, grey * 0.99, grey * 0.96), 0.05)
    reflectivity = float(np.clip(0.05 + grey + rng.normal(0, 0.03), 0.05, 0.4))
    return site.palette.add(Material("road", kind, tint, tile_m=3.0, lidar_reflectivity=reflectivity))


def paint(site: Site, yellow: bool = False) -> int:
    """Road paint, fresh or worn."""
    rng = site.rng
    bright = float(rng.uniform(0.35, 0.85))
    colour: Colour = (0.75 * bright, 0.5 * bright, 0.05 * bright) if yellow else (bright, bright, 0.97 * bright)
    return site.palette.add(
        Material("road paint", "asphalt", colour, lidar_reflectivity=0.3 + 0.4 * bright, retro=float(rng.uniform(0, 3)))
    )


def walkway_material(site: Site) -> int:
    """Slabs, asphalt, concrete or small stones."""
    rng = site.rng
    texture = pick(rng, {"paving": 0.5, "asphalt": 0.18, "concrete": 0.2, "cobbles": 0.12})
    grey = 0.14 if texture == "asphalt" else float(rng.uniform(0.2, 0.42))
    colour = near(rng, (grey * 1.04, grey, grey * 0.92), 0.1)
    return site.palette.add(
        Material("walkway", texture, colour, tile_m=float(rng.uniform(1.2, 3.0)), lidar_reflectivity=0.1 + 0.6 * grey)
    )


def land_material(site: Site, land: str) -> int:
    """Open ground: grass, dry grass, soil, gravel, asphalt, paving."""
    rng = site.rng
    if land == "asphalt":
        return road_material(site)
    if land == "paving":
        return walkway_material(site)
    texture, colour, reflectivity, tile = {
        "grass": ("grass", (0.09, 0.14, 0.04), 0.45, 4.0),
        "dry grass": ("grass", (0.26, 0.22, 0.11), 0.45, 4.0),
        "soil": ("soil", (0.2, 0.14, 0.09), 0.3, 4.0),
        "gravel": ("gravel", (0.3, 0.28, 0.25), 0.3, 2.5),
    }[land]
    return site.palette.add(
        Material(land, texture, near(rng, colour, 0.25), tile_m=tile, lidar_reflectivity=reflectivity)
    )


def _junction_areas(roads: Sequence[Road]) -> shapely.Geometry:
    """Where lines stop: around the crossings of roads."""
    areas = [
        shapely.intersection(a.carriageway.buffer(3.0), b.carriageway.buffer(3.0))
        for i, a in enumerate(roads)
        for b in roads[i + 1 :]
    ]
    return shapely.union_all(areas) if areas else shapely.Polygon()


def _wheel_tracks(road: Road) -> shapely.Geometry:
    s = road.section
    offsets = [s.lane_offset(i) for i in range(s.lanes_ahead)] + [s.lane_offset(i, True) for i in range(s.lanes_back)]
    return shapely.union_all([road.path.band(d + w - 0.3, d + w + 0.3) for d in offsets for w in (-0.75, 0.75)])


def _worn(site: Site, asphalt: int) -> int:
    road = site.palette.materials[asphalt]
    factor = float(site.rng.uniform(0.75, 0.93) if site.rng.random() < 0.7 else site.rng.uniform(1.07, 1.2))
    colour = (road.albedo[0] * factor, road.albedo[1] * factor, road.albedo[2] * factor)
    return site.palette.add(
        Material("wheel track", road.texture, colour, road.tile_m, lidar_reflectivity=road.lidar_reflectivity * factor)
    )


def _bitumen(site: Site) -> int:
    return site.palette.add(Material("bitumen", "plain", (0.025, 0.025, 0.026), gloss=0.02, lidar_reflectivity=0.06))


def _iron(site: Site) -> int:
    return site.palette.add(Material("cast iron", "metal", (0.1, 0.095, 0.09), gloss=0.03, lidar_reflectivity=0.2))


def _bays(site: Site) -> int:
    texture = str(site.rng.choice(["cobbles", "asphalt", "paving"]))
    colour = near(site.rng, (0.22, 0.21, 0.2), 0.3)
    return site.palette.add(Material("parking bay", texture, colour, lidar_reflectivity=0.25))


def _driveway(site: Site) -> int:
    texture = str(site.rng.choice(["concrete", "paving", "asphalt", "cobbles"]))
    return site.palette.add(
        Material("driveway", texture, near(site.rng, (0.28, 0.27, 0.25), 0.3), lidar_reflectivity=0.3)
    )


def _median(site: Site, kerb_m: float) -> int:
    return land_material(site, "grass" if kerb_m == 0 or site.rng.random() < 0.6 else "paving")
