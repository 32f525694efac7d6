"""Where to look from when no extrinsic is known: every heading around the LiDAR, and the one that frames agree on.

A network that corrects a prior can start from none this way, because the camera and the LiDAR of a vehicle are near
each other and their tilt is known, be it only that both are mounted upright.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.spread import GLOBAL_SPREAD
from i2p_calib_ros.posterior.prior import PosePrior

_UNKNOWN_HEADING_DEG = 30.0
_STEP_DEG = 20.0
_TILT_SIGMA_DEG = 6.0
_FOUND_SIGMA_DEG = 3.0
_DISTANCE_SIGMA_M = 0.5
_AGREE_DEG = 10.0
_AGREEING_FRAMES = 3
_TIME_BETWEEN_S = 0.5  # frames that look alike are misled alike


def unknown_extrinsic() -> PosePrior:
    """Nothing is known but that the camera and the LiDAR (x forward, z up: REP 103) are upright and near each other."""
    T_camera_lidar = np.array(
        [[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )
    return PosePrior(T_camera_lidar, GLOBAL_SPREAD.sigma)


def leaves_heading_open(prior: PosePrior) -> bool:
    """Whether a prior says so little of where the camera looks that a network has to look around first."""
    return bool(prior.sigma[4] > np.deg2rad(_UNKNOWN_HEADING_DEG))


def headings(prior: PosePrior) -> list[PosePrior]:
    """Priors a network can look from, one every 20 deg about y of the camera: tilt and height of `prior`, no shift."""
    starts = []
    for yaw_deg in np.arange(0.0, 360.0, _STEP_DEG):
        T_camera_lidar = se3.from_rotation_vector(np.zeros(3), [0.0, np.deg2rad(yaw_deg), 0.0]) @ prior.T_mean
        T_camera_lidar[[0, 2], 3] = 0.0
        starts.append(PosePrior.from_spread(T_camera_lidar, _TILT_SIGMA_DEG, _DISTANCE_SIGMA_M))
    return starts


def found_at(T_camera_lidar: NDArray[np.float64]) -> PosePrior:
    """The prior after a heading was found: the pose (4, 4) that one look from there gave, to be looked at again."""
    return PosePrior.from_spread(T_camera_lidar, _FOUND_SIGMA_DEG, _DISTANCE_SIGMA_M)


@dataclass(frozen=True, eq=False)
class FoundHeading:
    """Where the camera is by the look of a frame with the best score.

    prior: the pose that a look from there gave, to be looked at again. doubt (6, 6): what the poses of other
    headings add to the covariance about it (left perturbation, m and rad); next to nothing where they score far less.
    """

    prior: PosePrior
    doubt: NDArray[np.float64]

    @classmethod
    def best_of(cls, poses: NDArray[np.float64], scores: Sequence[float]) -> FoundHeading:
        """Of poses (n, 4, 4) and their scores."""
        weights = np.exp(np.asarray(scores) - max(scores))
        weights /= weights.sum()
        T_best = poses[int(np.argmax(weights))]
        apart = se3.log(poses @ se3.inverse(T_best))
        rivals = np.linalg.norm(apart[:, 3:], axis=1) > np.deg2rad(_AGREE_DEG)
        return cls(found_at(T_best), (apart[rivals].T * weights[rivals]) @ apart[rivals])

    @property
    def left_open(self) -> bool:
        """Whether the frame cannot tell this heading from another."""
        return bool(self.doubt[4, 4] > np.deg2rad(_UNKNOWN_HEADING_DEG) ** 2)


class HeadingVotes:
    """What single frames took for the right heading, until one has three votes and the majority.

    Frames that leave it open have no vote.
    """

    def __init__(self) -> None:
        self._votes: list[PosePrior] = []
        self._last_s = -np.inf

    def wants(self, stamp_s: float) -> bool:
        """Whether a frame of this time would tell more than the last one."""
        return abs(stamp_s - self._last_s) >= _TIME_BETWEEN_S

    def add(self, stamp_s: float, found: FoundHeading) -> PosePrior | None:
        """One more frame's vote; the newest of those that agree with it, if they have won."""
        self._last_s = stamp_s
        if found.left_open:
            return None
        vote = found.prior
        self._votes.append(vote)
        agreeing = sum(se3.pose_error(other.T_mean, vote.T_mean).rotation_deg < _AGREE_DEG for other in self._votes)
        return vote if agreeing >= _AGREEING_FRAMES and 2 * agreeing > len(self._votes) else None
