"""Sparse voxel grids: which voxels are occupied, who neighbours whom, and how the levels nest.

Perspective voxels are cells in (u, v, log depth) of the prior view, so that the grid has the structure of the pixel
grid at every range; metric voxels are cubes in the prior camera frame (the published baseline).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_KEY_BITS = 20
_OFFSETS = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(27, 3)


@dataclass(frozen=True)
class VoxelLevel:
    """One level: integer cells (n, 3), who neighbours whom, and the link to the next level.

    neighbours: for each of the first 13 of the 27 offsets of a 3x3x3 kernel, rows (2, pairs) of the voxels with a
    neighbour there and of these neighbours; for the other 13 the same pairs serve the other way round.
    children: (n_next * 8,) rows of this level, n for "empty"; slot: (n,) the place of each voxel in `children`.
    Both are None at the coarsest level.
    """

    cells: NDArray[np.int64]
    neighbours: list[NDArray[np.int64]]
    children: NDArray[np.int64] | None
    slot: NDArray[np.int64] | None


@dataclass(frozen=True)
class VoxelPyramid:
    """All levels, finest first, and `voxel_of_point` (n_points,): the row of the finest level each point lies in."""

    levels: list[VoxelLevel]
    voxel_of_point: NDArray[np.int64]


def build_pyramid(coordinates: NDArray[np.floating], levels: int) -> VoxelPyramid:
    """Voxelise points given in voxel units, (n, 3), into `levels` nested levels (each twice as coarse)."""
    cells_of_points = np.floor(coordinates).astype(np.int64)
    origin = cells_of_points.min(axis=0)
    # One free cell on every side, and an even origin, keep neighbour keys unique and the parents aligned.
    cells_of_points = cells_of_points - origin + 2
    keys, voxel_of_point = np.unique(_keys(cells_of_points), return_inverse=True)
    pyramid: list[VoxelLevel] = []
    for level in range(levels):
        cells = _cells(keys)
        neighbours = _neighbour_pairs(keys, cells)
        if level == levels - 1:
            pyramid.append(VoxelLevel(cells, neighbours, None, None))
            break
        octant = (cells[:, 0] & 1) * 4 + (cells[:, 1] & 1) * 2 + (cells[:, 2] & 1)
        parent_keys, parent = np.unique(_keys((cells >> 1) + 1), return_inverse=True)
        slot = parent * 8 + octant
        children = np.full(len(parent_keys) * 8, len(keys), dtype=np.int64)
        children[slot] = np.arange(len(keys))
        pyramid.append(VoxelLevel(cells, neighbours, children, slot))
        keys = parent_keys
    return VoxelPyramid(pyramid, voxel_of_point)


def _keys(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    return (cells[:, 0] << (2 * _KEY_BITS)) | (cells[:, 1] << _KEY_BITS) | cells[:, 2]


def _cells(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    mask = (1 << _KEY_BITS) - 1
    return np.stack([keys >> (2 * _KEY_BITS), (keys >> _KEY_BITS) & mask, keys & mask], axis=1)


def _neighbour_pairs(keys: NDArray[np.int64], cells: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    pairs = []
    for offset in _OFFSETS[:13]:
        wanted = _keys(cells + offset)
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        voxel = np.flatnonzero(keys[found] == wanted)
        pairs.append(np.stack([voxel, found[voxel]]))
    return pairs
