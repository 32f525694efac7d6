"""Sparse convolution as neighbour tables: gather rows, one matrix product, and the mirrored gather for the gradient.

A level of a sparse voxel grid has N voxels and a table (N, 27) of the rows of the 3x3x3 neighbours; the row N stands
for an empty neighbour and reads zeros. Stride-2 layers use a table of the 8 children of every coarse voxel.
Submanifold convolution: Graham et al., "3D Semantic Segmentation with Submanifold Sparse Convolutional Networks", 2018.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def with_empty_row(features: Tensor) -> Tensor:
    """(N, C) -> (N + 1, C): the last row is the zeros that an empty neighbour contributes."""
    return torch.cat([features, features.new_zeros(1, features.shape[1])])


class _SubmanifoldConvolution(torch.autograd.Function):
    """out[i] = sum_k W[k]^T x[table[i, k]]; the gradient gathers with the mirrored kernel (k -> 26 - k)."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, table: Tensor, weight: Tensor) -> Tensor:
        n, taps = table.shape
        gathered = with_empty_row(features).index_select(0, table.reshape(-1)).view(n, -1)
        ctx.save_for_backward(gathered, table, weight)
        return gathered @ weight.reshape(taps * weight.shape[1], weight.shape[2])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        gathered, table, weight = ctx.saved_tensors
        grad = grad_outputs[0].contiguous()
        n, taps = table.shape
        grad_weight = (gathered.t() @ grad).view_as(weight) if ctx.needs_input_grad[2] else None
        grad_features = None
        if ctx.needs_input_grad[0]:
            # Row j is neighbour k of row i exactly where row i is neighbour 26 - k of row j.
            mirrored = weight.flip(0).transpose(1, 2).reshape(taps * weight.shape[2], weight.shape[1])
            spread = with_empty_row(grad).index_select(0, table.reshape(-1)).view(n, -1)
            grad_features = spread @ mirrored
        return grad_features, None, grad_weight


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
    """3x3x3 sparse convolution that keeps the set of voxels. (N, in), table (N, 27) -> (N, out)."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        # On surfaces about a third of the 27 neighbours exist; that is the fan-in that sets the variance.
        self.weight = _uniform_weight(27, in_width, out_width, fan_in=9 * in_width)

    def forward(self, features: Tensor, table: Tensor) -> Tensor:
        features, weight = _autocast_pair(features, self.weight)
        return _SubmanifoldConvolution.apply(features, table, weight)


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
