"""Materials that many kinds of object share, and the colours they come in.

Reflectivities at 905 nm: vegetation 0.4-0.6, skin and light cloth 0.5, concrete 0.3, black rubber 0.05; car paint is
bright or dark to a LiDAR almost regardless of its colour, because the pigment that matters lies under the clear coat.
"""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.frames.world.materials import Material

Colour = tuple[float, float, float]

RUBBER = Material("rubber", "plain", (0.025, 0.025, 0.027), lidar_reflectivity=0.06)
BLACK_PLASTIC = Material("black plastic", "plain", (0.03, 0.03, 0.032), gloss=0.02, lidar_reflectivity=0.07)
GREY_PLASTIC = Material("grey plastic", "plain", (0.2, 0.2, 0.21), gloss=0.02, lidar_reflectivity=0.2)
WHITE_PLASTIC = Material("white plastic", "plain", (0.75, 0.75, 0.73), gloss=0.03, lidar_reflectivity=0.7)
INTERIOR = Material("interior", "fabric", (0.05, 0.05, 0.055), tile_m=0.5, lidar_reflectivity=0.2)
CHROME = Material("chrome", "plain", (0.55, 0.55, 0.57), gloss=0.6, lidar_reflectivity=0.5)
ALLOY = Material("alloy", "plain", (0.42, 0.43, 0.45), gloss=0.15, lidar_reflectivity=0.5)
GALVANISED = Material("galvanised steel", "metal", (0.45, 0.46, 0.47), gloss=0.08, lidar_reflectivity=0.4)
DARK_STEEL = Material("dark steel", "metal", (0.07, 0.07, 0.075), gloss=0.05, lidar_reflectivity=0.15)
RUST = Material("rust", "metal", (0.22, 0.1, 0.05), lidar_reflectivity=0.25)
CAR_GLASS = Material("car glass", "glass", (0.02, 0.025, 0.025), gloss=0.08, lidar_reflectivity=0.05, transparent=True)
PRIVACY_GLASS = Material("privacy glass", "glass", (0.008, 0.009, 0.01), gloss=0.06, lidar_reflectivity=0.04)
PANE = Material("pane", "glass", (0.05, 0.06, 0.06), gloss=0.06, lidar_reflectivity=0.05, transparent=True)
HEADLAMP = Material("headlamp", "plain", (0.7, 0.72, 0.75), gloss=0.3, lidar_reflectivity=0.6, retro=3.0)
HEADLAMP_ON = Material(
    "headlamp on", "plain", (0.8, 0.8, 0.8), gloss=0.3, emission=(1.6, 1.6, 1.5), lidar_reflectivity=0.6, retro=3.0
)
TAIL_LAMP = Material("tail lamp", "plain", (0.35, 0.01, 0.01), gloss=0.1, lidar_reflectivity=0.5, retro=15.0)
TAIL_LAMP_ON = Material(
    "tail lamp on",
    "plain",
    (0.5, 0.02, 0.02),
    gloss=0.1,
    emission=(0.35, 0.01, 0.01),
    lidar_reflectivity=0.5,
    retro=15.0,
)
INDICATOR = Material("indicator", "plain", (0.7, 0.25, 0.02), gloss=0.1, lidar_reflectivity=0.5, retro=5.0)
WHITE_PLATE = Material("white plate", "plain", (0.75, 0.75, 0.72), lidar_reflectivity=0.6, retro=30.0)
YELLOW_PLATE = Material("yellow plate", "plain", (0.75, 0.55, 0.03), lidar_reflectivity=0.6, retro=30.0)
WOOD = Material("wood", "wood", (0.3, 0.19, 0.1), tile_m=1.0, lidar_reflectivity=0.4)
PALE_WOOD = Material("pale wood", "wood", (0.48, 0.36, 0.22), tile_m=1.0, lidar_reflectivity=0.5)
WEATHERED_WOOD = Material("weathered wood", "wood", (0.24, 0.22, 0.19), tile_m=1.0, lidar_reflectivity=0.4)
CONCRETE = Material("concrete", "concrete", (0.4, 0.39, 0.37), lidar_reflectivity=0.35)
CARDBOARD = Material("cardboard", "plain", (0.42, 0.29, 0.17), lidar_reflectivity=0.5)
REFLECTOR = Material("reflector", "plain", (0.85, 0.85, 0.85), lidar_reflectivity=0.8, retro=40.0)
RED_REFLECTOR = Material("red reflector", "plain", (0.5, 0.02, 0.02), lidar_reflectivity=0.6, retro=40.0)


def pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """A name, with chances in proportion to the weights."""
    chance = np.array(list(weights.values()), dtype=np.float64)
    return list(weights)[int(rng.choice(len(weights), p=chance / chance.sum()))]


def near(rng: np.random.Generator, colour: Colour, spread: float = 0.15) -> Colour:
    """The colour made lighter or darker, and a little off its hue."""
    channels = np.clip(np.array(colour) * np.exp(rng.normal(0, spread) + rng.normal(0, spread / 4, 3)), 0.01, 0.9)
    return float(channels[0]), float(channels[1]), float(channels[2])


