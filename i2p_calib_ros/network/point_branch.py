"""Point branch: set abstraction around every query point gives back the detail that voxelisation loses.

PointNet++ (Qi et al. 2017) with one radius: an MLP over the neighbours' offsets and attributes, then the maximum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_calib_ros.network.layers import RowNorm


class PointBranch(nn.Module):
    """Neighbour features (n, k, in) -> (n, width)."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.lift = nn.Linear(in_width, width // 2)
        self.lift_norm = RowNorm(width // 2)
        self.mix = nn.Linear(width // 2, width)
        self.out_norm = RowNorm(2 * width)
        self.out = nn.Linear(2 * width, width)

    def forward(self, neighbours: Tensor) -> Tensor:
        n, k, c = neighbours.shape
        x = F.relu(self.lift_norm(self.lift(neighbours.reshape(n * k, c))))
        x = F.relu(self.mix(x)).view(n, k, -1)
        pooled = torch.cat([x.amax(dim=1), x.mean(dim=1)], dim=1)
        return self.out(self.out_norm(pooled))
