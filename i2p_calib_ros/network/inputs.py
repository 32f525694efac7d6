"""From a view image and a cloud to what the network reads: normalised image, voxel pyramid, query points."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.geometry.visibility import visible_points
from i2p_calib_ros.network.config import NetworkConfig
from i2p_calib_ros.network.spread import PriorSpread
from i2p_calib_ros.network.voxel_branch import SparseLevel
from i2p_calib_ros.network.voxel_grid import VoxelLevel, build_pyramid

if TYPE_CHECKING:
    from typing_extensions import Self

VOXEL_FEATURES = 14
NEIGHBOUR_FEATURES = 10
_MIN_DEPTH_M = 0.5
_MAX_DEPTH_M = 120.0
_UNKNOWN_INTENSITY = 0.5


class TooFewPoints(ValueError):
    """The view of the prior holds too few points for a match; the frame has to be skipped."""


@dataclass(frozen=True)
class NetworkInputs:
    """Tensors of one frame. Points are in the prior camera frame; `q` counts query points, `v` voxels.

    image (1, 3, H, W); voxel_features (v, c); levels; query_xyz (q, 3) metres; query_index (q,) rows of the given
    cloud; query_voxel (q,); prior_uv (q, 2) and prior_sigma_px (q, 2): the projection that the prior expects and its
    standard deviation in view pixels, infinite where there is no prior; valid (H, W): the pixels of the view that show
    a part of the image.
    """

    view: PinholeView
    image: Tensor
    voxel_features: Tensor
    levels: list[SparseLevel]
    query_xyz: Tensor
    query_index: Tensor
    query_voxel: Tensor
    prior_uv: Tensor
    prior_sigma_px: Tensor
    valid: Tensor

    def to(self, device: torch.device | str) -> Self:
        """The same inputs on a device."""
        moved: dict[str, object] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Tensor):
                moved[f.name] = value.to(device)
            elif isinstance(value, list):
                moved[f.name] = [tables.to(device) for tables in value]
        return replace(self, **moved)  # type: ignore[arg-type]


@dataclass(frozen=True)
class VppInputs(NetworkInputs):
    """`NetworkInputs` with voxel_features (v, 14), and coarse_uv (v_coarse, 2) view pixels, neighbours (q, k, 10)."""

    coarse_uv: Tensor
    neighbours: Tensor


def prepare_vpp_inputs(
    image: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    xyz_prior: NDArray[np.floating],
    intensity: NDArray[np.floating] | None,
    view: PinholeView,
    spread: PriorSpread,
    config: NetworkConfig,
    rng: np.random.Generator,
) -> VppInputs:
    """Build the inputs of one frame.

    image: (H, W, 3) RGB of the view. valid: (H, W), where it shows the camera's image. xyz_prior: (n, 3) metres, the
    cloud in the prior camera frame. intensity: (n,) of any scale, or None. `rng` chooses points where there are too
    many. Raises TooFewPoints.
    """
    kept = np.flatnonzero(_near_view(xyz_prior, view, spread))
    if len(kept) > config.max_cloud_points:
        kept = np.sort(rng.choice(kept, config.max_cloud_points, replace=False))
    if len(kept) < 4 * config.neighbours:
        raise TooFewPoints(
            f"{len(kept)} points lie in or near the view; at least {4 * config.neighbours} are needed"
        )
    xyz = np.asarray(xyz_prior[kept], dtype=np.float32)
    ranked, known = rank_intensity(intensity, kept)
    uv, depth_m = view.project(xyz)
    log_depth = np.log(depth_m).astype(np.float32)

    perspective = np.column_stack(
        [uv / config.voxel_size_px, log_depth[:, None] / config.voxel_size_log_depth]
    ).astype(np.float32)
    coordinates = perspective if config.voxel_kind == "perspective" else xyz / config.voxel_size_m
    pyramid = build_pyramid(coordinates, len(config.voxel_widths))
    voxel = pyramid.voxel_of_point
    n_voxels = len(pyramid.levels[0].cells)
    voxel_features = _voxel_features(coordinates, xyz, log_depth, ranked, known, voxel, n_voxels, spread)
    coarse_uv = _coarse_positions(pyramid.levels, voxel, uv)

    candidates = np.flatnonzero(visible_points(uv, depth_m, view.width, view.height))
    if len(candidates) < 4 * config.neighbours:
        raise TooFewPoints(f"only {len(candidates)} points are visible from the prior camera")
    query = rng.choice(candidates, config.query_points, replace=len(candidates) < config.query_points)
    neighbours = _neighbour_features(query, perspective, xyz, ranked, known, config)
    return VppInputs(
        view=view,
        image=normalise_image(image),
        valid=torch.from_numpy(np.ascontiguousarray(valid)),
        voxel_features=torch.from_numpy(voxel_features),
        levels=[SparseLevel.of(level) for level in pyramid.levels],
        coarse_uv=torch.from_numpy(coarse_uv),
        query_xyz=torch.from_numpy(xyz[query]),
        query_index=torch.from_numpy(kept[query]),
        query_voxel=torch.from_numpy(voxel[query]),
        neighbours=torch.from_numpy(neighbours),
        prior_uv=torch.from_numpy(uv[query].astype(np.float32)),
        prior_sigma_px=torch.from_numpy(prior_sigma_px(xyz[query], view, spread)),
    )


def normalise_image(image: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) RGB -> (1, 3, H, W), zero mean and unit deviation over the frame: exposure and gain drop out."""
    x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float()[None]
    return (x - x.mean()) / (x.std() + 1.0)


