"""What the published network reads of a cloud: metric voxels, and two levels of point groups over all of it.

No prior enters: query points are drawn from the whole cloud, and any of them may be seen anywhere in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.network.config import Vp2pConfig
from i2p_calib_ros.network.inputs import NetworkInputs, TooFewPoints, normalise_image, rank_intensity
from i2p_calib_ros.network.voxel_branch import SparseLevel
from i2p_calib_ros.network.voxel_grid import build_pyramid

POINT_FEATURES = 7
"""x, y, z in units of 10 m, intensity as rank, normal: as published."""

_METRES_PER_UNIT = 10.0
_MAX_RANGE_M = 120.0
_NORMAL_NEIGHBOURS = 12
_LEAST_POINTS = 64
_CANDIDATES = 2048
_INTERPOLATED_FROM = 3


@dataclass(frozen=True)
class PointGroups:
    """One level of set abstraction over the points of the level below.

    centres (c, 3): metres. members (c, k): rows of the level below, in a ball around each centre. neighbours (c, n):
    rows of this level, nearest first. upward_rows (m, 3), upward_weights (m, 3): what each point of the level below
    (of the first level: each query point) is interpolated from.
    """

    centres: Tensor
    members: Tensor
    neighbours: Tensor
    upward_rows: Tensor
    upward_weights: Tensor

    def to(self, device: torch.device | str) -> PointGroups:
        """The same tables on a device."""
        return PointGroups(
            self.centres.to(device),
            self.members.to(device),
            self.neighbours.to(device),
            self.upward_rows.to(device),
            self.upward_weights.to(device),
        )


@dataclass(frozen=True)
class Vp2pInputs(NetworkInputs):
    """`NetworkInputs`, point_xyz (n, 3) metres, point_features (n, 7), and the levels of groups, finest first."""

    point_xyz: Tensor
    point_features: Tensor
    groups: list[PointGroups]


def prepare_vp2p_inputs(
    image: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    xyz: NDArray[np.floating],
    intensity: NDArray[np.floating] | None,
    view: PinholeView,
    config: Vp2pConfig,
    rng: np.random.Generator,
) -> Vp2pInputs:
    """Build the inputs of one frame from the view image (H, W, 3) RGB and the cloud (n, 3) in any frame, metres.

    valid: (H, W), where the view shows the camera's image. `rng` chooses points where there are too many. Raises
    TooFewPoints.
    """
    kept = np.flatnonzero(np.linalg.norm(xyz, axis=1) < _MAX_RANGE_M)
    if len(kept) > config.max_cloud_points:
        kept = np.sort(rng.choice(kept, config.max_cloud_points, replace=False))
    if len(kept) < _LEAST_POINTS:
        raise TooFewPoints(f"{len(kept)} points lie within {_MAX_RANGE_M:g} m; at least {_LEAST_POINTS} are needed")
    points = np.asarray(xyz[kept], dtype=np.float32)
    ranked, _ = rank_intensity(intensity, kept)
    features = np.column_stack([points / _METRES_PER_UNIT, 2.0 * (ranked - 0.5), _normals(points)]).astype(np.float32)

    pyramid = build_pyramid(points / config.voxel_size_m, len(config.voxel_widths))
    voxel = pyramid.voxel_of_point
    count = np.bincount(voxel)
    voxel_features = np.column_stack([np.bincount(voxel, weights=column) / count for column in features.T])
    query = rng.choice(len(points), config.query_points, replace=len(points) < config.query_points)
    return Vp2pInputs(
        view=view,
        image=normalise_image(image),
        valid=torch.from_numpy(np.ascontiguousarray(valid)),
        voxel_features=torch.from_numpy(voxel_features.astype(np.float32)),
        levels=[SparseLevel.of(level) for level in pyramid.levels],
        query_xyz=torch.from_numpy(points[query]),
        query_index=torch.from_numpy(kept[query]),
        query_voxel=torch.from_numpy(voxel[query]),
        prior_uv=torch.zeros(len(query), 2),
        prior_sigma_px=torch.full((len(query), 2), torch.inf),
        point_xyz=torch.from_numpy(points),
        point_features=torch.from_numpy(features),
        groups=_point_groups(points, points[query], config, rng),
    )


def _point_groups(
    points: NDArray[np.float32], queries: NDArray[np.float32], config: Vp2pConfig, rng: np.random.Generator
) -> list[PointGroups]:
    groups: list[PointGroups] = []
    below, readers = points, queries
    for level in config.point_levels:
        centres = below[_farthest_points(below, level.centres, rng)]
        tree = cKDTree(centres)
        neighbours = tree.query(centres, k=min(config.attention_neighbours, len(centres)))[1]
        distance, rows = tree.query(readers, k=_INTERPOLATED_FROM)
        weights = 1.0 / np.maximum(distance, 1e-3)
        weights /= weights.sum(axis=1, keepdims=True)
        groups.append(
            PointGroups(
                centres=torch.from_numpy(centres),
                members=torch.from_numpy(_ball_members(centres, below, level.radius_m, level.members, rng)),
                neighbours=torch.from_numpy(neighbours),
                upward_rows=torch.from_numpy(rows),
                upward_weights=torch.from_numpy(weights.astype(np.float32)),
            )
        )
        below = readers = centres
    return groups


def _normals(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit normals (n, 3) of planes through the nearest points, turned towards the origin."""
    _, rows = cKDTree(points).query(points, k=_NORMAL_NEIGHBOURS)
    offset = points[rows] - points[rows].mean(axis=1, keepdims=True)
    normal = np.linalg.eigh(np.einsum("nki,nkj->nij", offset, offset))[1][:, :, 0]
    return np.where(np.sum(normal * points, axis=1, keepdims=True) > 0, -normal, normal)


def _farthest_points(points: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of points that are far from each other, out of four times as many random ones."""
    candidates = rng.permutation(len(points))[: 4 * count]
    count = min(count, len(candidates))
    xyz = points[candidates]
    chosen = np.zeros(count, dtype=np.int64)
    distance = np.full(len(xyz), np.inf, dtype=np.float32)
    for i in range(1, count):
        distance = np.minimum(distance, np.sum((xyz - xyz[chosen[i - 1]]) ** 2, axis=1))
        chosen[i] = np.argmax(distance)
    return candidates[chosen]


def _ball_members(
    centres: NDArray[np.float32], below: NDArray[np.float32], radius_m: float, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """For every centre, rows (c, count) of random points within the radius; the nearest one where there are fewer."""
    candidates = rng.permutation(len(below))[:_CANDIDATES]
    xyz = below[candidates]
    squared = np.sum(centres**2, axis=1)[:, None] - 2.0 * centres @ xyz.T + np.sum(xyz**2, axis=1)
    far = squared > radius_m**2
    order = rng.random(far.shape, dtype=np.float32) + far
    count = min(count, len(candidates))
    members = np.argpartition(order, count - 1, axis=1)[:, :count]
    missing = np.take_along_axis(far, members, axis=1)
    members = np.where(missing, np.argmin(squared, axis=1)[:, None], members)
    return candidates[members]
