"""Where a LiDAR cloud has edges: points beside a depth jump, and jumps of intensity on one surface."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

_COLUMN_DEG = 0.2  # the usual step between two shots of one beam
_ROW_DEG = (0.2, 2.0)  # 128 to 16 beams
_GAP_COLUMNS = (3, 6)  # a scan of 512 shots a turn fills one column in four
_MAX_GAP_DEG = 0.9  # an edge is known no better than the gap between the beams around it

_JUMP_M = 0.5
_JUMP_RELATIVE = 0.06
_JUMP_OVER_SLOPE = 3.0  # on grazing ground the range also jumps from beam to beam, but by alike steps

_SAME_SURFACE_RELATIVE = 0.02
_INTENSITY_JUMP = 2.5  # in units of the typical jump of the cloud
_INTENSITY_SHARE = 0.5  # of the weight of a depth edge: paint is seen, but so are shadows


@dataclass(frozen=True, eq=False)
class CloudEdges:
    """Edge points xyz (n, 3) in the LiDAR frame; `across` (n, 3), unit, at right angles to the ray and to the edge
    as far as the scan tells; weight (n,)."""

    xyz: FloatArray
    across: FloatArray
    weight: FloatArray


def find_edges(
    xyz: npt.NDArray[np.floating],
    intensity: npt.NDArray[np.floating] | None,
    forward: npt.ArrayLike,
    ring: npt.NDArray[np.integer] | None = None,
) -> CloudEdges:
    """Edges of a cloud (n, 3) seen from its origin, ordered or not, of 16 to 128 beams or of another pattern.

    The cloud is laid out as a range image in azimuth and elevation (or ring), and each point compared with the next
    measured ones to its sides and above and below it. Of a depth jump the nearer side is the edge: it belongs to the
    surface that the camera sees end. Directions without a return say nothing. `forward` (3,) is the direction, in the
    LiDAR frame, away from which the range image is cut open. As in Levinson and Thrun, "Automatic Online Calibration
    of Cameras and Lasers", 2013, but also between beams, and with grazing surfaces left out.
    """
    xyz = np.asarray(xyz, dtype=np.float32)
    if len(xyz) == 0:
        return CloudEdges(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
    row_deg, row, column = _layout(xyz, np.asarray(forward, dtype=np.float64), ring)
    distance = np.sqrt(np.einsum("ij,ij->i", xyz, xyz))
    shape = int(row.max()) + 1, int(column.max()) + 1

    farthest_first = np.argsort(-distance, kind="stable")
    index = np.full(shape, -1, dtype=np.intp)
    index[row[farthest_first], column[farthest_first]] = farthest_first  # the last one written stays
    rows, columns = np.nonzero(index >= 0)
    point = index[rows, columns]
    own = distance[point]
    image = np.full(shape, np.nan, dtype=np.float32)
    image[rows, columns] = own

    found: list[tuple[npt.NDArray[np.intp], FloatArray, bool]] = []
    filled = np.count_nonzero((index >= 0).any(axis=0)) / shape[1]
    gap_columns = int(np.clip(np.ceil(1.5 / filled), *_GAP_COLUMNS))
    gap_rows = max(1, int(_MAX_GAP_DEG / row_deg)) if row_deg <= _MAX_GAP_DEG else 0
    for vertical, gap in ((False, gap_columns), (True, gap_rows)):
        if not gap:
            continue
        before, after = (_next_value(image, vertical, gap, sign)[rows, columns] for sign in (-1, 1))
        jump = np.maximum(_jump(own, after, before), _jump(own, before, after))
        found.append((point[jump > 0], jump[jump > 0].astype(np.float64), vertical))

    if intensity is not None and np.ptp(intensity) > 0:
        values = np.full(shape, np.nan, dtype=np.float32)
        values[rows, columns] = np.sqrt(np.clip(intensity[point], 0.0, None))
        next_range = _next_value(image, False, gap_columns, 1)[rows, columns]
        change = np.abs(_next_value(values, False, gap_columns, 1)[rows, columns] - values[rows, columns])
        change[~(np.abs(next_range - own) < _SAME_SURFACE_RELATIVE * own)] = np.nan
        if np.isfinite(change).any():
            typical = max(float(np.sqrt(np.nanmean(change**2))), 1e-3)
            chosen = change > _INTENSITY_JUMP * typical
            weight = np.full(np.count_nonzero(chosen), _INTENSITY_SHARE)
            found.append((point[chosen], weight, False))

    chosen_points = np.concatenate([part[0] for part in found])
    weight = np.concatenate([part[1] for part in found])
    vertical_step = np.concatenate([np.full(len(part[0]), part[2]) for part in found])
    edges = xyz[chosen_points].astype(np.float64)
    return CloudEdges(edges, _across(edges, vertical_step), weight)


def _layout(
    xyz: Image, forward: FloatArray, ring: npt.NDArray[np.integer] | None
) -> tuple[float, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Degrees a row, and row and column of each point in the range image."""
    # Turning the azimuth's zero to `forward` puts the cut of the range image behind the camera.
    length = float(np.hypot(forward[0], forward[1]))
    c, s = (forward[0] / length, forward[1] / length) if length > 1e-6 else (1.0, 0.0)
    ahead, aside = xyz[:, 0] * c + xyz[:, 1] * s, xyz[:, 1] * c - xyz[:, 0] * s
    azimuth = np.asarray(cv2.phase(ahead, aside, angleInDegrees=True)).ravel()
    azimuth = np.where(azimuth > 180.0, azimuth - 360.0, azimuth)
    column = np.floor((azimuth - azimuth.min()) / _COLUMN_DEG).astype(np.intp)
    elevation = np.rad2deg(np.arctan2(xyz[:, 2], np.hypot(ahead, aside)))
    if ring is not None and len(np.unique(ring)) > 1:
        row = np.asarray(np.unique(ring, return_inverse=True)[1], dtype=np.intp)
        height = np.asarray(np.bincount(row, weights=elevation) / np.bincount(row), dtype=np.float64)
        rank = np.argsort(np.argsort(height))
        row_deg = max(float(np.median(np.diff(np.sort(height)))), 1e-3)
        return row_deg, rank[row], column
    low, high = np.percentile(elevation, [1, 99])
    beams_met = len(xyz) / np.count_nonzero(np.bincount(column))
    row_deg = float(np.clip((high - low) / beams_met, *_ROW_DEG))
    return row_deg, np.floor((elevation - elevation.min()) / row_deg).astype(np.intp), column


