"""Dense probabilistic PnP: every point votes with its whole match distribution, not with one argmax."""

from __future__ import annotations

from copy import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.resampling import most_telling

_MIN_DEPTH_M = 0.1

VOTE_FLOOR = 0.02
"""Share of points whose match field is taken to say nothing, in training and so by default."""


class DenseLikelihood:
    """log L(T) = temper * sum_i counts_i log( (1 - floor) r_i(pi(T x_i)) + floor ), r_i the evidence ratio of point i.

    `temper` counts correlated points as fewer independent ones (effective points / points); `counts` (n,) how many
    points each stands for, which is one unless the likelihood is a thinned one; `floor` is the share of
    points whose field is taken to say nothing: no point can vote against a pose by more than log(floor). Where a pose
    puts point i out of view r_i is at most 1.
    """

    def __init__(self, field: MatchField, effective_points: float | Tensor, floor: float = VOTE_FLOOR) -> None:
        self.field = field
        self.floor = floor
        self.temper = effective_points / max(len(field.points), 1)
        self.counts = torch.ones_like(field.log_evidence)
        view, centre = field.view, (field.stride - 1) / 2
        self._cells_from_camera = torch.tensor(
            [
                [view.fx / field.stride, 0.0, (view.cx - centre) / field.stride],
                [0.0, view.fy / field.stride, (view.cy - centre) / field.stride],
                [0.0, 0.0, 1.0],
            ],
            device=field.points.device,
        )

    def thinned(self, points: int, T_camera_source: Tensor) -> DenseLikelihood:
        """That of at most `points` points, which count for all: those that tell most between likely poses (m, 4, 4)."""
        if len(self.field.points) <= points:
            return self
        votes = self.point_log_likelihoods(T_camera_source.to(self.field.points.device))
        index, counts = most_telling(self.counts[:, None] * votes, points)
        other = copy(self)
        other.field, other.counts = self.field.subset(index), self.counts[index] * counts
        return other

    def log_likelihood(self, T_camera_source: Tensor) -> Tensor:
        """Poses (m, 4, 4) float32 that map the field's points to the camera optical frame -> (m,).

        The work is done where the field is, the result comes back to where the poses are.
        """
        votes = self.counts @ self.point_log_likelihoods(T_camera_source.to(self.field.points.device))
        return (self.temper * votes).to(T_camera_source.device)

    def point_log_likelihoods(self, T_camera_source: Tensor) -> Tensor:
        """The untempered vote of every point for every pose, (n, m)."""
        field = self.field
        n, h, w = field.scores.shape
        m = len(T_camera_source)
        # One matrix product projects every point under every pose, straight to homogeneous cell coordinates.
        projections = (self._cells_from_camera @ T_camera_source[:, :3]).permute(2, 1, 0).reshape(4, 3 * m)
        column, row, depth_m = torch.addmm(projections[3], field.points, projections[:3]).view(n, 3, m).unbind(dim=1)
        ahead = depth_m > _MIN_DEPTH_M
        inverse = 1.0 / depth_m.clamp(min=_MIN_DEPTH_M)
        column, row = column * inverse, row * inverse
        inside = ahead & _on_cells(column, row, field.view.width // field.stride, field.view.height // field.stride)
        if field.origin is not None:
            column, row = column - field.origin[:, 0:1], row - field.origin[:, 1:2]
            inside &= _on_cells(column, row, w, h)
        # grid_sample counts from -1 to 1 between the centres of the outer cells (align_corners).
        grid = torch.stack([column * (2.0 / (w - 1)) - 1.0, row * (2.0 / (h - 1)) - 1.0], dim=-1)
        sampled = F.grid_sample(
            field.scores[:, None], grid.view(n, 1, m, 2), mode="bilinear", padding_mode="border", align_corners=True
        ).view(n, m)
        # No point speaks for a pose that does not show it: one that shows none would win where the network errs.
        outside = (field.outside_score - field.log_evidence).clamp(max=0.0)
        score = torch.where(inside, sampled - field.log_evidence[:, None], outside[:, None])
        # A ratio above e^8 is certainty already; the clamp keeps a single overconfident point from ruling.
        return torch.log((1.0 - self.floor) * score.clamp(max=8.0).exp() + self.floor)


def _on_cells(column: Tensor, row: Tensor, columns: int, rows: int) -> Tensor:
    return (column > -0.5) & (column < columns - 0.5) & (row > -0.5) & (row < rows - 0.5)
