"""Sparse convolution: rows are gathered, multiplied, and added where they belong.

Submanifold convolution goes through the pairs of neighbouring voxels that exist, on surfaces a quarter of all that
could: Graham et al., "3D Semantic Segmentation with Submanifold Sparse Convolutional Networks", 2018. Stride-2 layers
use a table of the 8 children of every coarse voxel, in which the row N stands for an empty child and reads zeros.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

_CENTRE = 13


def with_empty_row(features: Tensor) -> Tensor:
    """(N, C) -> (N + 1, C): the last row is the zeros that an empty neighbour contributes."""
    return torch.cat([features, features.new_zeros(1, features.shape[1])])


class _SubmanifoldConvolution(torch.autograd.Function):
    """out[i] = W[13]^T x[i] + sum over its neighbours j at offset k of W[k]^T x[j].

    Only the first 13 offsets have pairs: voxel i is the neighbour of j at the opposite offset, 26 - k.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, neighbours: tuple[Tensor, ...], weight: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.neighbours = neighbours
        return _add_neighbours(features, neighbours, weight)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        features, weight = ctx.saved_tensors
        grad = grad_outputs[0].contiguous()
        grad_features = grad_weight = None
        if ctx.needs_input_grad[0]:  # what i has from j at offset k, j has from i at the opposite one
            grad_features = _add_neighbours(grad, ctx.neighbours, weight.flip(0).transpose(1, 2))
        if ctx.needs_input_grad[2]:
            grad_weight = torch.empty_like(weight)
            grad_weight[_CENTRE] = features.t() @ grad
            for k, (voxel, neighbour) in enumerate(ctx.neighbours):
                grad_weight[k] = features.index_select(0, neighbour).t() @ grad.index_select(0, voxel)
                grad_weight[-1 - k] = features.index_select(0, voxel).t() @ grad.index_select(0, neighbour)
        return grad_features, None, grad_weight


def _add_neighbours(features: Tensor, neighbours: tuple[Tensor, ...], weight: Tensor) -> Tensor:
    precise = torch.promote_types(features.dtype, torch.float32)
    out = (features @ weight[_CENTRE]).to(precise)
    for k, (voxel, neighbour) in enumerate(neighbours):
        out.index_add_(0, voxel, (features.index_select(0, neighbour) @ weight[k]).to(precise))
        out.index_add_(0, neighbour, (features.index_select(0, voxel) @ weight[-1 - k]).to(precise))
    return out.to(features.dtype)


class _GatherUnique(torch.autograd.Function):
    """Row gather in which every input row is read at most once, so that the gradient is a gather too."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, index: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return with_empty_row(features).index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return with_empty_row(grad_outputs[0].contiguous()).index_select(0, inverse), None, None


def _autocast_pair(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    # Custom functions are outside autocast's lists: cast both operands to the type that a matrix product would use.
    device = features.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        return features.to(dtype), weight.to(dtype)
    return features, weight


def _uniform_weight(*shape: int, fan_in: int) -> nn.Parameter:
    bound = math.sqrt(6.0 / fan_in)  # He et al. 2015, uniform
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


class SubmanifoldConv(nn.Module):
    """3x3x3 sparse convolution that keeps the set of voxels. (N, in) -> (N, out).

    neighbours: for each of the first 13 of the 27 offsets the rows (2, pairs) of the voxels that have a neighbour
    there, and of these neighbours.
    """

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        # On surfaces about a third of the 27 neighbours exist; that is the fan-in that sets the variance.
        self.weight = _uniform_weight(27, in_width, out_width, fan_in=9 * in_width)

    def forward(self, features: Tensor, neighbours: tuple[Tensor, ...]) -> Tensor:
        features, weight = _autocast_pair(features, self.weight)
        return _SubmanifoldConvolution.apply(features, neighbours, weight)


class DownConv(nn.Module):
    """Stride-2 sparse convolution over the 8 children. (N_fine, in) -> (N_coarse, out)."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.weight = _uniform_weight(8 * in_width, out_width, fan_in=3 * in_width)

    def forward(self, features: Tensor, children: Tensor, slot: Tensor) -> Tensor:
        """children: (N_coarse * 8) rows of the fine level; slot: (N_fine) its inverse."""
        features, weight = _autocast_pair(features, self.weight)
        gathered = _GatherUnique.apply(features, children, slot)
        return gathered.view(-1, weight.shape[0]) @ weight


class UpConv(nn.Module):
    """The transposed stride-2 sparse convolution. (N_coarse, in) -> (N_fine, out)."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.out_width = out_width
        self.weight = _uniform_weight(in_width, 8 * out_width, fan_in=in_width)

    def forward(self, features: Tensor, children: Tensor, slot: Tensor) -> Tensor:
        features, weight = _autocast_pair(features, self.weight)
        spread = (features @ weight).view(-1, self.out_width)
        return _GatherUnique.apply(spread, slot, children)
