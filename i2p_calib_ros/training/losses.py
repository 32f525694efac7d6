"""Losses: of matches (cross entropy in both directions, adaptive-weighted), overlap, auxiliary depth, and of the pose.

The pose losses are those of EPro-PnP (Chen et al., CVPR 2022): Monte-Carlo KL and the regularised derivatives of the
solution. VP2P-Match (NeurIPS 2023, arXiv 2312.04060) trains with the adaptive-weighted loss and these two.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.network import FineOutputs, NetworkOutputs
from i2p_calib_ros.posterior.likelihood import PoseLikelihood
from i2p_calib_ros.posterior.match_field import MatchField, prior_mass
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.posterior.reprojection import ReprojectionLikelihood, UndeterminedPose
from i2p_calib_ros.training.samples import TrainingSample

KL_SCALES = (0.03, 0.1, 0.3, 1.0)
GLOBAL_KL_SCALES = (0.003, 0.02, 0.15, 1.0)
"""Of the proposals of `pose_kl`, in standard deviations of the prior: around a start, and around none."""

_POSITIVE_CELLS = 0.75
_ADAPTIVE_MARGIN, _ADAPTIVE_SCALE, _ADAPTIVE_RADIUS_CELLS = 0.25, 32.0, 1.0
_POSE_ERROR_SCALE = np.array([0.5, 0.5, 0.5, 0.05, 0.05, 0.05])  # m, rad; larger errors count linearly


def at_cells(maps: Tensor, cell: Tensor) -> Tensor:
    """Bilinear values of maps (c, h, w) at cells (n, 2: column, row) -> (n, c)."""
    h, w = maps.shape[1:]
    size = torch.tensor([w - 1, h - 1], dtype=cell.dtype, device=cell.device)
    grid = (cell * (2.0 / size) - 1.0).view(1, 1, -1, 2)
    return F.grid_sample(maps[None], grid, mode="bilinear", padding_mode="border", align_corners=True)[
        0, :, 0
    ].t()


def point_to_pixel(field: MatchField, outputs: NetworkOutputs, sample: TrainingSample) -> Tensor:
    """Cross entropy of the true cell (or of "outside") under each point's match distribution, up to a constant."""
    score = (at_cells(outputs.pixel_descriptor, sample.true_cell) * outputs.point_descriptor).sum(dim=1)
    at_truth = torch.where(sample.visible, score, outputs.outside) - field.log_evidence
    return -at_truth[sample.visible | sample.outside].mean()


def pixel_to_point(
    outputs: NetworkOutputs, sample: TrainingSample, stride: int, pixels: int, generator: torch.Generator
) -> Tensor:
    """Cross entropy of the true points of a cell among all query points, weighted by the prior."""
    h, w = outputs.pixel_overlap.shape
    _, (column, row), distance = _pairs_of(sample, (h, w), pixels, generator)
    log_u, log_v, _ = prior_mass(sample.inputs.prior_uv, sample.inputs.prior_sigma_px, (h, w), stride)
    logits = (
        outputs.point_descriptor @ outputs.pixel_descriptor[:, row, column] + log_u[:, column] + log_v[:, row]
    )
    positive = (distance < _POSITIVE_CELLS) & sample.visible[:, None]
    of_positives = torch.logsumexp(logits.masked_fill(~positive, -1e4), dim=0)
    return (torch.logsumexp(logits, dim=0) - of_positives).mean()


def adaptive_weighted(
    outputs: NetworkOutputs, sample: TrainingSample, pairs: int, generator: torch.Generator
) -> Tensor:
    """The adaptive-weighted loss of VP2P-Match on the cosines of visible points and the cells where they are seen.

    A point and a cell are a positive pair within a cell of the point's true projection, else a negative one. Pairs
    that are still far from their aim weigh more; every point and every cell is a row of its own.
    """
    chosen, (column, row), distance = _pairs_of(sample, outputs.pixel_overlap.shape, pairs, generator)
    cosine = outputs.cosine(chosen, column, row)
    positive = distance[chosen] <= _ADAPTIVE_RADIUS_CELLS
    weight_p = (1.0 + _ADAPTIVE_MARGIN - cosine).clamp(min=0.0).detach()
    weight_n = (cosine + _ADAPTIVE_MARGIN).clamp(min=0.0).detach()
    logit_p = -_ADAPTIVE_SCALE * weight_p * (cosine - (1.0 - _ADAPTIVE_MARGIN))
    logit_n = _ADAPTIVE_SCALE * weight_n * (cosine - _ADAPTIVE_MARGIN)
    logit_p, logit_n = logit_p.masked_fill(~positive, -1e4), logit_n.masked_fill(positive, -1e4)
    rows, columns = (F.softplus(torch.logsumexp(logit_p, dim=d) + torch.logsumexp(logit_n, dim=d)) for d in (1, 0))
    return rows.mean() + columns.mean()


