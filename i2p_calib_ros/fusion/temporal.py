"""Temporal fusion: the joint likelihood of a sliding window of keyframes, under the one initial prior.

Averaging the poses of single frames throws away what the frames constrain together. Frames that disagree with the
others are gated, and a run of them that agrees with itself is a jump of the mount. Where those that are left scatter
by more than they say, the covariance grows by as much. Each frame is taken to be seen from where the LiDAR was as its
image was taken, which the frames' own delay tells (`image_delay`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_calib_ros.fusion.image_delay import ImageDelay, MovingFrame, estimate_image_delay
from i2p_calib_ros.posterior.amis import sample_posterior, sample_posterior_near, search_again_if_sparse
from i2p_calib_ros.posterior.likelihood import PoseLikelihood
from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PoseNeighbourhood, PosePrior

_TRACKING_SIGMAS = 2.0
_LEAST_EFFECTIVE_SAMPLES = 40.0  # a covariance of fewer, 21 numbers, is chance
_LIKELY_POSES = 48  # by which the points of a keyframe are chosen
_EXPECTED_LOSS_NATS = 3.0  # at the truth, against its own best pose: half the mean of chi2 of 6 degrees of freedom


@dataclass(frozen=True)
class FusionSettings:
    """window: keyframes kept. interval_s: time between keyframes, at first; when the window is full every other one
    goes and the interval doubles, up to longest_interval_s, so that the window spans ever more of the drive.
    points: of all keyframes together, to bound time and memory; the share of each is halved as their number doubles.
    gate_nats: a keyframe that loses more than this against its own best pose is left out. jump_keyframes: so many
    newest ones left out in a row mean that the mount has moved.
    correlation: of the errors of two frames of a drive. n frames then count as n / (1 + (n - 1) correlation), at most
    1 / correlation: what frames get wrong together more of them do not average away, least of all those of a standing
    vehicle. From 40 synthetic drives not trained on (models/EXPERIMENTS.md, 10).
    """

    window: int = 24
    interval_s: float = 0.19
    longest_interval_s: float = 4.0
    points: int = 8192
    gate_nats: float = 15.0
    jump_keyframes: int = 4
    correlation: float = 0.85


@dataclass(frozen=True)
class FusedEstimate:
    """T_mean (4, 4) = T_camera_lidar and covariance (6, 6) of its left perturbation, after keyframes_used of
    keyframes_used + keyframes_gated. jumped: the window was restarted, as the newest frames agree on another pose.
    multimodal: several poses far apart explain the window; the mean is then none of them. disagreement: how many times
    more the frames used lose at T_mean than frames that are each right would, no less than 1; the covariance is that
    many times wider, up to the prior's. image_delay: of the images against their stamps; what is not known of it is in
    the covariance."""

    T_mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    keyframes_used: int
    keyframes_gated: int
    jumped: bool
    multimodal: bool
    disagreement: float = 1.0
    image_delay: ImageDelay = field(default_factory=ImageDelay)


@dataclass
class _Keyframe:
    stamp_s: float
    likelihood: PoseLikelihood
    posterior: PosePosterior
    found: MovingFrame | None
    """None where the motion of the LiDAR is not known."""
    T_image_stamp: Tensor
    gated: bool = False
    best: float = -np.inf

    def log_likelihood(self, T: Tensor) -> Tensor:
        """Poses (m, 4, 4) -> (m,), the points being where they were as the image was taken."""
        return self.likelihood.log_likelihood(T @ self.T_image_stamp)

    def loss(self, T: NDArray[np.float64]) -> float:
        """What the frame loses at a pose against its own best, in nats."""
        return self.best - float(self.log_likelihood(torch.from_numpy(T)[None].float()))

    def thin(self, points: int) -> None:
        """Go on with those of its points that tell most between the poses that it takes for likely."""
        likely = torch.from_numpy(self.posterior.draws(_LIKELY_POSES)).float()
        self.likelihood = self.likelihood.thinned(points, likely)
        self.best = float(self.likelihood.log_likelihood(torch.from_numpy(self.posterior.guesses).float()).max())


class TemporalFusion:
    """Feed it every frame's likelihood and posterior; it keeps what it needs."""

    def __init__(self, prior: PosePrior, settings: FusionSettings = FusionSettings()) -> None:
        self.prior = prior
        self.settings = settings
        self._interval_s = settings.interval_s
        self._keyframes: list[_Keyframe] = []
        self._share = settings.points
        self._estimate: FusedEstimate | None = None

    def wants(self, stamp_s: float) -> bool:
        """Whether a frame of this time would become a keyframe; others repeat what the window knows."""
        if not self._keyframes:
            return True
        elapsed = stamp_s - self._keyframes[-1].stamp_s
        return elapsed < 0 or elapsed >= self._interval_s

    def update(
        self,
        stamp_s: float,
        likelihood: PoseLikelihood,
        posterior: PosePosterior,
        lidar_twist: NDArray[np.float64] | None = None,
    ) -> FusedEstimate:
        """Add a keyframe and fuse the window. After a stamp that goes back (a bag played again) the interval is short
        again, so that the window fills with new frames; those that it has stay, as the mount is the same.

        `lidar_twist` (6,): how the LiDAR moved, m/s and rad/s in its own frame, if known.
        """
        if self._keyframes and stamp_s < self._keyframes[-1].stamp_s:
            self._interval_s = self.settings.interval_s
        self._append(stamp_s, likelihood, posterior, lidar_twist)
        jumped = self._restart_after_jump()
        delay = self._find_image_delay()
        used = [k for k in self._keyframes if not k.gated]
        fused = self._fuse(used, guess=posterior, track=not jumped)
        if self._gate(fused.T_mean):
            used = [k for k in self._keyframes if not k.gated] or used
            fused = self._fuse(used, guess=fused)
        disagreement = _disagreement(used, fused.T_mean)
        self._estimate = FusedEstimate(
            T_mean=fused.T_mean,
            covariance=_widened(fused.covariance, disagreement, self.prior) + delay.covariance,
            keyframes_used=len(used),
            keyframes_gated=len(self._keyframes) - len(used),
            jumped=jumped,
            multimodal=fused.multimodal,
            disagreement=disagreement,
            image_delay=delay,
        )
        return self._estimate

    def _append(
        self,
        stamp_s: float,
        likelihood: PoseLikelihood,
        posterior: PosePosterior,
        lidar_twist: NDArray[np.float64] | None,
    ) -> None:
        if len(self._keyframes) >= self.settings.window:
            if self._interval_s < self.settings.longest_interval_s:
                self._keyframes = self._keyframes[::2]
                self._interval_s *= 2.0
            else:
                self._keyframes.pop(0)
        found = None if lidar_twist is None else MovingFrame(posterior.T_mean, posterior.covariance, lidar_twist)
        self._keyframes.append(_Keyframe(stamp_s, likelihood, posterior, found, torch.eye(4)))
        share = self.settings.points >> (len(self._keyframes) - 1).bit_length()
        for keyframe in self._keyframes if share < self._share else self._keyframes[-1:]:
            keyframe.thin(share)
        self._share = share

    def _find_image_delay(self) -> ImageDelay:
        """The delay by the window's frames, each of which is then seen from where the LiDAR was."""
        moving = [k.found for k in self._keyframes if k.found is not None]
        delay = estimate_image_delay(moving, self.prior)
        for keyframe in self._keyframes:
            if keyframe.found is not None:
                T_image_stamp = delay.T_image_stamp(keyframe.found.lidar_twist)
                keyframe.T_image_stamp = torch.from_numpy(T_image_stamp).float()
        return delay

    def _fuse(self, keyframes: list[_Keyframe], guess: PosePosterior, track: bool = False) -> PosePosterior:
        """Posterior of the window: tracked from the last estimate if there is one, or searched over the whole prior.

        Both climb from `guess` as well. A track that is lost, with too few samples where the posterior is, is searched
        for; a search that finds it with too few goes on around it.
        """
        weight = 1.0 / (1.0 + (len(keyframes) - 1) * self.settings.correlation)

        def joint(T: Tensor) -> Tensor:
            return weight * torch.stack([k.log_likelihood(T) for k in keyframes]).sum(dim=0)

        starts = guess.guesses
        last = self._estimate
        if last is not None:
            starts = np.concatenate([starts, last.T_mean[None]])
        if track and last is not None:
            around = PoseNeighbourhood(last.T_mean, last.covariance, _TRACKING_SIGMAS, self.prior)
            tracked = sample_posterior_near(joint, self.prior, around, start_poses=starts)
            if tracked.effective_sample_size >= _LEAST_EFFECTIVE_SAMPLES:
                return tracked
            starts = np.concatenate([starts, tracked.guesses])
        searched = sample_posterior(joint, self.prior, start_poses=starts)
        return search_again_if_sparse(
            searched, joint, self.prior, least_effective_samples=_LEAST_EFFECTIVE_SAMPLES
        )

    def _gate(self, T: NDArray[np.float64]) -> bool:
        """Mark the keyframes that disagree with a pose; whether any mark changed. A majority is never gated."""
        losses = np.array([k.loss(T) for k in self._keyframes])
        limit = max(self.settings.gate_nats, 2.0 * float(np.median(losses)))
        gates = losses > limit
        changed = any(k.gated != bool(g) for k, g in zip(self._keyframes, gates))
        for keyframe, gate in zip(self._keyframes, gates):
            keyframe.gated = bool(gate)
        return changed

    def _restart_after_jump(self) -> bool:
        if self._estimate is None or len(self._keyframes) <= self.settings.jump_keyframes:
            return False
        newest = self._keyframes[-self.settings.jump_keyframes :]
        if not all(k.loss(self._estimate.T_mean) > self.settings.gate_nats for k in newest):
            return False
        self._keyframes = newest
        for keyframe in newest:
            keyframe.gated = False
        return True


def _disagreement(keyframes: list[_Keyframe], T: NDArray[np.float64]) -> float:
    """How many times more the frames lose at a pose fitted to all of them than frames that are each right would, but
    no less than 1: the square of the Birge ratio (Birge, Physical Review 40, 1932), by likelihoods."""
    if len(keyframes) < 2:
        return 1.0
    expected = _EXPECTED_LOSS_NATS * (1.0 - 1.0 / len(keyframes))
    return max(1.0, float(np.mean([k.loss(T) for k in keyframes])) / expected)


def _widened(covariance: NDArray[np.float64], factor: float, prior: PosePrior) -> NDArray[np.float64]:
    """A covariance (6, 6) times a factor, but in no direction wider for it than the prior."""
    if factor == 1.0:
        return covariance
    units = np.outer(prior.sigma, prior.sigma)
    variances, axes = np.linalg.eigh(covariance / units)
    widened = np.minimum(factor * variances, np.maximum(variances, 1.0))
    return (axes * widened) @ axes.T * units
