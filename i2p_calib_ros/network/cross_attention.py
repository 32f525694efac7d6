"""Cross-modal attention between the coarse image features and the coarse voxels.

It lets either side know what the other sees before descriptors are made (the learnable transformation of NCLR, arXiv
2401.12452, and the cross-attention of LoFTR, CVPR 2021, serve the same end). Positions are those of the prior view.
The output projections start at zero, so that an untrained layer changes nothing.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FREQUENCIES = 6


def position_features(uv: Tensor, width: int, height: int) -> Tensor:
    """View positions in pixels (n, 2) -> Fourier features (n, 4 * frequencies)."""
    scale = 2.0 * math.pi / max(width, height)
    octaves = 2.0 ** torch.arange(_FREQUENCIES, device=uv.device, dtype=torch.float32)
    phase = (uv.float()[:, :, None] * scale * octaves).flatten(1)
    return torch.cat([phase.sin(), phase.cos()], dim=1)


class _Attend(nn.Module):
    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.norm_query = nn.LayerNorm(width)
        self.norm_source = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        last = nn.Linear(2 * width, width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), last)
        for layer in (self.out, last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, x_position: Tensor, source: Tensor, source_position: Tensor) -> Tensor:
        query = self.query(self.norm_query(x) + x_position)
        source = self.norm_source(source)
        key, value = self.key(source + source_position), self.value(source)
        split = [t.view(t.shape[0], self.heads, -1).transpose(0, 1)[None] for t in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*split)[0].transpose(0, 1).flatten(1)
        x = x + self.out(mixed)
        return x + self.feed(self.norm_feed(x))


class CrossModalMixer(nn.Module):
    """Coarse pixels (n_p, c_p) and coarse voxels (n_v, c_v) exchange information; residual on both."""

    def __init__(self, pixel_width: int, voxel_width: int, width: int, layers: int) -> None:
        super().__init__()
        self.pixel_in = nn.Linear(pixel_width, width)
        self.voxel_in = nn.Linear(voxel_width, width)
        self.position = nn.Linear(4 * _FREQUENCIES, width)
        self.pixel_self = nn.ModuleList([_Attend(width) for _ in range(layers)])
        self.voxel_self = nn.ModuleList([_Attend(width) for _ in range(layers)])
        self.pixel_cross = nn.ModuleList([_Attend(width) for _ in range(layers)])
        self.voxel_cross = nn.ModuleList([_Attend(width) for _ in range(layers)])
        self.pixel_out = nn.Linear(width, pixel_width)
        self.voxel_out = nn.Linear(width, voxel_width)

    def forward(
        self, pixels: Tensor, pixel_uv: Tensor, voxels: Tensor, voxel_uv: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """size: (width, height) of the view in pixels."""
        p, v = self.pixel_in(pixels), self.voxel_in(voxels)
        p_at = self.position(position_features(pixel_uv, *size))
        v_at = self.position(position_features(voxel_uv, *size))
        for p_self, v_self, p_cross, v_cross in zip(
            self.pixel_self, self.voxel_self, self.pixel_cross, self.voxel_cross, strict=True
        ):
            p, v = p_self(p, p_at, p, p_at), v_self(v, v_at, v, v_at)
            p, v = p_cross(p, p_at, v, v_at), v_cross(v, v_at, p, p_at)
        return pixels + self.pixel_out(p), voxels + self.voxel_out(v)
