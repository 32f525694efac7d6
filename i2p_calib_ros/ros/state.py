"""States of a calibration and their reasons, and which extrinsic is trusted and published when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.fusion.acceptance import MIN_FRAMES, Verdict
from i2p_calib_ros.fusion.image_delay import ImageDelay
from i2p_calib_ros.fusion.temporal import FusedEstimate
from i2p_calib_ros.geometry import se3

State = Literal["waiting", "calibrating", "converged", "decalibrated", "inconclusive"]
PublishMode = Literal["monitor", "accepted", "continuous"]

CHANGE_DEG, CHANGE_M = 0.25, 0.05
"""What the independent check resolves; a smaller difference is no decalibration."""


@dataclass(frozen=True, eq=False)
class KnownExtrinsic:
    """`T_camera_lidar` (4, 4) and, where it was estimated, the covariance (6, 6) of its left perturbation and how late
    the images were."""

    T_camera_lidar: NDArray[np.float64]
    covariance: NDArray[np.float64] | None = None
    image_delay: ImageDelay | None = None

    @classmethod
    def of(cls, fused: FusedEstimate) -> KnownExtrinsic:
        return cls(fused.T_mean, fused.covariance, fused.image_delay)


class CalibrationState:
    """Where one calibration stands.

    waiting: no frame was used yet. calibrating: frames are used, too few for a verdict. converged: the independent
    check confirms the trusted extrinsic. decalibrated: the trusted extrinsic is wrong (mode `monitor` found a better
    one, or the mount has moved). inconclusive: the check does not tell.

    The trusted extrinsic is the initial one until another is accepted. In mode `monitor` it never changes by itself.
    """

    def __init__(self, mode: PublishMode) -> None:
        self.mode = mode
        self.state: State = "waiting"
        self.reason = "no image and point cloud yet"
        self.last_restart: str | None = None
        """Why frames were forgotten last."""
        self.initial: KnownExtrinsic | None = None
        self.trusted: KnownExtrinsic | None = None
        self.estimate: FusedEstimate | None = None

    def wait(self, reason: str) -> None:
        """Say what the first frame is missing; a calibration that runs is left as it is."""
        if self.state == "waiting":
            self.reason = reason

    def start(self, initial: KnownExtrinsic, accepted: KnownExtrinsic | None = None) -> None:
        """Begin from the initial extrinsic, trusting the one that was accepted before, if any."""
        self.initial = initial
        self.trusted = accepted or initial
        self.estimate = None
        self._enter("calibrating", "the first frame is being looked at")

    def restart(self, reason: str) -> None:
        """All frames are forgotten; what is trusted stays."""
        self.estimate = None
        self.last_restart = reason
        self._enter("calibrating", reason)

    def estimated(self, fused: FusedEstimate) -> None:
        """A keyframe gave a new estimate."""
        assert self.trusted is not None, "start comes first"
        self.estimate = fused
        off = se3.pose_error(fused.T_mean, self.trusted.T_camera_lidar)
        if fused.jumped and self.state == "converged" and not _same(off):
            self._enter("decalibrated", f"the newest frames agree on an extrinsic {_apart(off)} from the trusted one")
        elif self.state == "calibrating":
            self.reason = f"{fused.keyframes_used} keyframes used, {fused.keyframes_gated} disagree with them"

    def judged(self, verdict: Verdict, fused: FusedEstimate) -> bool:
        """Take what the check says of `fused` against the trusted extrinsic. True when `fused` is trusted from now on.

        An estimate that only confirms the trusted extrinsic replaces it where it is more certain, so that many small
        steps within the tolerance of the check cannot carry it away.
        """
        assert self.trusted is not None, "start comes first"
        off = se3.pose_error(fused.T_mean, self.trusted.T_camera_lidar)
        if verdict.state == "converged":
            if self.mode == "monitor" and not _same(off) and not verdict.initial_was_right:
                self._enter("decalibrated", f"the trusted extrinsic is {_apart(off)} off. {verdict.reason}")
                return False
            self._enter("converged", verdict.reason)
            if self.mode == "monitor" or (verdict.initial_was_right and not self._more_certain(fused)):
                return False
            self.trusted = KnownExtrinsic.of(fused)
            return True
        if verdict.frames >= MIN_FRAMES or fused.multimodal:
            self._enter("inconclusive", verdict.reason)
        elif self.state == "calibrating":
            self.reason = verdict.reason
        return False

    def accept(self) -> str | None:
        """Trust the estimate because a person says so. None when done, else why not."""
        if self.mode == "monitor":
            return "publish_mode is monitor, which never changes the extrinsic; set it to accepted first"
        if self.estimate is None:
            return f"there is no estimate yet: {self.reason}"
        self.trusted = KnownExtrinsic.of(self.estimate)
        self._enter("converged", "accepted by hand")
        return None

    @property
    def published(self) -> KnownExtrinsic | None:
        """What TF should say now; None for nothing."""
        if self.mode == "monitor":
            return None
        if self.mode == "continuous" and self.estimate is not None:
            return KnownExtrinsic.of(self.estimate)
        return self.trusted

    def _more_certain(self, fused: FusedEstimate) -> bool:
        trusted = self.trusted
        if trusted is None or trusted.covariance is None:
            return True
        return bool(np.linalg.slogdet(fused.covariance)[1] < np.linalg.slogdet(trusted.covariance)[1])

    def _enter(self, state: State, reason: str) -> None:
        self.state, self.reason = state, reason


def _same(off: se3.PoseError) -> bool:
    return off.rotation_deg <= CHANGE_DEG and off.translation_m <= CHANGE_M


def _apart(off: se3.PoseError) -> str:
    return f"{off.rotation_deg:.1f} deg and {100 * off.translation_m:.0f} cm"
