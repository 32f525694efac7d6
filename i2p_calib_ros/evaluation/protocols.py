"""The accuracy protocols: many known start errors, the pose errors that are left, by sequence and overall.

`local`: single frames. `sequence`: the same starts, fused over a drive. Start errors are uniform about every axis
within the bounds, in the camera optical frame. `global`: single frames from no prior, as VP2P-Match was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from i2p_calib_ros.calibrator import Calibrator, FrameMatcher
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.evaluation.trials import Trials
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.motion_compensation import MotionCompensation, Sweep
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.spread import GLOBAL_SPREAD, GLOBAL_TRANSLATION_M, GLOBAL_YAW_DEG, random_global_error
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.worker_pool import run_jobs

PROTOCOLS = ("local", "sequence", "global")
_SEQUENCE_FRAMES = 50
_runner: _TrialRunner


@dataclass(frozen=True)
class StartError:
    """Bounds of the start error about and along every axis."""

    rotation_deg: float = 10.0
    translation_m: float = 0.5

    def draw(self, T_true: NDArray[np.float64], rng: np.random.Generator) -> PosePrior:
        """A wrong extrinsic, and as its spread the standard deviation of the uniform distribution it came from."""
        rotation = rng.uniform(-self.rotation_deg, self.rotation_deg, 3)
        translation = rng.uniform(-self.translation_m, self.translation_m, 3)
        T_start = se3.perturb(T_true, rotation, translation)
        return PosePrior.from_spread(T_start, self.rotation_deg / np.sqrt(3), self.translation_m / np.sqrt(3))

    def __str__(self) -> str:
        return f"±{self.rotation_deg:g}° / ±{100 * self.translation_m:g} cm about every axis"


@dataclass(frozen=True)
class GlobalStart:
    """No prior: any yaw, and up to 10 m in the ground plane."""

    def draw(self, T_true: NDArray[np.float64], rng: np.random.Generator) -> PosePrior:
        """A wrong extrinsic, with a spread that says next to nothing about any axis."""
        return PosePrior(random_global_error(rng) @ T_true, GLOBAL_SPREAD.sigma)

    def __str__(self) -> str:
        return f"±{GLOBAL_YAW_DEG:g}° about y and ±{GLOBAL_TRANSLATION_M:g} m along x and z"


@dataclass(frozen=True)
class _Trial:
    """One start: a single frame, the first of `frames` that can be used, or where None the whole sequence, fused."""

    sequence: SequenceFolder
    prior: PosePrior
    frames: NDArray[np.int64] | None
    seed: int


@dataclass(frozen=True)
class _TrialRunner:
    """What all trials of a run have in common."""

    engine: TorchEngine
    passes: int
    sweep: Sweep

    def run(self, trial: _Trial) -> Trials:
        """The result, the only one of these trials; none where no frame can be used."""
        result = Trials(trial.sequence.name, trial.sequence.initial_extrinsic())
        if trial.frames is None:
            self._run_sequence(trial, result)
        else:
            self._run_single_frame(trial, trial.frames, result)
        return result

    def _run_single_frame(self, trial: _Trial, frames: NDArray[np.int64], result: Trials) -> None:
        matcher = FrameMatcher(self.engine, trial.sequence.camera, trial.seed)
        for index in frames:
            try:
                frame = _single_frame(trial.sequence, int(index), self.sweep)
                estimate = matcher.estimate(frame, trial.prior, trial.prior, self.passes)
            except FrameRejected:
                result.failed += 1
                continue
            result.add(trial.prior, estimate.posterior.T_mean, estimate.posterior.covariance, [estimate.seconds])
            return

    def _run_sequence(self, trial: _Trial, result: Trials) -> None:
        calibrator = Calibrator(self.engine, trial.sequence.camera, trial.prior)
        compensate = MotionCompensation(self.sweep)
        seconds = []
        for index in range(min(len(trial.sequence), _SEQUENCE_FRAMES)):
            try:
                step = calibrator.update(compensate(trial.sequence.load(index)))
            except FrameRejected:
                result.failed += 1
                continue
            if step is not None:
                seconds.append(step.seconds)
        if calibrator.fused is not None:
            result.add(trial.prior, calibrator.fused.T_mean, calibrator.fused.covariance, seconds)
            result.image_delay_s.append(calibrator.fused.image_delay.mean_s)


def run_protocol(
    protocol: str,
    sequences: Sequence[SequenceFolder],
    engine: TorchEngine,
    *,
    trials: int,
    start: StartError | GlobalStart,
    passes: int = 2,
    sweep: Sweep = "timed",
    seed: int = 0,
    processes: int = 1,
    progress: Callable[[], None] = lambda: None,
) -> list[Trials]:
    """`trials` in all, dealt to the sequences in turn; `progress` is called after each.

    A frame that cannot be used is counted as failed and another one taken; a sequence without any usable frame gives
    no trial. The number of `processes` changes the time a frame, and results only as the number of threads does.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for number in range(trials):
        sequence = sequences[number % len(sequences)]
        prior = start.draw(sequence.initial_extrinsic(), rng)
        frames = None if protocol == "sequence" else rng.permutation(len(sequence))
        drawn.append(_Trial(sequence, prior, frames, seed + number))
    done: dict[int, Trials] = {}
    shared = _TrialRunner(engine, passes, sweep), torch.get_num_threads() if processes == 1 else 1
    for number, result in run_jobs(_run_trial, [(trial,) for trial in drawn], processes, _set_runner, shared):
        done[number] = result
        progress()
    results = [Trials(s.name, s.initial_extrinsic()) for s in sequences]
    for number in range(trials):
        results[number % len(sequences)].extend(done[number])
    return results


def _set_runner(runner: _TrialRunner, threads: int) -> None:
    """Once a process: its engine is too large to come with every trial."""
    global _runner
    _runner = runner
    torch.set_num_threads(threads)


def _run_trial(trial: _Trial) -> Trials:
    return _runner.run(trial)


def _single_frame(sequence: SequenceFolder, index: int, sweep: Sweep) -> Frame:
    """One frame, compensated as if the drive had come to it."""
    compensate = MotionCompensation(sweep)
    if index > 0:
        with suppress(FrameRejected):
            compensate(sequence.load(index - 1))
    return compensate(sequence.load(index))
