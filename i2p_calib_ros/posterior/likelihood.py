"""What a pose likelihood is to the sampler and to the fusion, and which ones there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor

from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.reprojection import GaussianMatches, ReprojectionLikelihood

if TYPE_CHECKING:
    from i2p_calib_ros.engines.model_file import LikelihoodConfig


_Count = TypeVar("_Count", float, Tensor)


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
    effective_points = effective_points_of(field, effective_points)
    if config.kind == "reprojection":
        return ReprojectionLikelihood(GaussianMatches.from_field(field), effective_points)
    return DenseLikelihood(field, effective_points, config.floor)


def effective_points_of(field: MatchField, of_all: _Count) -> _Count:
    """What the distinct points of a field count for, where as many of them as were drawn would count for `of_all`.

    A frame with few points has them drawn repeatedly, which tells nothing new. Points are taken to be equally
    correlated (Kish, "Survey Sampling", 1965, design effect): n of them count for n / (1 + (n - 1) rho).
    """
    drawn, distinct = len(field.points), len(torch.unique(field.points, dim=0))
    if distinct == drawn:
        return of_all
    rho = (drawn / of_all - 1.0) / (drawn - 1)
    return distinct / (1.0 + (distinct - 1) * rho)
