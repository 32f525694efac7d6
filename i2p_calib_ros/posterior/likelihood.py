"""What a pose likelihood is to the sampler and to the fusion, and which ones there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.prior import PoseNeighbourhood
from i2p_calib_ros.posterior.reprojection import GaussianMatches, ReprojectionLikelihood

if TYPE_CHECKING:
    from i2p_calib_ros.engines.model_file import LikelihoodConfig


_Count = TypeVar("_Count", float, Tensor)

_TWIST_OF_MATRIX = np.zeros((3, 4, 6))
"""The twist of the upper rows of a transform, to first order: what each entry adds to it."""
_TWIST_OF_MATRIX[[0, 1, 2], 3, [0, 1, 2]] = 1.0
_TWIST_OF_MATRIX[[2, 0, 1], [1, 2, 0], [3, 4, 5]] = 0.5
_TWIST_OF_MATRIX[[1, 2, 0], [2, 0, 1], [3, 4, 5]] = -0.5


class PoseLikelihood(Protocol):
    """What one frame says about `T_camera_lidar`, without a prior."""

    def log_likelihood(self, T_camera_source: Tensor) -> Tensor:
        """Poses (m, 4, 4) float32 -> (m,)."""

    def thinned(self, points: int, T_camera_source: Tensor) -> PoseLikelihood:
        """From at most `points` of its points, those that tell most between likely poses (m, 4, 4), to save time and
        memory. They count for all."""


class NearbyLikelihood:
    """A likelihood that knows only poses near an estimate, and leaves the others to that.

    To the windows of a fine stage all poses that are further off are alike. However unlikely each is, under a wide
    prior they are many, and the estimate has ruled them out.
    """

    def __init__(self, inside: PoseLikelihood, around: PoseNeighbourhood) -> None:
        self.inside = inside
        self.around = around
        # The twist from the estimate, with sin(angle) for the angle, is linear in the pose: `se3.log` takes long.
        off = np.einsum("ijk,lj->ilk", _TWIST_OF_MATRIX, se3.inverse(around.T_mean))
        self._whitened_of_pose = torch.from_numpy(off.reshape(12, 6) @ around.whitening.T).float()

    def log_likelihood(self, T_camera_source: Tensor) -> Tensor:
        """Poses (m, 4, 4) float32 -> (m,): what is known inside, less half the squared distance from the estimate.

        Of poses that are turned by less than a right angle from it.
        """
        whitened = T_camera_source[:, :3].reshape(-1, 12) @ self._whitened_of_pose
        return self.inside.log_likelihood(T_camera_source) - 0.5 * whitened.square().sum(dim=1)

    def thinned(self, points: int, T_camera_source: Tensor) -> NearbyLikelihood:
        """With the likelihood inside thinned."""
        return NearbyLikelihood(self.inside.thinned(points, T_camera_source), self.around)


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
