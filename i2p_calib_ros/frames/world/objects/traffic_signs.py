"""Traffic signs on posts: shapes, colours and marks of the common ones, of sheeting that reflects as real ones do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_calib_ros.frames.world.materials import Material, Palette
from i2p_calib_ros.frames.world.mesh import Mesh
from i2p_calib_ros.frames.world.objects.shapes import disc_outline, plate, rectangle_outline, tube
from i2p_calib_ros.frames.world.objects.stuff import GALVANISED

FloatArray = NDArray[np.float64]

SIGN_KINDS = (
    "limit", "no entry", "prohibition", "warning", "give way", "stop", "mandatory", "information", "direction",
    "street name", "priority", "diamond",
)  # fmt: skip

_STEP_M = 0.004  # between the layers of a face, so that they do not flicker into each other


def make_sign(rng: np.random.Generator, palette: Palette, kind: str | None = None) -> Mesh:
    """A sign of a kind of SIGN_KINDS, or one or two of any, on a post; its face looks along +x."""
    kinds = [kind] if kind else [str(k) for k in rng.choice(SIGN_KINDS, size=1 if rng.random() < 0.75 else 2)]
    steel = palette.add(GALVANISED)
    top = float(rng.uniform(2.4, 3.1))
    parts = [tube([(0, 0, 0), (0, 0, top)], 0.03, steel, 8)]
    for name in kinds:
        face = make_sign_face(rng, palette, name)
        half = float(face.bounds[1][2])
        parts.append(face.translated(0.05, 0, top - half))
        top -= 2 * half + 0.05
    return Mesh.merge(parts)


def make_sign_face(rng: np.random.Generator, palette: Palette, kind: str) -> Mesh:
    """The plate alone around the origin, towards +x."""
    steel = palette.add(GALVANISED)
    colour = {
        name: palette.add(Material(f"{name} sheeting", "plain", rgb, lidar_reflectivity=0.6, retro=retro))
        for name, rgb, retro in (
            ("white", (0.8, 0.8, 0.78), 40.0), ("red", (0.5, 0.02, 0.02), 20.0), ("blue", (0.02, 0.1, 0.42), 15.0),
            ("yellow", (0.8, 0.5, 0.02), 30.0), ("green", (0.02, 0.22, 0.08), 15.0), ("black", (0.02, 0.02, 0.02), 0.0),
        )
    }  # fmt: skip
    size = float(rng.uniform(0.28, 0.38))
    layers: list[tuple[FloatArray, str]] = []

    def circle(radius: float, name: str) -> None:
        layers.append((disc_outline(radius, 24), name))

    if kind in ("limit", "prohibition"):
        circle(size, "red")
        circle(0.8 * size, "white" if rng.random() < 0.8 else "yellow")
        if kind == "limit":
            layers += [(glyph, "black") for glyph in _digits(rng, size)]
        elif rng.random() < 0.7:
            layers.append((_turned(rectangle_outline(1.7 * size, 0.18 * size), -0.8), "red"))
    elif kind == "no entry":
        circle(size, "red")
        layers.append((rectangle_outline(1.4 * size, 0.35 * size), "white"))
    elif kind == "mandatory":
        circle(size, "blue")
        layers += [(part, "white") for part in _arrow(size, float(rng.choice([0.0, np.pi / 2, -np.pi / 2, 0.7])))]
    elif kind in ("warning", "give way"):
        turn = np.pi / 2 if kind == "warning" else -np.pi / 2
        layers += [(disc_outline(1.35 * size, 3, turn), "red"), (disc_outline(0.95 * size, 3, turn), "white")]
        if kind == "warning":
            layers.append((rectangle_outline(0.14 * size, 0.5 * size) + [0, 0.02], "black"))
            layers.append((disc_outline(0.08 * size, 8) - [0, 0.38 * size], "black"))
    elif kind == "stop":
        turn = np.pi / 8
        layers += [(disc_outline(1.15 * size, 8, turn), "white"), (disc_outline(1.08 * size, 8, turn), "red")]
        layers += [
            (rectangle_outline(0.3 * size, 0.55 * size) + [x * size, 0], "white") for x in (-0.63, -0.21, 0.21, 0.63)
        ]
    elif kind == "priority":
        layers += [(disc_outline(1.2 * size, 4), "white"), (disc_outline(0.95 * size, 4), "yellow")]
    elif kind == "diamond":
        layers += [(disc_outline(1.3 * size, 4), "black"), (disc_outline(1.25 * size, 4), "yellow")]
        layers += [(part, "black") for part in _arrow(0.9 * size, float(rng.uniform(-0.8, 0.8)))]
    elif kind == "information":
        field = str(rng.choice(["blue", "blue", "green", "white"]))
        layers.append((rectangle_outline(2 * size, 2 * size * rng.uniform(1, 1.5), 0.04), field))
        ink = "black" if field == "white" else "white"
        layers.append((rectangle_outline(0.3 * size, 1.2 * size) - [0.3 * size, 0], ink))
        layers.append((disc_outline(0.42 * size, 14) + [0.08 * size, 0.25 * size], ink))
    else:
        wide = float(rng.uniform(0.5, 0.7) if kind == "street name" else rng.uniform(0.7, 1.3))
        tall = float(rng.uniform(0.09, 0.12) if kind == "street name" else rng.uniform(0.2, 0.5))
        field, ink = [("blue", "white"), ("green", "white"), ("white", "black"), ("yellow", "black")][rng.integers(4)]
        layers.append((rectangle_outline(2 * wide, 2 * tall, 0.03), field))
        rows = 1 if tall < 0.2 else int(rng.integers(2, 4))
        for row in range(rows):
            y = tall * (1 - (2 * row + 1) / rows)
            layers += [(word + [0, y], ink) for word in _letters(rng, 1.6 * wide, 0.9 * tall / rows)]
    face = [
        plate(outline, 0.004 if i else 0.02, colour[name], steel if not i else colour[name]).translated(_STEP_M * i, 0)
        for i, (outline, name) in enumerate(layers)
    ]
    return Mesh.merge(face)


def _turned(outline: ArrayLike, angle_rad: float) -> FloatArray:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.asarray(outline) @ np.array([[c, s], [-s, c]])


def _arrow(size: float, angle_rad: float) -> list[FloatArray]:
    """Shaft and head that point up, then turned."""
    shaft = rectangle_outline(0.24 * size, 0.9 * size) - [0, 0.2 * size]
    head = np.array([[-0.45, 0.15], [0.45, 0.15], [0.0, 0.75]]) * size
    return [_turned(part, angle_rad) for part in (shaft, head)]


def _letters(rng: np.random.Generator, width: float, height: float) -> list[FloatArray]:
    """Blocks with the rhythm of a word, read at a distance."""
    words: list[FloatArray] = []
    cursor = -width / 2
    while True:
        letter = height * float(rng.uniform(0.35, 0.8))
        if cursor + letter > width / 2:
            return words
        words.append(rectangle_outline(letter, height * rng.uniform(0.7, 1.0)) + [cursor + letter / 2, 0])
        cursor += letter + 0.2 * height * float(rng.choice([1, 1, 1, 3]))


_SEGMENTS = {0: "abcdef", 2: "abged", 3: "abgcd", 4: "fgbc", 5: "afgcd", 6: "afgedc", 7: "abc", 8: "abcdefg"}
_SEGMENT_AT = {
    "a": (0, 1, 0), "b": (1, 0.5, 1), "c": (1, -0.5, 1), "d": (0, -1, 0), "e": (-1, -0.5, 1), "f": (-1, 0.5, 1),
    "g": (0, 0, 0),
}  # fmt: skip


def _digits(rng: np.random.Generator, size: float) -> list[FloatArray]:
    """Two digits of a speed, as bars."""
    half_w, half_h, stroke = 0.2 * size, 0.38 * size, 0.11 * size
    bars = []
    for digit, x in ((int(rng.choice([2, 3, 4, 5, 6, 7, 8])), -0.3 * size), (0, 0.3 * size)):
        for name in _SEGMENTS[digit]:
            at_x, at_y, upright = _SEGMENT_AT[name]
            length = (half_h if upright else 2 * half_w) + stroke
            outline = rectangle_outline(stroke, length) if upright else rectangle_outline(length, stroke)
            bars.append(outline + [x + at_x * half_w, at_y * half_h])
    return bars
