"""The match field: for every query point, how much each pixel of the view speaks for or against it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.geometry.windows import window_cells

_NO_MASS = -1e4
_NEGLIGIBLE = -60.0  # of a log mass against the greatest; exponentials that underflow take ten times as long
_POINTS_IN_CACHE = 16
_CELL_SIGMA = 0.5  # a projection is not known better than about half a cell


@dataclass(frozen=True)
class MatchField:
    """What the network says about one frame, free of the prior (float32 tensors on one device).

    points (n, 3): metres, in the frame that poses map from (the LiDAR frame outside training).
    scores (n, h, w): log p(image | point in this cell), up to a constant per point.
    outside_score (n,): the same for "the point projects outside the image", also where a cell shows nothing of it.
    log_evidence (n,): log p(image) with the same constant; score - log_evidence is the log evidence ratio.
    overlap (n,): posterior probability that the point is in one of the cells, under the prior that was given.
    origin (n, 2): column and row of the first cell of each point's scores, where these cover a window of the image
    (outside is then outside the window); None where they cover all of it.
    A cell (row r, column c) has its centre at view pixel stride * (c, r) + (stride - 1) / 2.
    """

    points: Tensor
    scores: Tensor
    outside_score: Tensor
    log_evidence: Tensor
    overlap: Tensor
    stride: int
    view: PinholeView
    origin: Tensor | None = None

    def subset(self, index: Tensor) -> MatchField:
        """The same field for some of the points."""
        return replace(
            self,
            points=self.points[index],
            scores=self.scores[index],
            outside_score=self.outside_score[index],
            log_evidence=self.log_evidence[index],
            overlap=self.overlap[index],
            origin=None if self.origin is None else self.origin[index],
        )


def make_match_field(
    points: Tensor,
    similarity: Tensor,
    outside: Tensor,
    prior_uv: Tensor,
    prior_sigma_px: Tensor,
    stride: int,
    view: PinholeView,
    valid: Tensor,
    origin: Tensor | None = None,
) -> MatchField:
    """Turn similarities (n, h, w) into evidence ratios by Bayes' rule over {cells, outside}.

    They cover the view, or for every point a window that begins at column and row `origin` (n, 2), and become the
    scores: `similarity` is written to. `valid`: which cells of the view show a part of the image. A point in another
    one is outside: counted as in view where no point is ever seen, it would pull the pose inwards.
    With q_i(c) the mass that the prior puts on cell c (sum s_i over the image, 1 - s_i outside), the posterior of the
    true cell is q_i(c) exp(sim_i(c)) / Z_i. Dividing it by q_i gives the ratio that a pose likelihood needs: the
    prior is then counted once for the pose and not once a point, and an uninformative point votes for nothing, also
    at the border of the image.
    """
    log_u, log_v, log_outside = prior_mass(prior_uv, prior_sigma_px, similarity.shape[1:], stride, origin, view)
    blank = ~(valid if origin is None else valid[window_cells(origin, similarity.shape[1:], valid.shape)])
    log_outside = torch.logaddexp(log_outside, _mass_of(blank, log_u, log_v).log())
    _fill(similarity.detach(), blank, torch.full_like(outside, _NO_MASS))  # no mass, so no gradient either
    inside = _LogSumExpUnderPrior.apply(similarity, log_u, log_v)
    log_evidence = torch.logaddexp(inside, outside + log_outside)
    return MatchField(
        points=points,
        scores=_Filled.apply(similarity, blank, torch.minimum(outside, log_evidence)),
        outside_score=outside,
        log_evidence=log_evidence,
        overlap=(inside - log_evidence).exp(),
        stride=stride,
        view=view,
        origin=origin,
    )


def prior_mass(
    uv: Tensor,
    sigma_px: Tensor,
    shape: torch.Size | tuple[int, int],
    stride: int,
    origin: Tensor | None = None,
    view: PinholeView | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Log of the prior's mass: on every column (n, w), on every row (n, h), and outside them (n,).

    The mass of a cell is the product of its column's and its row's: Gaussian, separable in u and v. With `origin`,
    columns and rows count from there; those beyond the image of `view` have no mass. Where sigma is infinite there is
    no prior: half of the mass is outside, the rest is the same for every cell.
    """
    h, w = shape
    mean = (uv - (stride - 1) / 2) / stride
    if origin is not None:
        mean = mean - origin
    sigma = torch.hypot(sigma_px / stride, torch.full_like(sigma_px, _CELL_SIGMA))
    log_u = _log_interval_mass(mean[:, 0:1], sigma[:, 0:1], w)
    log_v = _log_interval_mass(mean[:, 1:2], sigma[:, 1:2], h)
    if origin is not None and view is not None:
        log_u = log_u.masked_fill(_beyond(origin[:, 0:1], w, view.width // stride), _NO_MASS)
        log_v = log_v.masked_fill(_beyond(origin[:, 1:2], h, view.height // stride), _NO_MASS)
    inside = torch.logsumexp(log_u, dim=1) + torch.logsumexp(log_v, dim=1)
    return log_u, log_v, torch.log1p(-inside.exp().clamp(max=0.999))


def valid_cells(valid: Tensor, stride: int) -> Tensor:
    """Which cells (H / stride, W / stride) show a part of the image in at least half of their pixels (H, W)."""
    return F.avg_pool2d(valid[None].float(), stride)[0] >= 0.5


def _mass_of(cells: Tensor, log_u: Tensor, log_v: Tensor) -> Tensor:
    """The prior's mass (n,) on cells (h, w), or (n, h, w) of windows."""
    of_columns = torch.einsum("nh,hw->nw" if cells.dim() == 2 else "nh,nhw->nw", log_v.exp(), cells.to(log_v.dtype))
    return (of_columns * log_u.exp()).sum(dim=1)


def _fill(volume: Tensor, cells: Tensor, values: Tensor) -> None:
    """Write each point's value (n,) to its cells (h, w), or (n, h, w), of a volume (n, h, w)."""
    if cells.dim() == 2:
        index = cells.flatten().nonzero()[:, 0].expand(len(volume), -1)
        volume.view(len(volume), -1).scatter_(1, index, values[:, None].expand_as(index))
    else:
        volume[cells] = values[:, None, None].expand_as(volume)[cells]


def _beyond(first: Tensor, cells: int, cells_of_image: int) -> Tensor:
    index = first + torch.arange(cells, device=first.device)
    return (index < 0) | (index >= cells_of_image)


def _log_interval_mass(mean: Tensor, sigma: Tensor, cells: int) -> Tensor:
    # Density at the centre times the cell's width.
    centres = torch.arange(cells, device=mean.device, dtype=mean.dtype)
    gaussian = -0.5 * ((centres - mean) / sigma) ** 2 - torch.log(sigma) - 0.5 * math.log(2.0 * math.pi)
    uniform = 0.5 * math.log(0.5) - math.log(cells)
    return gaussian.masked_fill(sigma.isinf(), uniform)


class _LogSumExpUnderPrior(torch.autograd.Function):
    """logsumexp over the cells of (similarity + log_u + log_v); a second volume is kept for the gradient alone.

    The volume is the largest tensor: a processor takes few points at a time, whose cells stay in its cache.
    """

    @staticmethod
    def forward(ctx: Any, similarity: Tensor, log_u: Tensor, log_v: Tensor) -> Tensor:
        count = max(1, len(similarity)) if similarity.is_cuda else _POINTS_IN_CACHE
        kept = torch.empty_like(similarity) if ctx.needs_input_grad[0] else None
        tops, totals = similarity.new_empty(len(similarity)), similarity.new_empty(len(similarity))
        for start in range(0, len(similarity), count):
            points = slice(start, start + count)
            mass = torch.add(similarity[points], log_u[points, None, :], out=None if kept is None else kept[points])
            mass += log_v[points, :, None]
            top = mass.amax(dim=(1, 2))
            mass -= top[:, None, None]
            tops[points], totals[points] = top, mass.clamp_(min=_NEGLIGIBLE).exp_().sum(dim=(1, 2))
        if kept is not None:
            ctx.save_for_backward(kept, totals)
        return tops + totals.log()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        mass, total = ctx.saved_tensors
        return mass * (grad_outputs[0] / total)[:, None, None], None, None


class _Filled(torch.autograd.Function):
    """`_fill` with a gradient. PyTorch's own, and any of a tensor that is marked as dirty, copies the volume."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, cells: Tensor, values: Tensor) -> Tensor:
        ctx.save_for_backward(cells)
        _fill(volume, cells, values)
        return volume.view_as(volume)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, Tensor]:
        (cells,), (grad,) = ctx.saved_tensors, grad_outputs
        of_values = torch.einsum("nhw,hw->n" if cells.dim() == 2 else "nhw,nhw->n", grad, cells.to(grad.dtype))
        return grad.masked_fill(cells, 0.0), None, of_values