def _next_value(image: Image, vertical: bool, gap: int, sign: int) -> Image:
    """For each cell the nearest value that is not NaN among the `gap` cells after (sign 1) or before (-1) it."""
    result = np.full_like(image, np.nan)
    source, target = (image.T, result.T) if vertical else (image, result)
    for step in range(gap, 0, -1):
        if step >= source.shape[1]:
            continue
        here, there = (
            (slice(None, -step), slice(step, None)) if sign > 0 else (slice(step, None), slice(None, -step))
        )
        values = source[:, there]
        np.copyto(target[:, here], values, where=~np.isnan(values))
    return result


def _jump(own: Image, beyond: Image, opposite: Image) -> Image:
    """Weight 0..1 of the depth jump from `own` to `beyond`; 0 where it continues the slope from `opposite`."""
    rise = np.nan_to_num(beyond - own, nan=0.0)
    slope = np.maximum(np.nan_to_num(own - opposite, nan=0.0), 0.0)
    least = np.maximum(_JUMP_M, _JUMP_RELATIVE * own)
    is_jump = (rise > least) & (rise > _JUMP_OVER_SLOPE * slope)
    return np.where(is_jump, np.minimum(1.0, rise / (4 * least)), 0.0).astype(np.float32)


def _across(xyz: FloatArray, vertical_step: npt.NDArray[np.bool_]) -> FloatArray:
    """Unit direction of growing azimuth, or of growing elevation, at each point."""
    x, y, z = xyz.T
    flat = np.maximum(np.hypot(x, y), 1e-6)
    sideways = np.stack([-y / flat, x / flat, np.zeros_like(x)], axis=-1)
    upwards = np.stack([-x * z / flat, -y * z / flat, flat], axis=-1)
    upwards /= np.linalg.norm(upwards, axis=-1, keepdims=True)
    return np.where(vertical_step[:, None], upwards, sideways)
