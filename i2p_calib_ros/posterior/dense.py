"""Dense probabilistic PnP: every point votes with its whole match distribution, not with one argmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_calib_ros.posterior.match_field import MatchField

_MIN_DEPTH_M = 0.1

VOTE_FLOOR = 0.02
"""Share of points whose match field is taken to say nothing, in training and so by default."""


class DenseLikelihood:
    """log L(T) = temper * sum_i log( (1 - floor) r_i(pi(T x_i)) + floor ), r_i the evidence ratio of point i.

    `temper` counts correlated points as fewer independent ones (effective points / points); `floor` is the share of
    points whose field is taken to say nothing: no point can vote against a pose by more than log(floor).
    """

    def __init__(self, field: MatchField, effective_points: float | Tensor, floor: float = VOTE_FLOOR) -> None:
        self.field = field
        self.floor = floor
        self.temper = effective_points / max(len(field.points), 1)

    def thinned(self, points: int) -> DenseLikelihood:
        """The likelihood of the first `points` points (query points are in random order), counting for as many in all."""
        field = self.field.subset(
            torch.arange(min(points, len(self.field.points)), device=self.field.points.device)
        )
        return DenseLikelihood(field, self.temper * len(self.field.points), self.floor)

    def log_likelihood(self, T_camera_source: Tensor) -> Tensor:
        """Poses (m, 4, 4) float32 that map the field's points to the camera optical frame -> (m,)."""
        return self.temper * self.point_log_likelihoods(T_camera_source).sum(dim=0)

    def point_log_likelihoods(self, T_camera_source: Tensor) -> Tensor:
        """The untempered vote of every point for every pose, (n, m)."""
        field, view = self.field, self.field.view
        n, h, w = field.scores.shape
        m = len(T_camera_source)
        x = torch.einsum("mij,nj->nmi", T_camera_source[:, :3, :3], field.points) + T_camera_source[:, :3, 3]
        z = x[..., 2]
        ahead = z > _MIN_DEPTH_M
        inverse = 1.0 / z.clamp(min=_MIN_DEPTH_M)
        # View pixel -> cell coordinate -> grid_sample's [-1, 1] with align_corners=True (the centres of the outer cells).
        centre = (field.stride - 1) / 2
        column = (view.fx * x[..., 0] * inverse + view.cx - centre) / field.stride
        row = (view.fy * x[..., 1] * inverse + view.cy - centre) / field.stride
        grid = torch.stack([column * (2.0 / (w - 1)) - 1.0, row * (2.0 / (h - 1)) - 1.0], dim=-1)
        inside = ahead & (column > -0.5) & (column < w - 0.5) & (row > -0.5) & (row < h - 0.5)
        sampled = F.grid_sample(
            field.scores[:, None],
            grid.view(n, 1, m, 2),
            mode="bilinear",
            padding_mode="border",
            align_corners=True,
        ).view(n, m)
        score = torch.where(inside, sampled, field.outside_score[:, None]) - field.log_evidence[:, None]
        # A ratio above e^8 is certainty already; the clamp keeps a single overconfident point from ruling.
        return torch.log((1.0 - self.floor) * score.clamp(max=8.0).exp() + self.floor)
