"""Training samples: a frame seen by a random virtual camera, a prior that is wrong by a known amount, and labels.

The virtual camera (rotation, zoom, crop, flip) keeps the network from learning where the road usually is in one rig;
the prior error covers all six degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import inside_image
from i2p_calib_ros.geometry.view import PinholeView, ViewRenderer
from i2p_calib_ros.geometry.visibility import visible_points
from i2p_calib_ros.network.architectures import prepare_inputs
from i2p_calib_ros.network.config import FINE_STRIDE, VIEW_MULTIPLE, AnyNetworkConfig
from i2p_calib_ros.network.inputs import NetworkInputs
from i2p_calib_ros.network.spread import (
    CLOSE_STARTS,
    COARSE_STARTS,
    FINE_STARTS,
    GLOBAL_SPREAD,
    PriorSpread,
    StartRange,
    random_global_error,
    spread_of_bounds,
)
from i2p_calib_ros.posterior.match_field import valid_cells

_LOST_SHARE = 0.06  # of the samples that are not close
_CLOSE_SHARE = 0.6


@dataclass(frozen=True)
class TrainingSample:
    """Inputs, and the truth about them.

    T_true_prior (4, 4): maps the prior camera frame to the true one. spread: the prior that the network is told.
    lost: the prior looks another way, so what the network is told is wrong and no pose is to be found from there.
    T_near_prior (4, 4) and near_spread: a pose near the truth, where the fine stage looks, and how near it is.
    For the query points: true_cell (q, 2) column and row in feature cells, true_fine_cell (q, 2) the same in cells of
    the fine stage, true_log_depth (q,), visible (q,) and outside (q,) masks: outside of the image, whether or not the
    view goes on there (neither: occluded, ignored).
    surface (h, w): 1 where a cell shows a surface that the LiDAR sees, 0 where not, NaN where unknown.
    """

    inputs: NetworkInputs
    spread: PriorSpread
    lost: bool
    T_true_prior: NDArray[np.float64]
    near_spread: PriorSpread
    T_near_prior: NDArray[np.float64]
    true_cell: Tensor
    true_fine_cell: Tensor
    true_log_depth: Tensor
    visible: Tensor
    outside: Tensor
    surface: Tensor

    def to(self, device: torch.device) -> TrainingSample:
        """The same sample with its tensors on a device."""
        moved = {f.name: v.to(device) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        return replace(self, inputs=self.inputs.to(device), **moved)  # type: ignore[arg-type]


def make_sample(
    frame: Frame, T_camera_lidar: NDArray[np.float64], config: AnyNetworkConfig, rng: np.random.Generator
) -> TrainingSample:
    """One augmented sample of `frame`, whose true extrinsic is `T_camera_lidar`."""
    close = config.close_view_ratio > 1 and rng.random() < _CLOSE_SHARE
    view, R_view_camera = random_view(config.view_of(frame.camera, close), rng)
    renderer = ViewRenderer(frame.camera, view, R_view_camera)
    image = renderer(frame.image)
    T_view_camera = np.eye(4)
    T_view_camera[:3, :3] = R_view_camera
    xyz_true = se3.transform_points(T_view_camera @ T_camera_lidar, frame.xyz)
    valid = renderer.valid
    if rng.random() < 0.5:
        image, valid = image[:, ::-1], valid[:, ::-1]
        xyz_true = xyz_true * np.array([-1.0, 1.0, 1.0])
        view = PinholeView(view.width, view.height, view.fx, view.fy, view.width - 1 - view.cx, view.cy)
    image = jitter_image(image, rng)

    surface = _surface_labels(xyz_true, valid, view, config.stride)
    kept = _thin_cloud(frame.xyz, rng)
    xyz_true = xyz_true[kept]
    intensity = None if frame.intensity is None else _jitter_intensity(frame.intensity[kept], rng)

    lost = config.knows_prior and not close and rng.random() < _LOST_SHARE
    if config.knows_prior:
        T_prior_true, spread = random_start_error(CLOSE_STARTS if close else COARSE_STARTS, rng)
    else:
        T_prior_true, spread = random_global_error(rng), GLOBAL_SPREAD
    if lost:
        T_prior_true = random_heading(rng) @ T_prior_true
    T_near_true, near_spread = random_fine_start_error(rng)
    xyz_prior = se3.transform_points(T_prior_true, xyz_true)
    inputs = prepare_inputs(image, valid, xyz_prior, intensity, view, spread, config, rng)
    query = inputs.query_index.numpy()

    uv, depth_m = view.project(xyz_true)
    seen = visible_points(uv, depth_m, view.width, view.height)[query]
    uv, depth_m = uv[query], depth_m[query]
    in_view = (depth_m > 0.1) & inside_image(uv, view.width, view.height)
    uv = np.where(in_view[:, None], uv, 0.0)
    true_cell = _cell_of(uv, config.stride)
    shown = valid_cells(inputs.valid, config.stride).numpy()
    column, row = np.clip(np.round(true_cell).astype(int), 0, np.array(shown.shape[::-1]) - 1).T
    inside = in_view & shown[row, column]
    T_true_prior = se3.inverse(T_prior_true)
    return TrainingSample(
        inputs=inputs,
        spread=spread,
        lost=lost,
        T_true_prior=T_true_prior,
        near_spread=near_spread,
        T_near_prior=T_near_true @ T_true_prior,
        true_cell=torch.from_numpy(true_cell),
        true_fine_cell=torch.from_numpy(_cell_of(uv, FINE_STRIDE)),
        true_log_depth=torch.from_numpy(np.log(np.maximum(depth_m, 0.1)).astype(np.float32)),
        visible=torch.from_numpy(inside & seen),
        outside=torch.from_numpy(~inside),
        surface=torch.from_numpy(surface),
    )


def random_view(canonical: PinholeView, rng: np.random.Generator) -> tuple[PinholeView, NDArray[np.float64]]:
    """A virtual camera inside the canonical view of the real one, and its rotation R_view_camera (3, 3)."""
    if rng.random() < 0.25:
        return canonical, np.eye(3)
    pixels = canonical.width * canonical.height * rng.uniform(0.65, 1.05)
    aspect = np.exp(rng.uniform(np.log(1.25), np.log(3.4)))
    width, height = (
        VIEW_MULTIPLE * max(4, round(side / VIEW_MULTIPLE))
        for side in (np.sqrt(pixels * aspect), np.sqrt(pixels / aspect))
    )
    half_tan_u = canonical.width / 2 / canonical.fx * rng.uniform(0.55, 1.05)
    half_tan_v = canonical.height / 2 / canonical.fy * 1.1
    focal = max(width / 2 / half_tan_u, height / 2 / half_tan_v)
    view = PinholeView(
        width,
        height,
        focal,
        focal,
        (width - 1) / 2 + rng.uniform(-0.06, 0.06) * width,
        (height - 1) / 2 + rng.uniform(-0.06, 0.06) * height,
    )
    # The further the view is zoomed in, the more it may look around without leaving the image.
    free_u = np.rad2deg(np.arctan(canonical.width / 2 / canonical.fx) - np.arctan(width / 2 / focal))
    free_v = np.rad2deg(np.arctan(canonical.height / 2 / canonical.fy) - np.arctan(height / 2 / focal))
    yaw = rng.uniform(-1, 1) * (max(free_u, 0.0) + 4.0)
    pitch = rng.uniform(-1, 1) * (max(free_v, 0.0) + 3.0)
    roll = rng.normal(0.0, 4.0)
    R = se3.exp(np.deg2rad(np.array([0.0, 0.0, 0.0, pitch, yaw, 0.0])))[:3, :3]
    return view, se3.exp(np.deg2rad(np.array([0.0, 0.0, 0.0, 0.0, 0.0, roll])))[:3, :3] @ R


def random_start_error(starts: StartRange, rng: np.random.Generator) -> tuple[NDArray[np.float64], PriorSpread]:
    """T_prior_true (4, 4), uniform about every axis within bounds drawn from `starts`."""
    if rng.random() < 0.3:
        return _random_error(1.0, 1.0, starts, rng)
    return _random_error(rng.random(), rng.random(), starts, rng)


def random_heading(rng: np.random.Generator) -> NDArray[np.float64]:
    """T (4, 4) that turns the camera about its y axis by 30 degrees or more."""
    return se3.from_rotation_vector(np.zeros(3), [0.0, np.deg2rad(rng.uniform(30.0, 330.0)), 0.0])


def random_fine_start_error(rng: np.random.Generator) -> tuple[NDArray[np.float64], PriorSpread]:
    """T_near_true (4, 4), uniform about every axis within bounds drawn from FINE_STARTS."""
    return _random_error(rng.random(), rng.random(), FINE_STARTS, rng)


def _random_error(
    rotation: float, translation: float, starts: StartRange, rng: np.random.Generator
) -> tuple[NDArray[np.float64], PriorSpread]:
    rotation_deg, translation_m = starts.bounds_at(rotation, translation)
    T_start_true = se3.perturb(
        np.eye(4), rng.uniform(-1, 1, 3) * rotation_deg, rng.uniform(-1, 1, 3) * translation_m
    )
    return T_start_true, spread_of_bounds(rotation_deg, translation_m)


def _cell_of(uv: NDArray[np.floating], stride: int) -> NDArray[np.float32]:
    return ((uv - (stride - 1) / 2) / stride).astype(np.float32)


def jitter_image(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, white balance, gamma, grey, blur and noise."""
    x: NDArray[np.floating] = image.astype(np.float32) / 255.0
    if rng.random() < 0.8:
        x = np.clip(x, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.3)))
        x = (x - 0.5) * np.float32(np.exp(rng.normal(0, 0.2))) + np.float32(0.5 + rng.normal(0, 0.08))
        x = x * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    if rng.random() < 0.2:
        x = np.repeat(x @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32), 3, axis=2)
    if rng.random() < 0.2:
        x = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(x), (0, 0), rng.uniform(0.4, 1.2)), dtype=np.float32)
    if rng.random() < 0.4:
        x = x + rng.standard_normal(x.shape, dtype=np.float32) * np.float32(rng.uniform(0.005, 0.04))
    return (np.clip(x, 0, 1) * 255).astype(np.uint8)


