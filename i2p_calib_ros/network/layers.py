"""Layers that the branches share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ImageNorm(nn.Module):
    """Instance normalisation over the pixels of one frame, (1, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, x.shape[1], self.weight.to(x.dtype), self.bias.to(x.dtype), 1e-4)


class RowNorm(nn.Module):
    """Instance normalisation over the voxels or points of one frame, (N, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.float()
        mean = rows.mean(dim=0)
        variance = (rows * rows).mean(dim=0) - mean * mean
        scale = self.weight * torch.rsqrt(variance.clamp(min=0.0) + 1e-4)
        return torch.addcmul(self.bias - mean * scale, rows, scale).to(x.dtype)


def normed_mlp(in_width: int, *widths: int) -> nn.Sequential:
    """Linear layers, each with instance normalisation over the rows and ReLU."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(in_width, width, bias=False), RowNorm(width), nn.ReLU()]
        in_width = width
    return nn.Sequential(*layers)


def mlp(in_width: int, *widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them (none after the last)."""
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        if i:
            layers.append(nn.ReLU())
        layers.append(nn.Linear(in_width, width))
        in_width = width
    return nn.Sequential(*layers)