def prior_sigma_px(xyz: NDArray[np.floating], view: PinholeView, spread: PriorSpread) -> NDArray[np.float32]:
    """Standard deviation (n, 2) of each point's projection under the prior, first order, in view pixels."""
    x, y = xyz[:, 0] / xyz[:, 2], xyz[:, 1] / xyz[:, 2]
    inverse_depth = 1.0 / xyz[:, 2]
    # Jacobian of the projection with respect to a left twist (rho, phi); all six components are independent.
    var_u = spread.translation_m**2 * inverse_depth**2 * (1 + x**2)
    var_u += spread.rotation_rad**2 * ((x * y) ** 2 + (1 + x**2) ** 2 + y**2)
    var_v = spread.translation_m**2 * inverse_depth**2 * (1 + y**2)
    var_v += spread.rotation_rad**2 * ((1 + y**2) ** 2 + (x * y) ** 2 + x**2)
    return np.sqrt(np.column_stack([var_u * view.fx**2, var_v * view.fy**2])).astype(np.float32)


def _near_view(xyz: NDArray[np.floating], view: PinholeView, spread: PriorSpread) -> NDArray[np.bool_]:
    z = xyz[:, 2]
    ahead = (z > _MIN_DEPTH_M) & (z < _MAX_DEPTH_M)
    reach = np.sqrt(3.0) * (spread.rotation_rad + spread.translation_m / 8.0)
    margin_px = view.fx * reach + 16.0
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = view.fx * xyz[:, 0] / z + view.cx, view.fy * xyz[:, 1] / z + view.cy
    inside_u = (u > -margin_px) & (u < view.width + margin_px)
    return ahead & inside_u & (v > -margin_px) & (v < view.height + margin_px)


def rank_intensity(
    intensity: NDArray[np.floating] | None, kept: NDArray[np.int64]
) -> tuple[NDArray[np.float32], float]:
    """Intensity (k,) of the rows `kept` as rank 0..1 within the frame, and whether it is known (1.0 or 0.0).

    Every sensor has its own scale; the order is what they share.
    """
    if intensity is None:
        return np.full(len(kept), _UNKNOWN_INTENSITY, dtype=np.float32), 0.0
    values = intensity[kept]
    levels = np.unique(np.quantile(values, np.linspace(0, 1, 65)))
    if len(levels) < 3:
        return np.full(len(kept), _UNKNOWN_INTENSITY, dtype=np.float32), 0.0
    return np.interp(values, levels, np.linspace(0, 1, len(levels))).astype(np.float32), 1.0


def _voxel_features(
    coordinates: NDArray[np.float32],
    xyz: NDArray[np.float32],
    log_depth: NDArray[np.float32],
    intensity: NDArray[np.float32],
    intensity_known: float,
    voxel: NDArray[np.int64],
    n_voxels: int,
    spread: PriorSpread,
) -> NDArray[np.float32]:
    count = np.bincount(voxel, minlength=n_voxels).astype(np.float32)

    def mean(values: NDArray[np.floating]) -> NDArray[np.float32]:
        return (np.bincount(voxel, weights=values, minlength=n_voxels) / count).astype(np.float32)

    def deviation(values: NDArray[np.floating], means: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.sqrt(mean((values - means[voxel]) ** 2)).astype(np.float32)

    offset = coordinates - np.floor(coordinates) - 0.5
    mean_intensity, mean_log_depth, mean_y = mean(intensity), mean(log_depth), mean(xyz[:, 1])
    columns: list[NDArray[np.floating]] = [mean(offset[:, axis]) for axis in range(3)]
    columns += [deviation(offset[:, axis], columns[axis]) for axis in range(3)]
    columns += [
        np.log(count) / 2.0,
        (mean_log_depth - 2.5),
        np.clip(mean_y, -10.0, 10.0) / 3.0,
        2.0 * (mean_intensity - 0.5),
        4.0 * deviation(intensity, mean_intensity),
        np.full(n_voxels, intensity_known, dtype=np.float32),
        np.full(n_voxels, np.log(spread.rotation_rad / 0.03), dtype=np.float32),
        np.full(n_voxels, np.log(spread.translation_m / 0.1), dtype=np.float32),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _coarse_positions(
    levels: list[VoxelLevel], voxel: NDArray[np.int64], uv: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Mean view position (pixels) of the points of every coarsest voxel."""
    row = voxel
    for level in levels:
        if level.slot is not None:
            row = level.slot[row] // 8
    n = len(levels[-1].cells)
    count = np.bincount(row, minlength=n)
    return np.column_stack(
        [np.bincount(row, weights=uv[:, axis], minlength=n) / count for axis in (0, 1)]
    ).astype(np.float32)


def _neighbour_features(
    query: NDArray[np.int64],
    perspective: NDArray[np.float32],
    xyz: NDArray[np.float32],
    intensity: NDArray[np.float32],
    intensity_known: float,
    config: NetworkConfig,
) -> NDArray[np.float32]:
    tree = cKDTree(perspective, balanced_tree=False, compact_nodes=False)
    _, rows = tree.query(perspective[query], k=config.neighbours)
    metric = (xyz[rows] - xyz[query][:, None]) / xyz[query][:, None, 2:]
    offset = perspective[rows] - perspective[query][:, None]
    columns = [
        np.clip(offset, -8.0, 8.0) / 2.0,
        np.clip(metric * 50.0, -8.0, 8.0),
        (intensity[rows] - 0.5)[..., None] * 2.0,
        (intensity[rows] - intensity[query][:, None])[..., None] * 4.0,
        np.broadcast_to((np.log(xyz[query, 2]) - 2.5)[:, None, None], (*rows.shape, 1)),
        np.full((*rows.shape, 1), intensity_known, dtype=np.float32),
    ]
    return np.concatenate(columns, axis=-1).astype(np.float32)
