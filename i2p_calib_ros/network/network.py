"""The assembled voxel-point-pixel network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_calib_ros.geometry.windows import window_cells
from i2p_calib_ros.network.config import VIEW_MULTIPLE, NetworkConfig
from i2p_calib_ros.network.cross_attention import CrossModalMixer
from i2p_calib_ros.network.inputs import NEIGHBOUR_FEATURES, VOXEL_FEATURES, VppInputs
from i2p_calib_ros.network.layers import RowNorm, mlp
from i2p_calib_ros.network.pixel_branch import PixelBranch
from i2p_calib_ros.network.point_branch import PointBranch
from i2p_calib_ros.network.voxel_branch import VoxelBranch


@dataclass(frozen=True)
class FineOutputs:
    """What the fine stage says of one frame (float32).

    point_descriptor (q, d) and pixel_descriptor (d, h, w) at stride FINE_STRIDE: their inner product is the
    log-likelihood ratio of each query point being seen in each cell; elsewhere (q,): the same for "in no cell of the
    point's window"; window: cells of that, a side.
    """

    point_descriptor: Tensor
    pixel_descriptor: Tensor
    elsewhere: Tensor
    window: int

    def similarity(self, origin: Tensor, size: int) -> Tensor:
        """Scores (q, size, size) in a window a point; origin (q, 2): column and row of its first cell (long).

        Cells beyond the image repeat its border.
        """
        h, w = self.pixel_descriptor.shape[1:]
        rows, columns = window_cells(origin, (size, size), (h, w))
        cells = self.pixel_descriptor.flatten(1).t()[(rows * w + columns).flatten(1)]
        return torch.bmm(cells, self.point_descriptor[:, :, None]).view(-1, size, size)


@dataclass(frozen=True)
class NetworkOutputs:
    """What the network says of one frame (float32).

    point_descriptor (q, d) and pixel_descriptor (d, h, w): their inner product is the log-likelihood ratio, up to a
    constant per point, of each query point being seen in each feature cell; outside (q,): the same for "outside the
    image"; pixel_overlap (h, w): logit that a cell shows a surface that the LiDAR sees; log_depth (h, w): auxiliary
    depth, log metres, and fine: the fine stage, where the network has them.
    """

    point_descriptor: Tensor
    pixel_descriptor: Tensor
    outside: Tensor
    pixel_overlap: Tensor
    log_depth: Tensor | None
    fine: FineOutputs | None

    def similarity(self) -> Tensor:
        """The whole volume (q, h, w)."""
        volume = self.point_descriptor @ self.pixel_descriptor.flatten(1)
        return volume.view(-1, *self.pixel_descriptor.shape[1:])

    def cosine(self, point: Tensor, column: Tensor, row: Tensor) -> Tensor:
        """Of the descriptors alone, without temperature and overlap: points (n,) and cells (m,) -> (n, m)."""
        points = F.normalize(self.point_descriptor[point, :-1], dim=1)
        return points @ F.normalize(self.pixel_descriptor[:-1, row, column], dim=0)


class FineHead(nn.Module):
    """Descriptors of the fine stage, from pixel features at FINE_STRIDE and the features of the query points."""

    def __init__(self, pixel_width: int, point_width: int, config: NetworkConfig) -> None:
        super().__init__()
        self.pixel_descriptor = nn.Conv2d(pixel_width, config.fine_descriptor, 1)
        self.point_descriptor = mlp(point_width, 2 * config.fine_descriptor, config.fine_descriptor)
        self.elsewhere = mlp(point_width, 32, 1)
        self.log_scale = nn.Parameter(torch.tensor(2.0))
        self.window = config.fine_window

    def forward(self, pixels: Tensor, points: Tensor) -> FineOutputs:
        """Pixels (1, c, H/2, W/2), points (q, p)."""
        return FineOutputs(
            point_descriptor=F.normalize(self.point_descriptor(points).float(), dim=1) * self.log_scale.exp(),
            pixel_descriptor=F.normalize(self.pixel_descriptor(pixels)[0].float(), dim=0),
            elsewhere=self.elsewhere(points)[:, 0].float(),
            window=self.window,
        )


class VoxelPointPixelNet(nn.Module):
    """Pixel U-Net, voxel U-Net and point branch with cross-modal mixing, ending in one similarity volume."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        pixel_width, coarse_pixel = config.pixel_widths[1], config.pixel_widths[3]
        coarse_voxel = config.voxel_widths[3]
        self.pixel_branch = PixelBranch(config.pixel_widths, fine=config.fine_descriptor > 0)
        self.voxel_branch = VoxelBranch(VOXEL_FEATURES, config.voxel_widths)
        self.point_branch = PointBranch(NEIGHBOUR_FEATURES, config.point_width)
        self.mixer = CrossModalMixer(
            coarse_pixel, coarse_voxel, config.attention_width, config.attention_layers
        )
        point_in = self.voxel_branch.out_width + config.point_width
        self.pixel_descriptor = nn.Conv2d(pixel_width, config.descriptor, 1)
        self.point_norm = RowNorm(point_in)
        self.point_descriptor = mlp(point_in, 2 * config.descriptor, config.descriptor)
        self.pixel_overlap = nn.Sequential(
            nn.Conv2d(pixel_width + coarse_voxel, 64, 1), nn.ReLU(), nn.Conv2d(64, 1, 1)
        )
        self.point_outside = mlp(point_in + coarse_pixel, 64, 1)
        self.depth = nn.Conv2d(pixel_width, 1, 1)
        for parameter in self.point_outside[-1].parameters():
            nn.init.zeros_(parameter)  # an untrained head leaves the overlap to the prior
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.fine = FineHead(config.pixel_widths[0], point_in, config) if config.fine_descriptor else None

    def forward(self, inputs: VppInputs) -> NetworkOutputs:
        view = inputs.view
        coarse_pixels, pixel_skips = self.pixel_branch.encode(
            inputs.image.contiguous(memory_format=torch.channels_last)
        )
        coarse_voxels, voxel_skips = self.voxel_branch.encode(inputs.voxel_features, inputs.levels)
        coarse_pixels, coarse_voxels = self._mix(
            coarse_pixels, coarse_voxels, inputs.coarse_uv, (view.width, view.height)
        )
        pixels = self.pixel_branch.decode(coarse_pixels, pixel_skips)
        voxels = self.voxel_branch.decode(coarse_voxels, voxel_skips, inputs.levels)
        points = torch.cat(
            [voxels[inputs.query_voxel], self.point_branch(inputs.neighbours).to(voxels.dtype)], dim=1
        )
        points = self.point_norm(points)

        pixel_descriptor = F.normalize(self.pixel_descriptor(pixels)[0].float(), dim=0)
        point_descriptor = F.normalize(self.point_descriptor(points).float(), dim=1)
        all_voxels = coarse_voxels.mean(dim=0)[None, :, None, None].expand(-1, -1, *pixels.shape[-2:])
        all_pixels = coarse_pixels.mean(dim=(2, 3)).expand(len(points), -1)
        pixel_overlap = self.pixel_overlap(torch.cat([pixels, all_voxels.to(pixels.dtype)], dim=1))[
            0, 0
        ].float()
        outside = self.point_outside(torch.cat([points, all_pixels.to(points.dtype)], dim=1))[:, 0].float()
        # Temperature and overlap ride in the descriptors, so that one matrix product makes the whole volume.
        point_descriptor = point_descriptor * self.log_scale.exp()
        return NetworkOutputs(
            point_descriptor=torch.cat([point_descriptor, torch.ones_like(point_descriptor[:, :1])], dim=1),
            pixel_descriptor=torch.cat([pixel_descriptor, F.logsigmoid(pixel_overlap)[None]]),
            outside=outside,
            pixel_overlap=pixel_overlap,
            log_depth=self.depth(pixels)[0, 0].float(),
            fine=None if self.fine is None else self.fine(self.pixel_branch.decode_fine(pixels, pixel_skips), points),
        )

    def _mix(
        self, pixels: Tensor, voxels: Tensor, voxel_uv: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        _, c, h, w = pixels.shape
        rows, columns = torch.meshgrid(
            torch.arange(h, device=pixels.device), torch.arange(w, device=pixels.device), indexing="ij"
        )
        centre = (VIEW_MULTIPLE - 1) / 2
        pixel_uv = torch.stack([columns, rows], dim=-1).reshape(-1, 2) * VIEW_MULTIPLE + centre
        mixed, voxels = self.mixer(pixels[0].flatten(1).t(), pixel_uv, voxels, voxel_uv, size)
        return mixed.t().reshape(1, c, h, w), voxels