def _pairs_of(
    sample: TrainingSample, shape: tuple[int, ...], count: int, generator: torch.Generator
) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Some visible query points (k,), column and row (k,) of the cells they are seen in, and how far from each cell
    every query point is seen, (q, k) cells along the farther axis."""
    seen = torch.nonzero(sample.visible)[:, 0]
    chosen = seen[torch.randperm(len(seen), generator=generator)[:count]]
    h, w = shape
    column = sample.true_cell[chosen, 0].round().long().clamp(0, w - 1)
    row = sample.true_cell[chosen, 1].round().long().clamp(0, h - 1)
    distance = (sample.true_cell[:, None] - torch.stack([column, row], dim=1)[None]).abs().amax(dim=2)
    return chosen, (column, row), distance


def overlap(outputs: NetworkOutputs, sample: TrainingSample) -> Tensor:
    """Binary cross entropy: does a cell show a surface that the LiDAR sees?"""
    known = ~sample.surface.isnan()
    return F.binary_cross_entropy_with_logits(outputs.pixel_overlap[known], sample.surface[known])


def point_overlap(field: MatchField, sample: TrainingSample) -> Tensor:
    """Binary cross entropy: is a query point seen in the image, and not outside?"""
    known = sample.visible | sample.outside
    return F.binary_cross_entropy(field.overlap[known].clamp(1e-6, 1.0 - 1e-6), sample.visible[known].float())


def depth(outputs: NetworkOutputs, sample: TrainingSample) -> Tensor:
    """Mean absolute error of the log depth at the visible points."""
    assert outputs.log_depth is not None
    predicted = at_cells(outputs.log_depth[None], sample.true_cell)[:, 0]
    return (predicted - sample.true_log_depth)[sample.visible].abs().mean().nan_to_num()


def fine_point_to_pixel(field: MatchField, outputs: FineOutputs, sample: TrainingSample) -> Tensor:
    """As `point_to_pixel` for the fine stage's `field`, whose windows may miss the true cell: that is "elsewhere"."""
    assert field.origin is not None
    offset = sample.true_fine_cell - field.origin
    in_window = ((offset > -0.5) & (offset < field.scores.shape[1] - 0.5)).all(dim=1)
    score = (at_cells(outputs.pixel_descriptor, sample.true_fine_cell) * outputs.point_descriptor).sum(dim=1)
    at_truth = torch.where(sample.visible & in_window, score, outputs.elsewhere) - field.log_evidence
    return -at_truth[sample.visible | sample.outside].mean()


def pose_kl(
    likelihood: PoseLikelihood,
    T_true: NDArray[np.float64],
    prior: PosePrior,
    poses: int,
    rng: np.random.Generator,
    scales: tuple[float, ...] = KL_SCALES,
) -> Tensor:
    """KL(truth || posterior) = -log p(T_true | frame), the normaliser by importance sampling (EPro-PnP, eq. 5-6).

    The likelihood is to be the one that runs: random points, visible or not, tempered. The proposal is a mixture of
    Gaussians about the truth at the given scales of the prior (rotation and translation scaled independently, so that
    some samples are nearly pure rotations or translations) and of the prior itself.
    """
    stds = np.array([[t, t, t, r, r, r] for t in scales for r in scales])
    means = np.zeros((len(stds) + 1, 6))
    means[-1] = se3.log(prior.T_mean @ se3.inverse(T_true))
    stds = np.vstack([stds, np.ones((1, 6))]) * prior.sigma
    component = np.arange(poses) % len(means)
    xi = means[component] + stds[component] * rng.standard_normal((poses, 6))
    whitened = (xi[:, None] - means) / stds
    log_component = -0.5 * (whitened**2).sum(-1) - np.log(stds).sum(-1)
    log_proposal = np.logaddexp.reduce(log_component, axis=1) - math.log(len(means))

    T = np.concatenate([T_true[None], se3.exp(xi) @ T_true])
    log_prior = torch.from_numpy(prior.log_density(T) + 3.0 * math.log(2.0 * math.pi)).float()
    log_posterior = likelihood.log_likelihood(torch.from_numpy(T).float()) + log_prior
    log_normaliser = torch.logsumexp(log_posterior[1:] - torch.from_numpy(log_proposal).float(), dim=0)
    return log_normaliser - math.log(poses) - log_posterior[0]


def solved_pose(likelihood: ReprojectionLikelihood, T_true: NDArray[np.float64]) -> Tensor:
    """Smooth L1 error of the pose that the matches lead to, solved from the truth (EPro-PnP, section 3.4).

    A Gauss-Newton step at the solution carries its gradient. Zero where the matches determine no pose.
    """
    try:
        T_solved, _ = likelihood.solve(T_true)
        step = likelihood.gauss_newton_step(T_solved)
    except UndeterminedPose:
        return torch.zeros(())
    left = torch.from_numpy(se3.log(T_true @ se3.inverse(T_solved))) - step
    return F.smooth_l1_loss(left / torch.from_numpy(_POSE_ERROR_SCALE), torch.zeros_like(left)).float()
