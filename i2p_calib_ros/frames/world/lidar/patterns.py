"""Where and when the beams of common LiDARs look, from their data sheets.

LiDAR frame: x forward, y left, z up. Azimuth counts from x towards y, elevation upwards; rings count from the lowest
beam up. A turning sensor starts its sweep at the rear and turns clockwise seen from above, as all of these do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DataSheet:
    """What a data sheet says of ranging.

    near_m, far_m: shortest and longest range; dark_range_m: range up to which a target of 10 % diffuse reflectivity is
    seen; noise_m: standard deviation of a range; divergence_rad: full angle of a beam.
    """

    near_m: float
    far_m: float
    dark_range_m: float
    noise_m: float
    divergence_rad: float


@dataclass(frozen=True, eq=False)
class Beams:
    """The pulses of one sweep. Neighbours along the columns are neighbours in space.

    directions (columns, beams, 3) unit float32 in the LiDAR frame at the moment of each pulse; time_offset_s (columns,
    beams) from the start of the sweep; ring (beams,).
    """

    directions: NDArray[np.float32]
    time_offset_s: FloatArray
    ring: NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class ScanPattern(ABC):
    """One model of sensor: `rate_hz` sweeps a second."""

    name: str
    rate_hz: float
    sheet: DataSheet

    @property
    @abstractmethod
    def rings(self) -> int:
        """Number of beams."""

    @property
    @abstractmethod
    def half_angle_deg(self) -> float:
        """How far from its x axis the sensor looks to the left and to the right."""

    @abstractmethod
    def beams(self, start_s: float) -> Beams:
        """The pulses of the sweep that starts at `start_s`."""


@dataclass(frozen=True, eq=False)
class SpinningPattern(ScanPattern):
    """A head that turns: every `column_s` all beams fire once, at their own time, elevation and azimuth offset.

    elevation_deg, azimuth_offset_deg, firing_s (beams,): from the lowest beam up; firing_s from the start of a column.
    """

    column_s: float
    elevation_deg: FloatArray
    azimuth_offset_deg: FloatArray
    firing_s: FloatArray

    @property
    def rings(self) -> int:
        """Number of beams."""
        return len(self.elevation_deg)

    @property
    def half_angle_deg(self) -> float:
        """All around."""
        return 180.0

    @property
    def columns(self) -> int:
        """Columns of one turn."""
        return round(1 / (self.rate_hz * self.column_s))

    @property
    def azimuth_step_deg(self) -> float:
        """Angle between columns."""
        return 360.0 * self.rate_hz * self.column_s

    def beams(self, start_s: float) -> Beams:
        """One turn. Columns fall where the clock of the sensor lets them, not at the same angles in every turn."""
        phase_s = -start_s % self.column_s
        time_s = phase_s + self.column_s * np.arange(self.columns)[:, None] + self.firing_s
        azimuth = np.pi - 2 * np.pi * self.rate_hz * time_s + np.deg2rad(self.azimuth_offset_deg)
        azimuth, elevation = azimuth.astype(np.float32), np.deg2rad(self.elevation_deg).astype(np.float32)
        directions = np.empty((*time_s.shape, 3), dtype=np.float32)
        directions[..., 0] = np.cos(azimuth) * np.cos(elevation)
        directions[..., 1] = np.sin(azimuth) * np.cos(elevation)
        directions[..., 2] = np.sin(elevation)
        return Beams(directions, time_s, np.arange(self.rings, dtype=np.uint16))


@dataclass(frozen=True, eq=False)
class RosettePattern(ScanPattern):
    """One beam bent by two prisms that turn against each other: a rosette that never repeats.

    points_per_s; prism_deg: angle by which each prism bends the beam; prism_hz: turns a second of the two prisms.
    """

    points_per_s: float
    prism_deg: float
    prism_hz: tuple[float, float]

    @property
    def rings(self) -> int:
        """One beam."""
        return 1

    @property
    def half_angle_deg(self) -> float:
        """Half the round field of view."""
        return 2 * self.prism_deg

    def beams(self, start_s: float) -> Beams:
        """What is drawn during one period of the output rate."""
        time_s = np.arange(round(self.points_per_s / self.rate_hz))[:, None] / self.points_per_s
        turn = 2 * np.pi * (start_s + time_s[..., None]) * np.array(self.prism_hz)
        left = np.deg2rad(self.prism_deg) * np.cos(turn).sum(axis=-1)
        up = np.deg2rad(self.prism_deg) * np.sin(turn).sum(axis=-1)
        bent = np.hypot(left, up)
        sideways = np.sinc(bent / np.pi)
        directions = np.stack([np.cos(bent), left * sideways, up * sideways], axis=-1).astype(np.float32)
        return Beams(directions, time_s, np.zeros(1, dtype=np.uint16))


def _spinning(
    name: str,
    sheet: DataSheet,
    column_s: float,
    elevation_deg: ArrayLike,
    azimuth_offset_deg: ArrayLike = 0.0,
    firing_s: ArrayLike = 0.0,
) -> SpinningPattern:
    """A 10 Hz pattern from a table in any order of the beams."""
    elevation = np.asarray(elevation_deg, dtype=np.float64)
    order = np.argsort(elevation, kind="stable")
    offset = np.broadcast_to(np.asarray(azimuth_offset_deg, dtype=np.float64), elevation.shape)
    firing = np.broadcast_to(np.asarray(firing_s, dtype=np.float64), elevation.shape)
    return SpinningPattern(name, 10.0, sheet, column_s, elevation[order], offset[order], firing[order])


def _interleaved(lowest_deg: float, step_deg: float, beams: int) -> FloatArray:
    """Elevations in the order of firing of Velodyne's smaller sensors: lower and upper half by turns."""
    elevation: FloatArray = lowest_deg + step_deg * np.arange(beams, dtype=np.float64)
    return elevation.reshape(2, -1).T.ravel()