_PAINTS: dict[str, tuple[float, Colour]] = {
    "white": (0.22, (0.8, 0.8, 0.79)),
    "black": (0.19, (0.015, 0.015, 0.017)),
    "anthracite": (0.12, (0.06, 0.06, 0.065)),
    "silver": (0.16, (0.45, 0.46, 0.47)),
    "grey": (0.06, (0.2, 0.2, 0.21)),
    "blue": (0.09, (0.03, 0.08, 0.28)),
    "red": (0.07, (0.42, 0.02, 0.02)),
    "dark green": (0.02, (0.02, 0.1, 0.05)),
    "light green": (0.01, (0.3, 0.5, 0.1)),
    "brown": (0.03, (0.14, 0.08, 0.05)),
    "beige": (0.02, (0.5, 0.43, 0.32)),
    "yellow": (0.015, (0.8, 0.55, 0.03)),
    "orange": (0.015, (0.7, 0.2, 0.02)),
    "light blue": (0.02, (0.25, 0.45, 0.6)),
}


def car_paint(rng: np.random.Generator) -> Material:
    """Paint as cars wear it: mostly white, black, grey, silver."""
    name = pick(rng, {name: share for name, (share, _) in _PAINTS.items()})
    dark = name in ("black", "anthracite", "brown")
    return Material(
        f"{name} paint",
        "paint",
        near(rng, _PAINTS[name][1], 0.2),
        tile_m=3.0,
        gloss=float(rng.uniform(0.03, 0.08)),
        lidar_reflectivity=float(rng.uniform(0.04, 0.35) if dark else rng.uniform(0.2, 0.8)),
    )


def bright_paint(rng: np.random.Generator) -> Material:
    """Enamel of machines, lorries and street furniture: any strong colour."""
    colours: list[Colour] = [
        (0.75, 0.75, 0.73), (0.7, 0.5, 0.02), (0.65, 0.18, 0.02), (0.4, 0.03, 0.02), (0.03, 0.12, 0.4),
        (0.03, 0.25, 0.1), (0.05, 0.05, 0.055), (0.3, 0.31, 0.32), (0.05, 0.3, 0.35),
    ]  # fmt: skip
    colour = near(rng, colours[int(rng.integers(len(colours)))])
    return Material("enamel", "paint", colour, gloss=0.04, lidar_reflectivity=float(rng.uniform(0.15, 0.7)))


def cloth(rng: np.random.Generator) -> Material:
    """Clothes: mostly dark or muted, sometimes of a strong colour; bright to a LiDAR unless black cotton."""
    muted: list[Colour] = [
        (0.03, 0.03, 0.035), (0.04, 0.05, 0.09), (0.08, 0.11, 0.18), (0.16, 0.16, 0.17), (0.3, 0.26, 0.2),
        (0.1, 0.09, 0.06), (0.55, 0.55, 0.54),
    ]  # fmt: skip
    if rng.random() < 0.75:
        colour = near(rng, muted[int(rng.integers(len(muted)))], 0.3)
    else:
        hue = rng.dirichlet([0.8, 0.8, 0.8])
        grey = rng.uniform(0.1, 0.7)
        mixed = rng.uniform(0.1, 0.55) * (grey + (1 - grey) * hue / hue.max())
        colour = (float(mixed[0]), float(mixed[1]), float(mixed[2]))
    return Material("cloth", "fabric", colour, tile_m=0.6, lidar_reflectivity=float(rng.uniform(0.12, 0.7)))


def trousers(rng: np.random.Generator) -> Material:
    """Denim, black, grey, khaki."""
    colours: list[Colour] = [(0.05, 0.07, 0.13), (0.02, 0.02, 0.024), (0.1, 0.1, 0.105), (0.25, 0.2, 0.13)]
    colour = near(rng, colours[int(rng.choice(4, p=[0.4, 0.3, 0.15, 0.15]))], 0.35)
    return Material("trousers", "fabric", colour, tile_m=0.5, lidar_reflectivity=float(rng.uniform(0.12, 0.6)))


def leather(rng: np.random.Generator) -> Material:
    """Shoes and bags: black, brown, white."""
    colours: list[Colour] = [(0.02, 0.02, 0.02), (0.1, 0.05, 0.025), (0.6, 0.6, 0.58)]
    colour = near(rng, colours[int(rng.choice(3, p=[0.5, 0.25, 0.25]))], 0.3)
    return Material("leather", "plain", colour, gloss=0.03, lidar_reflectivity=float(rng.uniform(0.15, 0.5)))


def skin(rng: np.random.Generator) -> Material:
    """Skin from pale to dark."""
    depth = float(rng.beta(1.5, 1.5))
    pale, dark = np.array([0.62, 0.4, 0.3]), np.array([0.12, 0.06, 0.04])
    mixed = pale + depth * (dark - pale)
    return Material(
        "skin", "skin", (float(mixed[0]), float(mixed[1]), float(mixed[2])), lidar_reflectivity=0.5 - 0.1 * depth
    )


def street_enamel(rng: np.random.Generator) -> Material:
    """Paint of street furniture: mostly grey, green, black."""
    colours: list[Colour] = [
        (0.05, 0.055, 0.05),
        (0.03, 0.08, 0.05),
        (0.25, 0.26, 0.27),
        (0.12, 0.12, 0.13),
        (0.4, 0.03, 0.02),
    ]
    colour = near(rng, colours[int(rng.choice(5, p=[0.3, 0.2, 0.25, 0.2, 0.05]))])
    return Material("street enamel", "paint", colour, gloss=0.03, lidar_reflectivity=float(rng.uniform(0.1, 0.5)))
