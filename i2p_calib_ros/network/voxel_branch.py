"""Voxel branch: a sparse convolutional U-Net over the occupied voxels of the prior view (SPVCNN-like, 4 levels)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_calib_ros.network.layers import RowNorm
from i2p_calib_ros.network.sparse_conv import DownConv, SubmanifoldConv, UpConv
from i2p_calib_ros.network.voxel_grid import VoxelLevel


@dataclass(frozen=True)
class SparseLevel:
    """`voxel_grid.VoxelLevel` as tensors: neighbours (n, 27), children (n_next * 8,) and slot (n,) or None."""

    neighbours: Tensor
    children: Tensor | None
    slot: Tensor | None

    @classmethod
    def of(cls, level: VoxelLevel) -> SparseLevel:
        """The tables of a grid level."""
        children, slot = (None if t is None else torch.from_numpy(t) for t in (level.children, level.slot))
        return cls(torch.from_numpy(level.neighbours), children, slot)

    def to(self, device: torch.device | str) -> SparseLevel:
        """The same tables on a device."""
        children, slot = (None if t is None else t.to(device) for t in (self.children, self.slot))
        return SparseLevel(self.neighbours.to(device), children, slot)


class SparseResidualBlock(nn.Module):
    """Two submanifold convolutions with instance normalisation around a skip connection."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv1 = SubmanifoldConv(in_width, out_width)
        self.norm1 = RowNorm(out_width)
        self.conv2 = SubmanifoldConv(out_width, out_width)
        self.norm2 = RowNorm(out_width)
        self.skip = nn.Identity() if in_width == out_width else nn.Linear(in_width, out_width, bias=False)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x, table)))
        y = self.norm2(self.conv2(y, table))
        return F.relu(y + self.skip(x))


class VoxelBranch(nn.Module):
    """Voxel features (n, in) -> (n, 2 * widths[0]).

    Between `encode` and `decode` the coarsest features (n_coarse, widths[3]) may be mixed with the other modality.
    """

    def __init__(self, in_width: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        w1, w2, w4, w8 = widths
        self.out_width = 2 * w1
        self.stem = nn.Linear(in_width, w1)
        self.encode1 = SparseResidualBlock(w1, w1)
        self.down = nn.ModuleList([DownConv(w1, w2), DownConv(w2, w4), DownConv(w4, w8)])
        self.down_norm = nn.ModuleList([RowNorm(w2), RowNorm(w4), RowNorm(w8)])
        self.encoders = nn.ModuleList([SparseResidualBlock(w, w) for w in (w2, w4, w8)])
        self.refine8 = SparseResidualBlock(w8, w8)
        self.up = nn.ModuleList([UpConv(w8, w4), UpConv(w4, w2), UpConv(w2, w1)])
        self.decoders = nn.ModuleList(
            [
                SparseResidualBlock(2 * w4, w4),
                SparseResidualBlock(2 * w2, w2),
                SparseResidualBlock(2 * w1, self.out_width),
            ]
        )

    def encode(self, features: Tensor, levels: list[SparseLevel]) -> tuple[Tensor, list[Tensor]]:
        """-> features of the coarsest level, and those of the finer ones for the decoder."""
        x = self.encode1(F.relu(self.stem(features)), levels[0].neighbours)
        skips = [x]
        for i in range(3):
            x = F.relu(self.down_norm[i](self.down[i](x, levels[i].children, levels[i].slot)))
            x = self.encoders[i](x, levels[i + 1].neighbours)
            skips.append(x)
        return self.refine8(x, levels[3].neighbours), skips[:3]

    def decode(self, coarse: Tensor, skips: list[Tensor], levels: list[SparseLevel]) -> Tensor:
        x = coarse
        for i, level in enumerate((2, 1, 0)):
            up = self.up[i](x, levels[level].children, levels[level].slot)
            x = self.decoders[i](torch.cat([up, skips[level]], dim=1), levels[level].neighbours)
        return x
