"""Architecture and preprocessing of the network: everything a weights file needs to be run again."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.geometry.view import PinholeView

VIEW_MULTIPLE = 16
"""Sides of the view are multiples of this: the stride of the coarse features that both modalities share."""


FINE_STRIDE = 2
"""View pixels of one cell of the fine stage."""


class ViewConfig(BaseModel):
    """What all networks have in common: how they see an image, and what they give of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    knows_prior: ClassVar[bool]
    """Whether the network looks from the pose of a prior; without one it is to find matches from anywhere."""

    view_pixels: int = Field(82_000, description="pixels of the virtual pinhole view, about")
    close_view_ratio: float = Field(1.0, ge=1.0, description="how many times as many a look from nearby has")
    view_max_fov_deg: float = Field(100.0, description="widest field of view that the view covers")
    query_points: int = Field(1024, description="points that get a match distribution")
    descriptor: int = 64
    stride: int = Field(4, description="view pixels of one feature cell")

    def view_of(self, camera: Camera, close: bool = False) -> PinholeView:
        """The view in which the network sees the images of a camera; `close`: from a pose that is nearly right."""
        pixels = round(self.view_pixels * (self.close_view_ratio if close else 1.0))
        return PinholeView.for_camera(
            camera, pixels=pixels, multiple_of=VIEW_MULTIPLE, max_fov_deg=self.view_max_fov_deg
        )


class NetworkConfig(ViewConfig):
    """Hyper-parameters of `VoxelPointPixelNet` and of the inputs it was trained on."""

    knows_prior: ClassVar[bool] = True
    close_view_ratio: float = Field(4.0, ge=1.0)
    voxel_kind: Literal["perspective", "metric"] = "perspective"
    voxel_size_px: float = Field(4.0, description="perspective voxels: edge in view pixels (u and v)")
    voxel_size_log_depth: float = Field(0.08, description="perspective voxels: edge in log depth")
    voxel_size_m: float = Field(0.3, description="metric voxels: edge")
    max_cloud_points: int = Field(30_000, description="points given to the voxel grid, at most")
    neighbours: int = Field(16, description="neighbours of a query point in the point branch")
    pixel_widths: tuple[int, int, int, int, int] = (32, 64, 96, 128, 128)
    voxel_widths: tuple[int, int, int, int] = (32, 48, 64, 96)
    point_width: int = 64
    attention_layers: int = Field(2, description="cross-modal attention layers between the coarse features")
    attention_width: int = 96
    fine_descriptor: int = Field(32, ge=0, description="width of the descriptors of the fine stage; 0: there is none")
    fine_window: int = Field(17, description="cells of the fine stage that each point is matched with, a side")


class PointLevel(BaseModel):
    """One level of set abstraction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    centres: int
    members: int = Field(description="points around each centre")
    radius_m: float = Field(description="of the ball they are from")


class Vp2pConfig(ViewConfig):
    """Hyper-parameters of `Vp2pNet`, the published network; the values are the published ones."""

    knows_prior: ClassVar[bool] = False
    kind: Literal["vp2p"] = "vp2p"
    max_cloud_points: int = Field(40_960, description="points of a cloud, at most")
    voxel_size_m: float = Field(0.05, description="edge of the voxels, cubes")
    voxel_widths: tuple[int, ...] = Field((16, 16, 32, 64, 128), description="of the finest level and coarser ones")
    pixel_widths: tuple[int, int, int, int, int] = (64, 64, 128, 256, 512)
    point_widths: tuple[int, int, int] = Field((128, 256, 512), description="of the two levels, and of the whole cloud")
    point_levels: tuple[PointLevel, PointLevel] = (
        PointLevel(centres=1024, members=64, radius_m=20.0),
        PointLevel(centres=256, members=32, radius_m=40.0),
    )
    attention_neighbours: int = Field(16, description="centres that a centre attends to")
    attention_width: int = 64


def _kind(config: Any) -> str:
    return str(config.get("kind", "vpp") if isinstance(config, dict) else getattr(config, "kind", "vpp"))


AnyNetworkConfig = Annotated[
    Annotated[NetworkConfig, Tag("vpp")] | Annotated[Vp2pConfig, Tag("vp2p")], Discriminator(_kind)
]
"""Either architecture; a configuration that names no kind is ours."""
