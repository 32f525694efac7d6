"""One calibration as the node runs it: the calibrator, its state and the regular check, for a worker thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.calibrator import CalibrationStep, Calibrator
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.fusion.temporal import FusedEstimate
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.ros.state import CalibrationState, KnownExtrinsic, PublishMode, State

MakeCalibrator = Callable[[Camera, PosePrior], Calibrator]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Where the calibration stood at one moment; see `CalibrationState` for the fields."""

    state: State
    reason: str
    initial: KnownExtrinsic | None
    trusted: KnownExtrinsic | None
    published: KnownExtrinsic | None
    estimate: FusedEstimate | None
    last_restart: str | None = None


class Session:
    """Feeds frames to a calibrator and keeps its state.

    `update` and `check` are for one thread, which they keep busy; everything else returns at once from any thread.
    """

    def __init__(
        self,
        make_calibrator: MakeCalibrator,
        mode: PublishMode,
        *,
        rotation_sigma_deg: float,
        translation_sigma_m: float,
        check_period_s: float,
    ) -> None:
        self.check_period_s = check_period_s
        self._make_calibrator = make_calibrator
        self._sigma = rotation_sigma_deg, translation_sigma_m
        self._lock = threading.RLock()
        self._state = CalibrationState(mode)
        self._calibrator: Calibrator | None = None
        self._camera: Camera | None = None
        self._unchecked = False
        self._checked_at = -np.inf

    @property
    def started(self) -> bool:
        """Whether there is an extrinsic to start from."""
        return self._state.initial is not None

    def wait(self, reason: str) -> None:
        """Say what the first frame is missing."""
        with self._lock:
            self._state.wait(reason)

    def start(self, T_initial: NDArray[np.float64], accepted: KnownExtrinsic | None) -> None:
        """Begin from the initial extrinsic `T_camera_lidar`, or from the one that was accepted before."""
        with self._lock:
            self._state.start(KnownExtrinsic(T_initial), accepted)

    def update(self, frame: Frame) -> CalibrationStep | None:
        """Take one frame; see `Calibrator.update`. None too when a reset came in between."""
        calibrator = self._calibrator_of(frame.camera)
        step = calibrator.update(frame)
        with self._lock:
            if step is None or calibrator is not self._calibrator:
                return None
            self._state.estimated(step.fused)
            self._unchecked = True
            return step

    def check(self) -> bool:
        """Run the alignment check if it is due. True when the estimate is trusted from now on."""
        with self._lock:
            calibrator, trusted = self._calibrator, self._state.trusted
            due = self._unchecked and time.monotonic() - self._checked_at >= self.check_period_s
            if not due or calibrator is None or trusted is None or calibrator.fused is None:
                return False
            untouched = trusted is self._state.initial
        verdict = calibrator.verdict(None if untouched else trusted.T_camera_lidar)
        with self._lock:
            self._checked_at = time.monotonic()
            self._unchecked = False
            if calibrator is not self._calibrator or trusted is not self._state.trusted:
                return False
            return self._state.judged(verdict, calibrator.fused)

    def accept(self) -> str | None:
        """Trust the estimate because a person says so. None when done, else why not."""
        with self._lock:
            return self._state.accept()

    def reset(self) -> None:
        """Forget all frames and what was accepted, and start again from the initial extrinsic."""
        with self._lock:
            self._calibrator = None
            if self._state.initial is not None:
                self._state.start(self._state.initial)

    def set_mode(self, mode: PublishMode) -> None:
        """Change what is published when."""
        with self._lock:
            self._state.mode = mode

    def snapshot(self) -> Snapshot:
        """Everything that is published or shown, as of now."""
        with self._lock:
            state = self._state
            return Snapshot(
                state.state,
                state.reason,
                state.initial,
                state.trusted,
                state.published,
                state.estimate,
                state.last_restart,
            )

    def _calibrator_of(self, camera: Camera) -> Calibrator:
        """The calibrator, made anew when the images are those of another camera than before."""
        with self._lock:
            if self._calibrator is None or camera != self._camera:
                assert self._state.trusted is not None, "start comes first"
                if self._calibrator is not None:
                    self._state.restart(f"the camera changed {_change(self._camera, camera)}: starting again")
                prior = PosePrior.from_spread(self._state.trusted.T_camera_lidar, *self._sigma)
                self._calibrator, self._camera = self._make_calibrator(camera, prior), camera
                self._unchecked = False
            return self._calibrator


def _change(old: Camera | None, new: Camera) -> str:
    if old is None or (old.width, old.height) == (new.width, new.height):
        return "its intrinsics"
    return f"from {old.width}x{old.height} to {new.width}x{new.height}"