# Velodyne HDL-64E S3 manual (63-HDL64ES3): two blocks of 32, 1/3 deg apart above and 1/2 deg below, a laser of each
# block at a time; 0.1728 deg at 10 Hz; 50 m on pavement (10 %), 120 m on cars; 2 mrad.
_HDL64E = _spinning(
    "HDL-64E",
    DataSheet(near_m=0.9, far_m=120.0, dark_range_m=50.0, noise_m=0.015, divergence_rad=0.002),
    column_s=48.0e-6,
    elevation_deg=[*(2.0 - np.arange(32) / 3), *(-8.83 - np.arange(32) / 2)],
    firing_s=[*(1.5e-6 * np.arange(32)), *(1.5e-6 * np.arange(32))],
)
# Velodyne HDL-32E manual (63-9113): 1.152 us a laser, 46.08 us a column.
_HDL32E = _spinning(
    "HDL-32E",
    DataSheet(near_m=1.0, far_m=100.0, dark_range_m=40.0, noise_m=0.02, divergence_rad=0.0028),
    column_s=46.08e-6,
    elevation_deg=_interleaved(-30.67, 4 / 3, 32),
    firing_s=1.152e-6 * np.arange(32),
)
# Velodyne VLP-16 manual (63-9243): 2.304 us a laser, 55.296 us a column.
_VLP16 = _spinning(
    "VLP-16",
    DataSheet(near_m=0.5, far_m=100.0, dark_range_m=45.0, noise_m=0.015, divergence_rad=0.003),
    column_s=55.296e-6,
    elevation_deg=_interleaved(-15.0, 2.0, 16),
    firing_s=2.304e-6 * np.arange(16),
)
# Hesai Pandar64 user manual (640-en): channels 1 to 64 from the top; 0.2 deg at 10 Hz.
_PANDAR64_ELEVATION_DEG = [
    14.882, 11.032, 8.059, 5.057, 3.040, 2.028, 1.860, 1.688, 1.522, 1.351, 1.184, 1.013, 0.846, 0.675, 0.508, 0.337,
    0.169, 0.000, -0.169, -0.337, -0.508, -0.675, -0.845, -1.013, -1.184, -1.351, -1.522, -1.688, -1.860, -2.028,
    -2.198, -2.365, -2.536, -2.700, -2.873, -3.040, -3.210, -3.375, -3.548, -3.712, -3.884, -4.050, -4.221, -4.385,
    -4.558, -4.720, -4.892, -5.057, -5.229, -5.391, -5.565, -5.726, -5.898, -6.061, -7.063, -8.059, -9.060, -9.885,
    -11.032, -12.006, -12.974, -13.930, -18.889, -24.897,
]
_PANDAR64 = _spinning(
    "Pandar64",
    DataSheet(near_m=0.3, far_m=200.0, dark_range_m=200.0, noise_m=0.01, divergence_rad=0.0025),
    column_s=55.556e-6,
    elevation_deg=_PANDAR64_ELEVATION_DEG,
    azimuth_offset_deg=-np.array([-1.042] * 6 + [1.042, 3.125, 5.208, -5.208, -3.125, -1.042] * 8 + [-1.042] * 10),
    firing_s=0.6e-6 * np.arange(64),
)
# Ouster OS1 data sheets (gen 1 with 64 beams, rev 6 with 128): all beams at once, 1024 columns a turn, each fourth
# beam in one vertical line.
_OS1_64 = _spinning(
    "OS1-64",
    DataSheet(near_m=0.8, far_m=120.0, dark_range_m=40.0, noise_m=0.02, divergence_rad=0.0031),
    column_s=0.1 / 1024,
    elevation_deg=np.linspace(16.6, -16.6, 64),
    azimuth_offset_deg=np.tile([3.164, 1.055, -1.055, -3.164], 16),
)
_OS1_128 = _spinning(
    "OS1-128",
    DataSheet(near_m=0.3, far_m=120.0, dark_range_m=45.0, noise_m=0.015, divergence_rad=0.0031),
    column_s=0.1 / 1024,
    elevation_deg=np.linspace(22.5, -22.5, 128),
    azimuth_offset_deg=np.tile([4.23, 1.41, -1.41, -4.23], 32),
)
# Livox Mid-40 user manual: 38.4 deg, 100,000 points a second, 90 m at 10 %. Speeds of the prisms: Liu, Wu, Wang,
# "Low-cost retina-like robotic lidars based on incommensurable scanning", IEEE/ASME T-Mech 2022.
_MID40 = RosettePattern(
    "Mid-40",
    10.0,
    DataSheet(near_m=1.0, far_m=260.0, dark_range_m=90.0, noise_m=0.02, divergence_rad=0.003),
    points_per_s=100_000.0,
    prism_deg=9.6,
    prism_hz=(7294.0 / 60, -4664.0 / 60),
)

PATTERNS: dict[str, ScanPattern] = {
    p.name: p for p in (_HDL64E, _HDL32E, _VLP16, _PANDAR64, _OS1_64, _OS1_128, _MID40)
}
