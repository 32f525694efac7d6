"""Replay: a recording through the calibrator, frame by frame, as it would run on the vehicle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.calibrator import Calibrator
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.extrinsic_file import read_extrinsic
from i2p_calib_ros.evaluation.replay_result import FrameRecord, ModelProvenance, ReplayResult
from i2p_calib_ros.frames.evenly_spread import EvenlySpread
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.motion_compensation import MotionCompensation, Sweep, delayed
from i2p_calib_ros.frames.source import FrameSource
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import PosePrior

_OVERLAY_FRAMES = 3


class NoUsableFrame(CalibrationInputError):
    """The recording was read to its end without a frame that could be used."""


def resolve_extrinsic(where: str, source: FrameSource) -> NDArray[np.float64]:
    """`tf`: the extrinsic of the recording; otherwise the path of an extrinsic file. T_camera_lidar (4, 4)."""
    return source.initial_extrinsic() if where == "tf" else read_extrinsic(where).T_camera_lidar


def initial_prior(
    T_initial: NDArray[np.float64],
    spread: tuple[float, float],
    perturb: tuple[float, float] | None,
    seed: int,
) -> PosePrior:
    """The prior to start from: standard deviations (degrees, metres) about each axis, and for a validation a start
    that is moved by exactly `perturb` (degrees, metres) about a random axis and in a random direction."""
    if perturb is not None:
        rng = np.random.default_rng(seed)
        rotation, translation = rng.standard_normal((2, 3))
        T_initial = se3.perturb(
            T_initial,
            rotation / np.linalg.norm(rotation) * perturb[0],
            translation / np.linalg.norm(translation) * perturb[1],
        )
    return PosePrior.from_spread(T_initial, *spread)


def replay_source(
    source: FrameSource,
    engine: TorchEngine,
    prior: PosePrior,
    *,
    T_truth: NDArray[np.float64] | None = None,
    sweep: Sweep = "timed",
    max_frames: int | None = None,
    on_frame: Callable[[str], None] = lambda text: None,
) -> ReplayResult:
    """Feed all frames of a source; `on_frame` gets a line on the estimate after each. Raises NoUsableFrame."""
    calibrator = Calibrator(engine, source.camera, prior)
    records: list[FrameRecord] = []
    shown = EvenlySpread[Frame](_OVERLAY_FRAMES)
    rejected: Counter[str] = Counter()
    between = compensated = 0
    compensate = MotionCompensation(sweep)
    frame: Frame | None = None
    for index, measured in enumerate(source):
        if max_frames is not None and index >= max_frames:
            break
        frame = compensate(measured)
        compensated += frame.xyz is not measured.xyz
        try:
            step = calibrator.update(frame)
        except FrameRejected as rejection:
            rejected[rejection.reason] += 1
            on_frame(f"skipped: {rejection.reason}")
            continue
        on_frame(_describe(calibrator))
        if step is None:
            between += 1
        else:
            records.append(
                FrameRecord(
                    stamp_s=frame.image_stamp_ns * 1e-9,
                    T_single=step.single.T_mean,
                    T_fused=step.fused.T_mean,
                    covariance_fused=step.fused.covariance,
                    latency_s=step.seconds,
                )
            )
            shown.offer(frame)
    rejected += source.rejected
    if calibrator.searching and between:
        raise NoUsableFrame(
            f"{source.name}: its frames cannot tell where the camera looks, or do not agree. Give an initial "
            "extrinsic with --initial, or a longer recording of varied scenes"
        )
    if frame is None or not records:
        reasons = (
            ", ".join(f"{reason}: {count}" for reason, count in rejected.items())
            or "no image-cloud pair was found"
        )
        raise NoUsableFrame(
            f"{source.name}: no usable frame ({reasons}). Check the topics and --slop, and that image and cloud "
            "overlap: `i2p-calib doctor RECORDING` lists what it holds"
        )
    assert calibrator.fused is not None
    verdict = calibrator.verdict()
    image_delay = calibrator.fused.image_delay
    final = records[-1]
    return ReplayResult(
        source_name=source.name,
        frames=records,
        T_start=calibrator.prior.T_mean,
        T_final=final.T_fused,
        covariance_final=final.covariance_fused,
        image_delay=image_delay,
        verdict=verdict.state,
        reason=verdict.reason,
        camera_frame_id=frame.camera_frame_id,
        lidar_frame_id=frame.lidar_frame_id,
        start_name="first found" if calibrator.prior_found else "initial",
        model=ModelProvenance(engine.card.name, engine.card.weights.sha256, engine.description),
        frames_between=between,
        frames_compensated=compensated,
        rejected=rejected,
        T_truth=T_truth,
        overlay_frames=[delayed(frame, image_delay.mean_s) for frame in shown.items],
    )


def _describe(calibrator: Calibrator) -> str:
    if calibrator.searching:
        return "looking for the heading of the camera"
    if calibrator.fused is None:
        return "waiting for the first frame"
    sigma = np.sqrt(np.diag(calibrator.fused.covariance))
    return f"sigma {np.rad2deg(sigma[3:].max()):.2f} deg {100 * sigma[:3].max():.1f} cm"
