"""What a pose likelihood is to the sampler and to the fusion, and which ones there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.reprojection import GaussianMatches, ReprojectionLikelihood

if TYPE_CHECKING:
    from i2p_calib_ros.engines.model_file import LikelihoodConfig


class PoseLikelihood(Protocol):
    """What one frame says about `T_camera_lidar`, without a prior."""

    def log_likelihood(self, T_camera_source: Tensor) -> Tensor:
        """Poses (m, 4, 4) float32 -> (m,)."""

    def thinned(self, points: int) -> PoseLikelihood:
        """The same information from at most `points` of its points, to save time and memory."""


def make_likelihood(field: MatchField, config: LikelihoodConfig) -> PoseLikelihood:
    """The likelihood of a match field that a model's card asks for; a field of windows is one of the fine stage."""
    effective_points = config.effective_points
    if field.origin is not None and config.fine_effective_points is not None:
        effective_points = config.fine_effective_points
    if config.kind == "reprojection":
        return ReprojectionLikelihood(GaussianMatches.from_field(field), effective_points)
    return DenseLikelihood(field, effective_points, config.floor)
