"""What a replay of a recording gave: the material of the report, of result.json and of the extrinsic file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

import numpy as np

from i2p_calib_ros import __version__
from i2p_calib_ros.evaluation.extrinsic_file import Extrinsic, Provenance
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.fusion.acceptance import State
from i2p_calib_ros.fusion.image_delay import ImageDelay
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.se3 import FloatArray, PoseError

StartName = Literal["initial", "first found"]


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """One keyframe. Poses are `T_camera_lidar` (4, 4)."""

    stamp_s: float
    """ROS time of the image."""
    T_single: FloatArray
    """What this frame alone says, under the initial prior."""
    T_fused: FloatArray
    """The estimate after this frame."""
    covariance_fused: FloatArray
    """(6, 6) of the left perturbation of T_fused."""
    latency_s: float
    """From the frame to the estimate."""


@dataclass(frozen=True)
class ModelProvenance:
    """Which network made an estimate, and what ran it."""

    name: str
    weights_sha256: str | None
    engine: str
    """Such as "PyTorch, CPU": latencies mean little without it."""


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """A calibration from a recording; poses are `T_camera_lidar` (4, 4)."""

    source_name: str
    frames: Sequence[FrameRecord]
    T_start: FloatArray
    """Where corrections start from: see `start_name`."""
    T_final: FloatArray
    covariance_final: FloatArray
    """(6, 6) of the left perturbation of T_final, order x, y, z, rx, ry, rz (m, rad)."""
    image_delay: ImageDelay
    """Of the images against their stamps, by the clock of the clouds."""
    verdict: State
    """Whether to use T_final; see `fusion.acceptance.Verdict`."""
    reason: str
    """One sentence on why this verdict."""
    camera_frame_id: str
    lidar_frame_id: str
    model: ModelProvenance
    start_name: StartName = "initial"
    """The first found, where no initial extrinsic was given."""
    frames_between: int = 0
    """Usable frames that are no keyframes: they repeat one, or were kept aside for the alignment check."""
    frames_compensated: int = 0
    """Frames whose points were moved to the moment of the image, out of all read."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Reason -> number of frames skipped."""
    T_truth: FloatArray | None = None
    """The reference that a validation is judged against."""
    overlay_frames: Sequence[Frame] = ()
    """A few frames for pictures."""
    date: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    """ISO 8601 with time zone."""

    @property
    def frames_used(self) -> int:
        """How many keyframes the estimate rests on."""
        return len(self.frames)

    @property
    def frames_rejected(self) -> int:
        """How many frames were skipped."""
        return sum(self.rejected.values())

    @property
    def correction(self) -> PoseError:
        """How far the extrinsic moved from T_start, per axis in the camera optical frame."""
        return se3.pose_error(self.T_final, self.T_start)

    @property
    def sigma_rotation_deg(self) -> FloatArray:
        """Standard deviations (3,) about the camera axes x, y, z."""
        return np.rad2deg(np.sqrt(np.diag(self.covariance_final)[3:]))

    @property
    def sigma_translation_m(self) -> FloatArray:
        """Standard deviations (3,) along the camera axes x, y, z."""
        return np.sqrt(np.diag(self.covariance_final)[:3])

    def error(self, T_camera_lidar: FloatArray) -> PoseError | None:
        """Error of a pose (..., 4, 4) against the truth; None without a truth."""
        return None if self.T_truth is None else se3.pose_error(T_camera_lidar, self.T_truth)

    def latency_percentiles_s(self) -> tuple[float, float] | None:
        """(p50, p95) of the time a frame took; None without frames."""
        if not self.frames:
            return None
        p50, p95 = np.percentile([record.latency_s for record in self.frames], [50, 95])
        return float(p50), float(p95)

    def extrinsic(self) -> Extrinsic:
        """The final extrinsic as `write_extrinsic` takes it."""
        provenance = Provenance(
            package_version=__version__,
            model_name=self.model.name,
            weights_sha256=self.model.weights_sha256,
            source_name=self.source_name,
            frames_used=self.frames_used,
            date=self.date,
            image_delay_s=self.image_delay.mean_s,
            image_delay_sigma_s=self.image_delay.sigma_s,
            T_camera_lidar_initial=self.T_start if self.start_name == "initial" else None,
        )
        return Extrinsic(self.T_final, self.camera_frame_id, self.lidar_frame_id, self.covariance_final, provenance)

    def to_json(self) -> dict[str, Any]:
        """The result in plain numbers and lists. Errors are null without a truth; sigmas are x, y, z."""
        latency = self.latency_percentiles_s()
        return {
            "source": self.source_name,
            "verdict": self.verdict,
            "reason": self.reason,
            "final": {
                **self._pose_json(self.T_final),
                "covariance": self.covariance_final.tolist(),
                "sigma_rotation_deg": self.sigma_rotation_deg.tolist(),
                "sigma_translation_m": self.sigma_translation_m.tolist(),
                "image_delay_s": self.image_delay.mean_s,
                "image_delay_sigma_s": self.image_delay.sigma_s,
                "correction_rotation_deg": self.correction.signed_rotation_deg.tolist(),
                "correction_translation_m": self.correction.signed_translation_m.tolist(),
            },
            "start": {"name": self.start_name, **self._pose_json(self.T_start)},
            "frames": {
                "used": self.frames_used,
                "between_keyframes": self.frames_between,
                "motion_compensated": self.frames_compensated,
                "rejected": self.frames_rejected,
                "rejected_by_reason": dict(self.rejected),
            },
            "latency_s": {"p50": latency[0] if latency else None, "p95": latency[1] if latency else None},
            "camera_frame_id": self.camera_frame_id,
            "lidar_frame_id": self.lidar_frame_id,
            "model": {**vars(self.model)},
            "package_version": __version__,
            "date": self.date,
        }

    def _pose_json(self, T_camera_lidar: FloatArray) -> dict[str, Any]:
        error = self.error(T_camera_lidar)
        return {
            "rotation_error_deg": None if error is None else float(error.rotation_deg),
            "translation_error_m": None if error is None else float(error.translation_m),
            "signed_rotation_error_deg": None if error is None else error.signed_rotation_deg.tolist(),
            "signed_translation_error_m": None if error is None else error.signed_translation_m.tolist(),
            "T_camera_lidar": T_camera_lidar.tolist(),
        }
