"""What the network says of one frame, as match fields: over the whole image, and finely around a pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.config import FINE_STRIDE
from i2p_calib_ros.network.inputs import NetworkInputs, prior_sigma_px
from i2p_calib_ros.network.network import FineOutputs, NetworkOutputs
from i2p_calib_ros.network.spread import PriorSpread
from i2p_calib_ros.posterior.match_field import MatchField, make_match_field, valid_cells

_BEHIND_PX = -1e4
"""Where a point behind the camera is taken to project: in no cell."""


@dataclass(frozen=True)
class FrameMatches:
    """The match field over the whole image, under the prior that the network was given, and the way to finer ones."""

    coarse: MatchField
    fine_outputs: FineOutputs | None
    valid: Tensor
    """(H, W): the pixels of the view that show a part of the image."""

    @classmethod
    def of(cls, outputs: NetworkOutputs, inputs: NetworkInputs, points: Tensor, stride: int) -> FrameMatches:
        """From the network's inputs and outputs, cells of `stride` view pixels.

        `points` (q, 3): the query points in the frame that poses map from.
        """
        coarse = make_match_field(
            points,
            outputs.similarity(),
            outputs.outside,
            inputs.prior_uv,
            inputs.prior_sigma_px,
            stride,
            inputs.view,
            valid_cells(inputs.valid, stride),
        )
        return cls(coarse, outputs.fine, inputs.valid)

    def fine(self, T_camera_source: NDArray[np.float64], spread: PriorSpread) -> MatchField:
        """The fine stage's field in windows around where a pose (4, 4) projects the points.

        `spread` says how well the pose is known. Only for a network with a fine stage.
        """
        assert self.fine_outputs is not None
        points, view = self.coarse.points, self.coarse.view
        xyz = se3.transform_points(T_camera_source, points.cpu().numpy().astype(np.float64))
        ahead = xyz[:, 2] > 0.1
        uv = np.full((len(xyz), 2), _BEHIND_PX, dtype=np.float32)
        sigma_px = np.ones_like(uv)
        uv[ahead] = view.project(xyz[ahead])[0]
        sigma_px[ahead] = prior_sigma_px(xyz[ahead], view, spread)
        near_uv = torch.from_numpy(uv).to(points.device)
        cell = ((near_uv - (FINE_STRIDE - 1) / 2) / FINE_STRIDE).round().long()
        window = self.fine_outputs.window
        origin = cell - window // 2
        return make_match_field(
            points,
            self.fine_outputs.similarity(origin, window),
            self.fine_outputs.elsewhere,
            near_uv,
            torch.from_numpy(sigma_px).to(points.device),
            FINE_STRIDE,
            view,
            valid_cells(self.valid, FINE_STRIDE),
            origin,
        )
