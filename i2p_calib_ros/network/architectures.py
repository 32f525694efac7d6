"""The architectures there are, ours and the published one: which network and which inputs belong to a configuration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.network.config import AnyNetworkConfig, NetworkConfig, Vp2pConfig
from i2p_calib_ros.network.inputs import NetworkInputs, prepare_vpp_inputs
from i2p_calib_ros.network.network import VoxelPointPixelNet
from i2p_calib_ros.network.spread import PriorSpread
from i2p_calib_ros.network.vp2p.inputs import prepare_vp2p_inputs
from i2p_calib_ros.network.vp2p.network import Vp2pNet

ARCHITECTURES: dict[str, AnyNetworkConfig] = {
    "vpp": NetworkConfig(),
    "vpp_coarse": NetworkConfig(fine_descriptor=0),
    "vpp_tiny": NetworkConfig(
        view_pixels=41_000,
        voxel_size_px=5.0,
        voxel_size_log_depth=0.1,
        max_cloud_points=12_000,
        query_points=640,
        pixel_widths=(16, 32, 48, 64, 64),
        voxel_widths=(16, 24, 32, 48),
        point_width=32,
        descriptor=32,
        attention_layers=1,
        attention_width=48,
        fine_descriptor=0,
    ),
    "vp2p": Vp2pConfig(),
}
"""By name: ours, ours without the fine stage, ours at half the widths and pixels, and VP2P-Match as published."""


def build_network(config: AnyNetworkConfig) -> VoxelPointPixelNet | Vp2pNet:
    """The network of a configuration, with random weights."""
    return Vp2pNet(config) if isinstance(config, Vp2pConfig) else VoxelPointPixelNet(config)


def prepare_inputs(
    image: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    xyz_prior: NDArray[np.floating],
    intensity: NDArray[np.floating] | None,
    view: PinholeView,
    spread: PriorSpread,
    config: AnyNetworkConfig,
    rng: np.random.Generator,
) -> NetworkInputs:
    """Build the inputs of one frame.

    image: (H, W, 3) RGB of the view. valid: (H, W), where it shows the camera's image. xyz_prior: (n, 3) metres, the
    cloud in the prior camera frame. intensity: (n,) of any scale, or None. spread: of the prior, which the published
    network does not know. `rng` chooses points where there are too many. Raises TooFewPoints.
    """
    if isinstance(config, Vp2pConfig):
        return prepare_vp2p_inputs(image, valid, xyz_prior, intensity, view, config, rng)
    return prepare_vpp_inputs(image, valid, xyz_prior, intensity, view, spread, config, rng)
