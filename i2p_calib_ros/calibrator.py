"""The algorithm on one page: frame -> view -> match field -> pose posterior -> temporal fusion -> verdict."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from i2p_calib_ros.engines.match_fields import FrameMatches
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.frames.evenly_spread import EvenlySpread
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.motion_compensation import delayed
from i2p_calib_ros.fusion.acceptance import Verdict, judge
from i2p_calib_ros.fusion.temporal import FusedEstimate, TemporalFusion
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.geometry.view import ViewRenderer
from i2p_calib_ros.heading_search import (
    FoundHeading,
    HeadingVotes,
    found_at,
    headings,
    leaves_heading_open,
)
from i2p_calib_ros.look import LEAST_EFFECTIVE_SAMPLES, Look, has_too_few_samples, spread_of
from i2p_calib_ros.network.architectures import prepare_inputs
from i2p_calib_ros.network.inputs import TooFewPoints
from i2p_calib_ros.network.spread import CLOSE_STARTS, COARSE_STARTS, FINE_STARTS
from i2p_calib_ros.posterior.amis import (
    sample_posterior,
    sample_posterior_near,
    search_again_if_sparse,
)
from i2p_calib_ros.posterior.likelihood import NearbyLikelihood, PoseLikelihood, make_likelihood
from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PoseNeighbourhood, PosePrior
from i2p_calib_ros.posterior.ransac import ransac_poses

_NEAR_SAMPLES = 192
_SECOND_LOOKS = 6
_VANTAGES = 4
_AGREEING_SIGMAS = 5.0
_SCORE_PER_NAT = 3.0  # looks at one frame are misled alike: models/EXPERIMENTS.md, 54
_FINE_LOSS_NATS = 3.0  # beyond, the fine stage is the worse one: models/EXPERIMENTS.md, 56
# The first keyframes are looked at from the initial extrinsic: one wrong frame must not set the view of the next.
_WARM_UP_KEYFRAMES = 3
_VANTAGE_INFLATION = 2.0
_HELD_OUT_FRAMES = 10


@dataclass(frozen=True)
class FrameEstimate:
    """What one frame says: its likelihood (the prior is not in it), the posterior under the prior, the time it took."""

    likelihood: PoseLikelihood
    posterior: PosePosterior
    seconds: float


class FrameMatcher:
    """Turns a frame and a guess of the extrinsic into a match field, for one camera."""

    def __init__(self, engine: TorchEngine, camera: Camera, seed: int = 0) -> None:
        self.engine = engine
        self.config = engine.card.network
        wide, close = self.config.view_of(camera), self.config.view_of(camera, close=True)
        self._wide, self._close = ViewRenderer(camera, wide), ViewRenderer(camera, close)
        self._rng = np.random.default_rng(seed)

    def match(self, frame: Frame, seen_from: PosePrior) -> FrameMatches:
        """The matches of the frame's points. FrameRejected: too few in view.

        From a pose that is nearly right the network takes a closer look: it sees more pixels.
        """
        spread = spread_of(seen_from)
        render = self._close if CLOSE_STARTS.reaches(spread) else self._wide
        xyz_prior = se3.transform_points(seen_from.T_mean, frame.xyz)
        try:
            inputs = prepare_inputs(
                render(frame.image),
                render.valid,
                xyz_prior,
                frame.intensity,
                render.view,
                COARSE_STARTS.clip(spread),
                self.config,
                self._rng,
            )
        except TooFewPoints as error:
            raise FrameRejected("too few points in view", str(error)) from error
        return self.engine.match(inputs, torch.from_numpy(frame.xyz[inputs.query_index.numpy()]))

    def estimate(
        self,
        frame: Frame,
        prior: PosePrior,
        seen_from: PosePrior,
        passes: int = 1,
        quick: bool = False,
        alone: bool = True,
    ) -> FrameEstimate:
        """Posterior of one frame under `prior`. The first pass looks from `seen_from`, the next from what it found.

        A fine stage then matches once more around the last pass's result. Where more than one pass does not get as far
        as that, or the last two disagree, and the frame is `alone`, with no other to tell what it leaves unclear, the
        posterior is the mixture of what looks from elsewhere in the prior lead to as well, each weighted by its score,
        and the likelihood is that of the best.

        `quick` searches for poses around `seen_from` only, which is to be near already. A prior that leaves the heading
        open is replaced by what `look_around` finds, and the covariance then holds its doubt.
        """
        started = time.perf_counter()
        doubt = np.zeros((6, 6))
        if self.config.knows_prior and leaves_heading_open(seen_from):
            heading = self.look_around(frame, prior)
            prior = seen_from = heading.prior
            doubt = heading.doubt
        around = PoseNeighbourhood(seen_from.T_mean, seen_from.covariance, 1.0, prior) if quick else None
        *earlier, look = self._look_on(frame, prior, seen_from, passes, around)
        looks = [look]
        if alone and earlier and _stays_unclear(earlier[-1], look):
            looks += self._looks_from_elsewhere(frame, prior, passes)
        scores = np.array([look.score for look in looks])
        looks = [self._refined(look) for look in looks]
        posterior = PosePosterior.mixture([look.posterior for look in looks], scores / _SCORE_PER_NAT)
        covariance = self.engine.card.likelihood.covariance_scale * posterior.covariance + doubt
        return FrameEstimate(
            looks[int(np.argmax(scores))].likelihood,
            replace(posterior, covariance=covariance),
            time.perf_counter() - started,
        )

    def look_around(self, frame: Frame, prior: PosePrior) -> FoundHeading:
        """For a prior that leaves the heading open: where the camera is by the look with the best score.

        Every heading gets a look, the best get a second one from where the first led. FrameRejected: too few points.
        """
        first = self._looks(frame, headings(prior))
        second = self._looks(frame, [found_at(look.posterior.T_mean) for look in first[:_SECOND_LOOKS]])
        return FoundHeading.best_of(
            np.stack([look.posterior.T_mean for look in second]), [look.score for look in second]
        )

    def _looks_from_elsewhere(self, frame: Frame, prior: PosePrior, passes: int) -> list[Look]:
        """What looks from a few poses of the prior lead to, without those that show too few points."""
        looks = []
        for T_seen in prior.sample(self._rng, _VANTAGES):
            with suppress(FrameRejected):
                looks.append(self._look_on(frame, prior, PosePrior(T_seen, prior.sigma), passes)[-1])
        return looks

    def _look_on(
        self,
        frame: Frame,
        prior: PosePrior,
        seen_from: PosePrior,
        passes: int,
        around: PoseNeighbourhood | None = None,
    ) -> list[Look]:
        """Some looks: the first from `seen_from`, each of the next from what the one before found."""
        looks = []
        for _ in range(passes):
            look = self._look(frame, prior, seen_from, around)
            seen_from = look.found
            around = look.neighbourhood if CLOSE_STARTS.reaches(look.spread) else None
            looks.append(look)
        return looks

    def _refined(self, look: Look) -> Look:
        """A look with the matches of the fine stage, if it is near enough for them and they tell about as much."""
        if look.matches.fine_outputs is None or not FINE_STARTS.reaches(look.spread):
            return look
        field = look.matches.fine(look.posterior.T_mean, FINE_STARTS.clip(look.spread))
        in_windows = make_likelihood(field, self.engine.card.likelihood)
        posterior = self._sample_near(in_windows, look.prior, look.neighbourhood)
        fine = replace(look, likelihood=NearbyLikelihood(in_windows, look.neighbourhood), posterior=posterior)
        tells_less = has_too_few_samples(posterior) or fine.entropy > look.entropy + _FINE_LOSS_NATS
        return look if tells_less else fine

    def _looks(self, frame: Frame, starts: list[PosePrior]) -> list[Look]:
        """A look from each start that shows points, those with the best score first."""
        looks = []
        for start in starts:
            with suppress(FrameRejected):
                around = PoseNeighbourhood(start.T_mean, start.covariance, 1.0, start)
                looks.append(self._look(frame, start, start, around))
        if not looks:
            raise FrameRejected("too few points in view", "no heading of the camera shows enough points of the cloud")
        return sorted(looks, key=lambda look: look.score, reverse=True)

    def _look(self, frame: Frame, prior: PosePrior, seen_from: PosePrior, around: PoseNeighbourhood | None) -> Look:
        """The coarse matches of a frame seen from somewhere, and the posterior that they lead to.

        It is searched for `around` an estimate if there is one, then all over the prior, then around what was found,
        until there are enough effective samples.
        """
        matches = self.match(frame, seen_from)
        likelihood = make_likelihood(matches.coarse, self.engine.card.likelihood)
        posterior = None if around is None else self._sample_near(likelihood, prior, around)
        if posterior is None or has_too_few_samples(posterior):
            starts = seen_from.T_mean[None]
            if not self.config.knows_prior:
                starts = np.concatenate([starts, ransac_poses(matches.coarse)])
            posterior = sample_posterior(likelihood.log_likelihood, prior, start_poses=starts)
        posterior = search_again_if_sparse(
            posterior,
            likelihood.log_likelihood,
            prior,
            least_effective_samples=LEAST_EFFECTIVE_SAMPLES,
            samples_per_round=_NEAR_SAMPLES,
        )
        return Look(matches, likelihood, prior, posterior)

    def _sample_near(self, likelihood: PoseLikelihood, prior: PosePrior, around: PoseNeighbourhood) -> PosePosterior:
        return sample_posterior_near(likelihood.log_likelihood, prior, around, samples_per_round=_NEAR_SAMPLES)


def _stays_unclear(first: Look, second: Look) -> bool:
    """Whether a second look from what the first found leaves more doubt than the fine stage takes, or leads away."""
    led_away = first.posterior.mahalanobis(second.posterior.T_mean) > _AGREEING_SIGMAS
    return bool(led_away) or not FINE_STARTS.reaches(second.spread)


@dataclass(frozen=True)
class CalibrationStep:
    """The state after one more frame: what that frame said alone, and everything fused so far."""

    single: PosePosterior
    fused: FusedEstimate
    seconds: float


class Calibrator:
    """Keeps the extrinsic of one camera and one LiDAR: feed it frames, read the fused estimate and the verdict.

    Every frame is looked at from the best estimate so far, but its likelihood is free of that estimate: the initial
    prior is counted once, in the fusion. If it leaves the heading open, the first frames vote on one.
    """

    def __init__(self, engine: TorchEngine, camera: Camera, prior: PosePrior, seed: int = 0) -> None:
        self.prior = prior
        self.prior_found = False
        """Whether no initial extrinsic was given, and `prior` is the one that the first frames agreed on."""
        self.matcher = FrameMatcher(engine, camera, seed)
        self.fusion = TemporalFusion(prior)
        self.fused: FusedEstimate | None = None
        searching = leaves_heading_open(prior) and engine.card.network.knows_prior
        self._votes = HeadingVotes() if searching else None
        self._held_out = EvenlySpread[Frame](_HELD_OUT_FRAMES)
        self._kept_aside = True  # since the last keyframe; the first frame is one

    def update(self, frame: Frame) -> CalibrationStep | None:
        """Take one frame. None when it is no keyframe: it may then serve the alignment check. Raises FrameRejected."""
        stamp_s = frame.image_stamp_ns * 1e-9
        if self._votes is not None:
            self._vote(self._votes, stamp_s, frame)
            return None
        # At least one between two keyframes, be it one that would do as a keyframe: those of a drive are too alike for
        # the lost ones to matter (FusionSettings.correlation).
        if not self.fusion.wants(stamp_s) or not self._kept_aside:
            self._held_out.offer(frame)
            self._kept_aside = True
            return None
        started = time.perf_counter()
        if self.fused is None or self.fused.keyframes_used < _WARM_UP_KEYFRAMES:
            estimate = self.matcher.estimate(frame, self.prior, seen_from=self.prior, passes=2, alone=False)
        else:
            estimate = self.matcher.estimate(frame, self.prior, seen_from=self._vantage(self.fused, frame), quick=True)
        self._kept_aside = False
        self.fused = self.fusion.update(stamp_s, estimate.likelihood, estimate.posterior, frame.lidar_twist)
        if self.fused.jumped:  # the frames kept aside show the mount as it was
            self._held_out = EvenlySpread[Frame](_HELD_OUT_FRAMES)
        return CalibrationStep(estimate.posterior, self.fused, time.perf_counter() - started)

    def verdict(self, T_trusted: NDArray[np.float64] | None = None) -> Verdict:
        """Does the fused extrinsic align the frames kept aside better than the one trusted so far?

        That is the initial one, none where it was not known, unless `T_trusted` (4, 4) is another that was accepted
        since.
        """
        if self.fused is None:
            return Verdict.inconclusive("no usable frame yet")
        if self.fused.multimodal:
            return Verdict.inconclusive(
                "Extrinsics far apart explain these frames: record more varied scenes, or state a smaller spread"
            )
        T_initial = None if self.prior_found else self.prior.T_mean
        return judge(
            [delayed(frame, self.fused.image_delay.mean_s) for frame in self._held_out.items],
            self.fused.T_mean,
            T_initial if T_trusted is None else T_trusted,
            covariance=self.fused.covariance,
            sigma_initial=self.prior.sigma,
            initial_name="initial" if T_trusted is None else "trusted",
        )

    @property
    def searching(self) -> bool:
        """Whether the frames have not agreed yet on where the camera looks."""
        return self._votes is not None

    def _vote(self, votes: HeadingVotes, stamp_s: float, frame: Frame) -> None:
        """Ask one more frame for the heading, and begin to calibrate once one has won."""
        if not votes.wants(stamp_s):
            return
        winner = votes.add(stamp_s, self.matcher.look_around(frame, self.prior))
        if winner is not None:
            self.prior, self.fusion, self._votes = winner, TemporalFusion(winner), None
            self.prior_found = True

    def _vantage(self, fused: FusedEstimate, frame: Frame) -> PosePrior:
        """Where the next frame is looked at from: the fused pose, with a spread that leaves room for an error."""
        sigma = np.sqrt(np.diag(fused.covariance))
        T_seen = fused.T_mean @ fused.image_delay.T_image_stamp(frame.lidar_twist)
        return PosePrior(T_seen, np.minimum(_VANTAGE_INFLATION * sigma, self.prior.sigma))
