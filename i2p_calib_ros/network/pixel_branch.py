"""Pixel branch: a convolutional U-Net over the view; features at a quarter and, for the fine stage, half its size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_calib_ros.network.layers import ImageNorm


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance normalisation around a skip connection."""

    def __init__(self, in_width: int, out_width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride, 1, bias=False)
        self.norm1 = ImageNorm(out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, 1, 1, bias=False)
        self.norm2 = ImageNorm(out_width)
        same = in_width == out_width and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(in_width, out_width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return F.relu(y + self.skip(x))


class PixelBranch(nn.Module):
    """Image (1, 3, H, W) -> features (1, widths[1], H/4, W/4); H and W are multiples of 16.

    With `fine`, `decode_fine` makes features (1, widths[0], H/2, W/2) of them.
    Between `encode` and `decode` the coarse features (1, widths[3], H/16, W/16) may be mixed with the other modality.
    """

    def __init__(self, widths: tuple[int, int, int, int, int], fine: bool) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = widths
        self.stem = nn.Conv2d(3, w2, 5, 2, 2, bias=False)
        self.stem_norm = ImageNorm(w2)
        self.encode2 = ResidualBlock(w2, w2)
        self.encode4 = nn.Sequential(ResidualBlock(w2, w4, 2), ResidualBlock(w4, w4))
        self.encode8 = nn.Sequential(ResidualBlock(w4, w8, 2), ResidualBlock(w8, w8))
        self.encode16 = nn.Sequential(ResidualBlock(w8, w16, 2), ResidualBlock(w16, w16))
        self.encode32 = ResidualBlock(w16, w32, 2)
        self.decode16 = ResidualBlock(w32 + w16, w16)
        self.decode8 = ResidualBlock(w16 + w8, w8)
        self.decode4 = ResidualBlock(w8 + w4, w4)
        self.refine4 = ResidualBlock(w4, w4)
        self.decode2 = ResidualBlock(w4 + w2, w2) if fine else None

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """-> features at stride 16, and those at strides 2, 4 and 8 for the decoders."""
        x2 = self.encode2(F.relu(self.stem_norm(self.stem(image))))
        x4 = self.encode4(x2)
        x8 = self.encode8(x4)
        x16 = self.encode16(x8)
        return self.decode16(_join(self.encode32(x16), x16)), [x2, x4, x8]

    def decode(self, coarse: Tensor, skips: list[Tensor]) -> Tensor:
        _, x4, x8 = skips
        x8 = self.decode8(_join(coarse, x8))
        return self.refine4(self.decode4(_join(x8, x4)))

    def decode_fine(self, decoded: Tensor, skips: list[Tensor]) -> Tensor:
        """Features at stride 2 from those of `decode`."""
        assert self.decode2 is not None
        return self.decode2(_join(decoded, skips[0]))


def _join(coarse: Tensor, fine: Tensor) -> Tensor:
    up = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([up, fine], dim=1)
