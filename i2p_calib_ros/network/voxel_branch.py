"""Voxel branch: a sparse convolutional U-Net over the occupied voxels of the prior view (SPVCNN-like)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_calib_ros.network.layers import RowNorm
from i2p_calib_ros.network.sparse_conv import DownConv, SubmanifoldConv, UpConv
from i2p_calib_ros.network.voxel_grid import VoxelLevel

# In bfloat16 a CPU compiles a kernel for every number of rows that it meets, which takes longer than it saves.
_float32_on_cpu = torch.autocast("cpu", enabled=False)


@dataclass(frozen=True)
class SparseLevel:
    """`voxel_grid.VoxelLevel` as tensors: neighbours 13 of (2, pairs), children (n_next * 8,) and slot (n,) or None."""

    neighbours: tuple[Tensor, ...]
    children: Tensor | None
    slot: Tensor | None

    @classmethod
    def of(cls, level: VoxelLevel) -> SparseLevel:
        """The tables of a grid level."""
        children, slot = (None if t is None else torch.from_numpy(t) for t in (level.children, level.slot))
        return cls(tuple(torch.from_numpy(pairs) for pairs in level.neighbours), children, slot)

    def to(self, device: torch.device | str) -> SparseLevel:
        """The same tables on a device."""
        children, slot = (None if t is None else t.to(device) for t in (self.children, self.slot))
        return SparseLevel(tuple(pairs.to(device) for pairs in self.neighbours), children, slot)


class SparseResidualBlock(nn.Module):
    """Two submanifold convolutions with instance normalisation around a skip connection."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv1 = SubmanifoldConv(in_width, out_width)
        self.norm1 = RowNorm(out_width)
        self.conv2 = SubmanifoldConv(out_width, out_width)
        self.norm2 = RowNorm(out_width)
        self.skip = nn.Identity() if in_width == out_width else nn.Linear(in_width, out_width, bias=False)

    def forward(self, x: Tensor, neighbours: tuple[Tensor, ...]) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x, neighbours)))
        y = self.norm2(self.conv2(y, neighbours))
        return F.relu(y + self.skip(x))


class VoxelBranch(nn.Module):
    """Voxel features (n, in) -> (n, 2 * widths[0]).

    Between `encode` and `decode` the coarsest features (n_coarse, widths[-1]) may be mixed with the other modality.
    """

    def __init__(self, in_width: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        w1, steps = widths[0], list(pairwise(widths))
        self.out_width = 2 * w1
        self.stem = nn.Linear(in_width, w1)
        self.encode1 = SparseResidualBlock(w1, w1)
        self.down = nn.ModuleList([DownConv(fine, coarse) for fine, coarse in steps])
        self.down_norm = nn.ModuleList([RowNorm(w) for w in widths[1:]])
        self.encoders = nn.ModuleList([SparseResidualBlock(w, w) for w in widths[1:]])
        self.refine8 = SparseResidualBlock(widths[-1], widths[-1])
        self.up = nn.ModuleList([UpConv(coarse, fine) for fine, coarse in reversed(steps)])
        self.decoders = nn.ModuleList(
            [
                *(SparseResidualBlock(2 * w, w) for w in widths[-2:0:-1]),
                SparseResidualBlock(2 * w1, self.out_width),
            ]
        )

    @_float32_on_cpu
    def encode(self, features: Tensor, levels: list[SparseLevel]) -> tuple[Tensor, list[Tensor]]:
        """-> the coarsest features, and those of the finer levels, finest first, for the decoder."""
        x = self.encode1(F.relu(self.stem(features)), levels[0].neighbours)
        skips = []
        for i, (fine, coarse) in enumerate(pairwise(levels)):
            skips.append(x)
            x = F.relu(self.down_norm[i](self.down[i](x, fine.children, fine.slot)))
            x = self.encoders[i](x, coarse.neighbours)
        return self.refine8(x, levels[-1].neighbours), skips

    @_float32_on_cpu
    def decode(self, coarse: Tensor, skips: list[Tensor], levels: list[SparseLevel]) -> Tensor:
        """-> the finest features, from the coarsest and those of `encode`."""
        x = coarse.to(skips[-1].dtype)
        for up, decoder, skip, level in zip(self.up, self.decoders, reversed(skips), levels[-2::-1], strict=True):
            x = decoder(torch.cat([up(x, level.children, level.slot), skip], dim=1), level.neighbours)
        return x