def _jitter_intensity(
    intensity: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.floating] | None:
    if rng.random() < 0.2:
        return None
    return intensity + rng.normal(0, rng.uniform(0.0, 0.05), len(intensity))


def _thin_cloud(xyz: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows that are kept: whole bands of elevation dropped like beams, or points dropped at random."""
    choice = rng.random()
    if choice < 0.4:
        return np.arange(len(xyz))
    if choice < 0.7:
        return np.flatnonzero(rng.random(len(xyz)) < rng.uniform(0.3, 1.0))
    elevation_deg = np.rad2deg(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
    band_deg, period = rng.uniform(0.35, 0.6), rng.integers(2, 5)
    return np.flatnonzero(np.floor(elevation_deg / band_deg + rng.random()) % period == 0)


def _surface_labels(
    xyz_true: NDArray[np.floating], valid: NDArray[np.bool_], view: PinholeView, stride: int
) -> NDArray[np.float32]:
    h, w = view.height // stride, view.width // stride
    ahead = xyz_true[:, 2] > 0.5
    uv, _ = view.project(xyz_true[ahead])
    cell = np.floor((uv + 0.5) / stride).astype(int)
    cell = cell[(cell >= 0).all(1) & (cell[:, 0] < w) & (cell[:, 1] < h)]
    hit = np.zeros((h, w), dtype=np.uint8)
    hit[cell[:, 1], cell[:, 0]] = 1
    # Close the gaps between beams before calling a cell empty.
    surface = cv2.morphologyEx(hit, cv2.MORPH_CLOSE, np.ones((5, 3), np.uint8)).astype(np.float32)
    has_source = valid[stride // 2 :: stride, stride // 2 :: stride]
    if hit.mean() < 0.15:  # a sparse cloud: an empty cell proves nothing
        surface[surface == 0] = np.nan
    surface[~has_source] = np.nan
    return surface
