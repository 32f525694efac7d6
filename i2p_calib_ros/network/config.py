"""Architecture and preprocessing of the network: everything a weights file needs to be run again."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.geometry.view import PinholeView

VIEW_MULTIPLE = 16
"""Sides of the view are multiples of this: the stride of the coarse features that both modalities share."""


FINE_STRIDE = 2
"""View pixels of one cell of the fine stage."""


class NetworkConfig(BaseModel):
    """Hyper-parameters of `VoxelPointPixelNet` and of the inputs it was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view_pixels: int = Field(82_000, description="pixels of the virtual pinhole view, about")
    view_max_fov_deg: float = Field(100.0, description="widest field of view that the view covers")
    voxel_kind: Literal["perspective", "metric"] = "perspective"
    voxel_size_px: float = Field(4.0, description="perspective voxels: edge in view pixels (u and v)")
    voxel_size_log_depth: float = Field(0.08, description="perspective voxels: edge in log depth")
    voxel_size_m: float = Field(0.3, description="metric voxels: edge")
    max_cloud_points: int = Field(30_000, description="points given to the voxel grid, at most")
    query_points: int = Field(1024, description="points that get a match distribution")
    neighbours: int = Field(16, description="neighbours of a query point in the point branch")
    pixel_widths: tuple[int, int, int, int, int] = (32, 64, 96, 128, 128)
    voxel_widths: tuple[int, int, int, int] = (32, 48, 64, 96)
    point_width: int = 64
    descriptor: int = 64
    attention_layers: int = Field(2, description="cross-modal attention layers between the coarse features")
    attention_width: int = 96
    stride: int = Field(4, description="view pixels of one feature cell")
    fine_descriptor: int = Field(32, ge=0, description="width of the descriptors of the fine stage; 0: there is none")
    fine_window: int = Field(17, description="cells of the fine stage that each point is matched with, a side")

    def view_of(self, camera: Camera) -> PinholeView:
        """The view in which the network sees the images of a camera."""
        return PinholeView.for_camera(
            camera, pixels=self.view_pixels, multiple_of=VIEW_MULTIPLE, max_fov_deg=self.view_max_fov_deg
        )
