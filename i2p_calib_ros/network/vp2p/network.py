"""The triplet network of VP2P-Match (Zhou et al., NeurIPS 2023, arXiv 2312.04060), to compare ours with.

As published: metric voxels and their U-Net, set abstraction with transformers over the points, a residual U-Net over
the pixels; voxel and point features are added; descriptors are unit vectors; whether a point or a pixel lies in the
shared field of view is told from its own feature and the other modality's global one. Nothing else passes between them.

Where it deviates:
- The branches are ours where they are the same in kind: `PixelBranch` has fewer blocks than ResNet-34, `VoxelBranch`
  reads voxels back at the query points without the point residuals of SPVCNN. Instance normalisation takes the place
  of batch normalisation, as samples come one at a time, so the global feature of the image is that of stride 16.
- The image is the pinhole view of all our networks, of as many pixels as the published 160 x 512.
- Only query points get features. Centres are far from each other out of four times as many random points, and the
  members of a group random points of its ball.
- A learned temperature and the overlap of the pixels make a log-likelihood ratio of the cosine, so that what follows
  the network is the ordinary engine: a posterior, where the published method ends with RANSAC.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_calib_ros.network.config import Vp2pConfig
from i2p_calib_ros.network.layers import ImageNorm, normed_mlp
from i2p_calib_ros.network.network import NetworkOutputs
from i2p_calib_ros.network.pixel_branch import PixelBranch
from i2p_calib_ros.network.voxel_branch import VoxelBranch
from i2p_calib_ros.network.vp2p.inputs import POINT_FEATURES, Vp2pInputs
from i2p_calib_ros.network.vp2p.point_branch import PointTransformer

_START_TEMPERATURE = 32.0  # the scale of the adaptive-weighted loss


class Vp2pNet(nn.Module):
    """`Vp2pInputs` -> `NetworkOutputs` without depth and fine stage; "outside" follows from the point's overlap."""

    def __init__(self, config: Vp2pConfig) -> None:
        super().__init__()
        self.config = config
        pixel, whole_image = config.pixel_widths[1], config.pixel_widths[3]
        point, _, whole_cloud = config.point_widths
        self.pixel_branch = PixelBranch(config.pixel_widths, fine=False)
        self.voxel_branch = VoxelBranch(POINT_FEATURES, config.voxel_widths)
        self.voxel_out = nn.Linear(self.voxel_branch.out_width, point)
        first, second = config.point_levels
        self.point_branch = PointTransformer(
            config.point_widths, (first.radius_m, second.radius_m), config.attention_width
        )
        self.pixel_descriptor = nn.Sequential(_pixel_mlp(pixel, pixel, pixel), nn.Conv2d(pixel, config.descriptor, 1))
        self.point_descriptor = nn.Sequential(normed_mlp(point, point, point), nn.Linear(point, config.descriptor))
        self.pixel_overlap = nn.Sequential(_pixel_mlp(pixel + whole_cloud, 128, 64), nn.Conv2d(64, 1, 1))
        self.point_overlap = nn.Sequential(normed_mlp(point + whole_image, 128, 64), nn.Linear(64, 1))
        self.log_scale = nn.Parameter(torch.tensor(math.log(_START_TEMPERATURE)))

    def forward(self, inputs: Vp2pInputs) -> NetworkOutputs:
        coarse_pixels, skips = self.pixel_branch.encode(inputs.image.contiguous(memory_format=torch.channels_last))
        pixels = self.pixel_branch.decode(coarse_pixels, skips)
        coarse_voxels, voxel_skips = self.voxel_branch.encode(inputs.voxel_features, inputs.levels)
        voxels = self.voxel_branch.decode(coarse_voxels, voxel_skips, inputs.levels)
        points, whole_cloud = self.point_branch(inputs)
        points = points + self.voxel_out(voxels)[inputs.query_voxel]

        whole_cloud = whole_cloud[None, :, None, None].expand(-1, -1, *pixels.shape[-2:]).to(pixels.dtype)
        whole_image = coarse_pixels.mean(dim=(2, 3)).expand(len(points), -1).to(points.dtype)
        pixel_overlap = self.pixel_overlap(torch.cat([pixels, whole_cloud], dim=1))[0, 0].float()
        point_overlap = self.point_overlap(torch.cat([points, whole_image], dim=1))[:, 0].float()
        pixel_descriptor = F.normalize(self.pixel_descriptor(pixels)[0].float(), dim=0)
        point_descriptor = F.normalize(self.point_descriptor(points).float(), dim=1) * self.log_scale.exp()
        point_descriptor = torch.cat([point_descriptor, torch.ones_like(point_descriptor[:, :1])], dim=1)
        pixel_descriptor = torch.cat([pixel_descriptor, F.logsigmoid(pixel_overlap)[None]])
        return NetworkOutputs(
            point_descriptor=point_descriptor,
            pixel_descriptor=pixel_descriptor,
            outside=_mean_evidence(point_descriptor, pixel_descriptor) - point_overlap,
            pixel_overlap=pixel_overlap,
            log_depth=None,
            fine=None,
        )


def _mean_evidence(points: Tensor, pixels: Tensor) -> Tensor:
    """Log of the mean over the cells of exp(similarity): (q,)."""
    cells = pixels[0].numel()
    return torch.logsumexp(points @ pixels.flatten(1), dim=1) - math.log(cells)


def _pixel_mlp(in_width: int, *widths: int) -> nn.Sequential:
    """1x1 convolutions, each with instance normalisation and ReLU."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(in_width, width, 1, bias=False), ImageNorm(width), nn.ReLU()]
        in_width = width
    return nn.Sequential(*layers)
