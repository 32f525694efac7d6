"""Buildings of many kinds. Frame of a building: centred on x, its front at y = 0, seen from -y, standing on z = 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.objects.stuff import DARK_STEEL, GALVANISED, PANE, Colour, bright_paint, near, pick
from i2p_calib_ros.frames.world.places.facades import PLINTH_DEPTH_M, FacadeStyle, facade_height, make_facade
from i2p_calib_ros.frames.world.places.quads import Quads
from i2p_calib_ros.frames.world.places.roofs import RoofStyle, make_roof

BUILDING_KINDS = (
    "old town", "apartments", "brick terrace", "office", "tower", "house", "shop", "warehouse", "works", "barn",
    "garage",
)  # fmt: skip


@dataclass(frozen=True)
class _Kind:
    """What buildings of a kind are drawn from: chances of wall textures and roofs, and ranges of sizes in metres."""

    walls: dict[str, float]
    roofs: dict[str, float]
    storeys: tuple[int, int]
    depth_m: tuple[float, float]
    storey_m: tuple[float, float] = (2.7, 3.3)
    bay_m: tuple[float, float] = (2.4, 3.8)
    window_share: tuple[float, float] = (0.33, 0.55)
    ground_floors: tuple[str, ...] = ("homes",)
    pitch_deg: tuple[float, float] = (28.0, 50.0)


_KINDS = {
    "old town": _Kind(
        {"plaster": 5, "stone": 2, "brick": 2},
        {"gable": 4, "mansard": 3, "cross gable": 1, "hip": 1},
        (2, 5), (9, 14), (3.0, 3.9), (2.2, 3.2), (0.35, 0.5), ("homes", "shops", "shops"),
    ),
    "apartments": _Kind(
        {"plaster": 6, "concrete": 2, "panels": 1, "brick": 1},
        {"flat": 4, "gable": 1, "hip": 1},
        (3, 8), (10, 15), (2.6, 2.9), (2.8, 4.2), (0.4, 0.65), ("homes", "homes", "shops"), (20.0, 32.0),
    ),
    "brick terrace": _Kind(
        {"brick": 8, "stone": 1}, {"gable": 4, "flat": 3, "mansard": 1}, (2, 4), (9, 13), (2.8, 3.5), (2.2, 3.2),
        (0.36, 0.5), ("homes", "homes", "shops"),
    ),
    "office": _Kind(
        {"panels": 4, "concrete": 2, "stone": 2, "tiles": 1}, {"flat": 1}, (3, 9), (14, 22), (3.3, 4.0), (1.3, 3.2),
        (0.7, 0.95), ("glazed", "shops", "glazed"),
    ),
    "tower": _Kind(
        {"panels": 3, "concrete": 3}, {"flat": 1}, (14, 34), (18, 28), (3.2, 3.6), (3.0, 5.0), (0.6, 0.95),
        ("glazed",),
    ),
    "house": _Kind(
        {"plaster": 6, "brick": 3, "planks": 1, "wood": 2, "stone": 1},
        {"gable": 5, "cross gable": 3, "hip": 3, "flat": 1, "shed": 1},
        (1, 2), (8, 11), (2.6, 2.9), (2.8, 4.2), (0.28, 0.5),
    ),
    "shop": _Kind(
        {"plaster": 3, "brick": 3, "panels": 2, "tiles": 1}, {"flat": 5, "shed": 1, "barrel": 1}, (1, 2), (10, 20),
        (2.9, 3.4), (3.0, 5.0), (0.4, 0.6), ("shops", "shops", "glazed"),
    ),
    "warehouse": _Kind(
        {"corrugated": 5, "panels": 4, "brick": 2, "concrete": 3, "plaster": 2},
        {"flat": 4, "gable": 2, "barrel": 2, "shed": 1},
        (1, 1), (18, 40), (5.0, 9.0), (4.5, 8.0), (0.3, 0.7), ("gates",), (6.0, 14.0),
    ),
    "works": _Kind(
        {"brick": 5, "concrete": 2, "corrugated": 2}, {"sawtooth": 4, "gable": 1, "flat": 1}, (1, 2), (18, 40),
        (4.0, 6.0), (3.0, 4.5), (0.5, 0.75), ("gates", "homes"), (15.0, 25.0),
    ),
    "barn": _Kind(
        {"planks": 4, "wood": 2, "brick": 2, "corrugated": 2}, {"gable": 3, "cross gable": 2}, (1, 1), (10, 16),
        (4.0, 6.5), (4.0, 7.0), (0.1, 0.2), ("gates",), (25.0, 48.0),
    ),
    "garage": _Kind(
        {"plaster": 3, "concrete": 2, "brick": 1, "corrugated": 1}, {"flat": 4, "shed": 1, "gable": 1}, (1, 1),
        (5.5, 7), (2.5, 2.9), (2.7, 3.2), (0.8, 0.85), ("gates",), (20.0, 35.0),
    ),
}  # fmt: skip

_WALL_COLOURS: dict[str, list[Colour]] = {
    "plaster": [
        (0.72, 0.7, 0.65), (0.6, 0.55, 0.44), (0.62, 0.5, 0.32), (0.55, 0.36, 0.24), (0.5, 0.5, 0.48),
        (0.42, 0.46, 0.38), (0.4, 0.46, 0.52), (0.6, 0.42, 0.4), (0.3, 0.3, 0.3), (0.5, 0.42, 0.33),
    ],
    "brick": [(0.3, 0.13, 0.08), (0.25, 0.14, 0.1), (0.42, 0.27, 0.16), (0.5, 0.4, 0.27), (0.2, 0.14, 0.12)],
    "stone": [(0.42, 0.37, 0.28), (0.36, 0.22, 0.16), (0.38, 0.38, 0.36), (0.5, 0.46, 0.38)],
    "concrete": [(0.38, 0.37, 0.35), (0.48, 0.46, 0.42), (0.3, 0.3, 0.3)],
    "panels": [(0.6, 0.61, 0.6), (0.3, 0.31, 0.33), (0.12, 0.13, 0.15), (0.35, 0.27, 0.2), (0.2, 0.32, 0.42)],
    "tiles": [(0.05, 0.2, 0.35), (0.5, 0.5, 0.47), (0.2, 0.28, 0.2), (0.4, 0.15, 0.1)],
    "corrugated": [(0.5, 0.51, 0.5), (0.3, 0.33, 0.3), (0.2, 0.28, 0.38), (0.55, 0.5, 0.4), (0.35, 0.12, 0.08)],
    "planks": [(0.28, 0.2, 0.13), (0.3, 0.07, 0.05), (0.2, 0.19, 0.17), (0.1, 0.09, 0.08)],
    "wood": [(0.68, 0.67, 0.64), (0.4, 0.44, 0.46), (0.3, 0.2, 0.12), (0.5, 0.5, 0.4)],
}  # fmt: skip
_GROUND_WALLS = {"stone": 1.0, "plaster": 1.0, "concrete": 1.0}
_FAR_PANE = replace(PANE, name="far pane", transparent=False, gloss=0.1)
_TILE_M = {"brick": 1.2, "panels": 5.0, "planks": 1.2, "wood": 1.4, "plaster": 4.0, "concrete": 4.0, "tiles": 1.6}


def make_building(
    rng: np.random.Generator,
    palette: Palette,
    kind: str,
    width_m: float,
    depth_m: float | None = None,
    neighbours: tuple[bool, bool] = (False, False),
    far: bool = False,
) -> Mesh:
    """A building of a kind of BUILDING_KINDS, `width_m` along the street.

    `neighbours`: whether it stands wall to wall with others at -x and +x; `far`: seen from far away only, without
    rooms behind the windows.
    """
    spec = _KINDS[kind]
    depth = float(rng.uniform(*spec.depth_m)) if depth_m is None else depth_m
    storeys = int(rng.integers(spec.storeys[0], spec.storeys[1] + 1))
    facade = _facade_style(rng, palette, kind, spec, far)
    roof_style = _roof_style(rng, palette, facade, spec)
    roof = pick(rng, spec.roofs)
    if any(neighbours) and roof in ("hip", "cross gable"):
        roof = "gable"
    if any(neighbours):
        roof_style = replace(roof_style, overhang_m=roof_style.overhang_m if roof == "flat" else 0.2)
    main = _block(rng, facade, roof_style, roof, width_m, depth, storeys, neighbours)
    if kind == "house" and width_m > 8:
        return Mesh.merge([main, _house_extension(rng, palette, facade, roof_style, width_m, depth)])
    return main


def _block(
    rng: np.random.Generator,
    facade: FacadeStyle,
    roof_style: RoofStyle,
    roof: str,
    width_m: float,
    depth_m: float,
    storeys: int,
    neighbours: tuple[bool, bool] = (False, False),
) -> Mesh:
    height = facade_height(facade, storeys)
    w = width_m / 2
    parts = [make_facade(rng, facade, width_m, storeys, front=True).translated(-w, 0)]
    back = make_facade(rng, facade, width_m, storeys, front=False)
    parts.append(back.placed(w, depth_m, yaw_rad=np.pi))
    walls = Quads()
    side_style = replace(facade, blank_share=min(0.9, facade.blank_share + (0.1 if any(neighbours) else 0.0)))
    if not all(neighbours):
        side = make_facade(rng, side_style, depth_m, storeys, front=False)
    for joined, x, y0, y1 in ((neighbours[0], -w, depth_m, 0.0), (neighbours[1], w, 0.0, depth_m)):
        if joined:
            walls.side(x, y0, y1, -PLINTH_DEPTH_M, height, facade.wall)
        else:
            parts.append(side.placed(x, y0, yaw_rad=np.copysign(np.pi / 2, x)))
    parts.append(walls.mesh())
    parts.append(make_roof(rng, roof, roof_style, width_m, depth_m, height))
    return Mesh.merge(parts)


def _house_extension(
    rng: np.random.Generator,
    palette: Palette,
    facade: FacadeStyle,
    roof_style: RoofStyle,
    width_m: float,
    depth_m: float,
) -> Mesh:
    """A porch, and often a garage or a lower wing beside the house."""
    quads = Quads()
    x, deep = rng.uniform(-width_m / 4, width_m / 4), rng.uniform(1.0, 1.8)
    if rng.random() < 0.5:
        quads.block(x - 1.1, x + 1.1, -deep, 0.0, 2.5, 2.62, facade.trim)
        for post in (x - 1.05, x + 0.95):
            quads.block(post, post + 0.1, -deep + 0.02, -deep + 0.12, -0.5, 2.5, facade.frame)
    parts = [quads.mesh()]
    if rng.random() < 0.55:
        wing = float(rng.uniform(3.2, 5.5))
        style = replace(facade, ground_floor=str(rng.choice(["gates", "homes"])), bay_m=wing, balcony_share=0.0)
        roof = str(rng.choice(["flat", "gable", "shed"]))
        block = _block(rng, style, roof_style, roof, wing, min(depth_m, 6.5), 1)
        side = 1 if rng.random() < 0.5 else -1
        parts.append(block.translated(side * (width_m + wing) / 2, float(rng.uniform(0.3, 2.0))))
    return Mesh.merge(parts)


def _facade_style(rng: np.random.Generator, palette: Palette, kind: str, spec: _Kind, far: bool) -> FacadeStyle:
    texture = pick(rng, spec.walls)
    wall = _wall(rng, palette, texture)
    trim_colour = near(rng, (0.6, 0.58, 0.54) if rng.random() < 0.7 else (0.3, 0.26, 0.22), 0.2)
    trim = palette.add(Material("trim", "concrete", trim_colour, tile_m=3.0, lidar_reflectivity=0.45))
    frame_colour = near(
        rng, [(0.7, 0.7, 0.68), (0.08, 0.08, 0.085), (0.22, 0.13, 0.08)][int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
    )
    room_colour = near(rng, (0.16, 0.15, 0.135), 0.4)
    blinds = tuple(
        palette.add(
            Material(
                "blind",
                "fabric",
                near(rng, (0.55, 0.52, 0.46), 0.35),
                emission=(0.22, 0.17, 0.09) if lit else (0.0, 0.0, 0.0),
                lidar_reflectivity=0.5,
            )
        )
        for lit in (False, False, False, True)
    )
    storey = float(rng.uniform(*spec.storey_m))
    old = kind in ("old town", "brick terrace")
    ground = str(rng.choice(spec.ground_floors))
    plain_ground = kind in ("house", "barn", "garage", "warehouse", "works")
    glazed = kind in ("office", "tower")
    sill = 0.35 if glazed else float(rng.uniform(0.8, 1.05))
    if kind in ("warehouse", "barn", "works"):
        sill = storey * float(rng.uniform(0.45, 0.6))
    return FacadeStyle(
        wall=wall,
        ground_wall=wall if rng.random() < 0.6 else _wall(rng, palette, pick(rng, _GROUND_WALLS)),
        trim=trim,
        frame=palette.add(Material("window frame", "plain", frame_colour, gloss=0.02, lidar_reflectivity=0.5)),
        glass=palette.add(_FAR_PANE if far else PANE),
        door=palette.add(bright_paint(rng)),
        rail=palette.add(DARK_STEEL if rng.random() < 0.5 else bright_paint(rng)),
        sign=palette.add(bright_paint(rng)),
        room=palette.add(Material("room", "plaster", room_colour, lidar_reflectivity=0.4)),
        pipe=palette.add(GALVANISED if rng.random() < 0.6 else DARK_STEEL),
        poster=palette.add(Material("poster", "graffiti", near(rng, (0.45, 0.43, 0.4), 0.4), lidar_reflectivity=0.5)),
        blinds=blinds,
        bay_m=float(rng.uniform(*spec.bay_m)),
        storey_m=storey,
        ground_storey_m=storey if plain_ground else storey + float(rng.uniform(0.3, 1.2)),
        window_share=float(rng.uniform(*spec.window_share)),
        sill_m=sill,
        head_m=storey - float(rng.uniform(0.25, 0.5)),
        reveal_m=-0.06 if far else float(rng.uniform(0.04, 0.1) if glazed else rng.uniform(0.08, 0.28)),
        panes=[(1, 1), (2, 1), (2, 2), (3, 1), (2, 3)][int(rng.choice(5, p=[0.2, 0.4, 0.2, 0.1, 0.1]))],
        frame_m=float(rng.uniform(0.05, 0.09)),
        surround_m=float(rng.uniform(0.1, 0.22)) if rng.random() < (0.7 if old else 0.15) else 0.0,
        string_course=bool(rng.random() < (0.6 if old else 0.2)),
        balcony_share=float(rng.uniform(0.1, 0.6)) if kind == "apartments" and rng.random() < 0.7 else 0.0,
        blank_share=0.0 if glazed else float(rng.uniform(0.0, 0.1)),
        shutter_share=float(rng.uniform(0.5, 1.0)) if kind in ("house", "old town") and rng.random() < 0.35 else 0.0,
        cooler_share=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.3 else 0.0,
        ground_floor=ground,
        far=far,
    )  # fmt: skip


def _roof_style(rng: np.random.Generator, palette: Palette, facade: FacadeStyle, spec: _Kind) -> RoofStyle:
    if rng.random() < 0.75:
        colours: list[Colour] = [(0.32, 0.12, 0.07), (0.22, 0.1, 0.07), (0.07, 0.07, 0.075), (0.16, 0.13, 0.11)]
        cover = Material("roof tiles", "roof_tiles", near(rng, colours[int(rng.integers(4))]), lidar_reflectivity=0.3)
    else:
        colour = near(rng, (0.25, 0.26, 0.26), 0.4)
        cover = Material("roof sheet", "corrugated", colour, gloss=0.02, lidar_reflectivity=0.3)
    return RoofStyle(
        cover=palette.add(cover),
        wall=facade.wall,
        trim=facade.trim,
        glass=facade.glass,
        metal=palette.add(GALVANISED if rng.random() < 0.7 else DARK_STEEL),
        pitch_rad=float(np.radians(rng.uniform(*spec.pitch_deg))),
        overhang_m=float(rng.uniform(0.2, 0.7)),
    )


def _wall(rng: np.random.Generator, palette: Palette, texture: str) -> int:
    colours = _WALL_COLOURS[texture]
    colour = near(rng, colours[int(rng.integers(len(colours)))], 0.15)
    bright = float(np.mean(colour))
    return palette.add(
        Material(
            f"{texture} wall",
            texture,
            colour,
            tile_m=_TILE_M.get(texture, 2.0),
            gloss=0.02 if texture in ("tiles", "panels") else 0.0,
            lidar_reflectivity=float(np.clip(0.15 + 0.6 * bright + rng.normal(0, 0.06), 0.08, 0.8)),
        )
    )
