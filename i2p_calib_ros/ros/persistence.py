"""Extrinsics on disk: the last accepted one, for the next start, and those saved by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros import __version__
from i2p_calib_ros.engines.model_file import ModelCard
from i2p_calib_ros.evaluation.extrinsic_file import Extrinsic, Provenance, read_extrinsic, write_extrinsic
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.state import KnownExtrinsic

SAME_INITIAL_DEG, SAME_INITIAL_M = 0.01, 0.001
"""An initial extrinsic that differs more was changed by somebody; rounding in files differs less."""


@dataclass(frozen=True)
class Restored:
    """What the file of the last accepted extrinsic gave: `extrinsic` where it may be used, and a text for the log."""

    extrinsic: KnownExtrinsic | None
    text: str


class ExtrinsicStore:
    """Files of one camera-LiDAR pair in a folder. All methods raise CalibrationInputError for files they cannot use."""

    def __init__(self, folder: str | Path, camera_frame: str, lidar_frame: str, card: ModelCard) -> None:
        self._camera_frame, self._lidar_frame, self._card = camera_frame, lidar_frame, card
        stem = "__".join(re.sub(r"[^\w.-]", "_", frame) for frame in (lidar_frame, camera_frame))
        self.saved_path = Path(folder).expanduser() / f"{stem}.yaml"
        self.accepted_path = self.saved_path.with_suffix(".accepted.yaml")

    def save(self, known: KnownExtrinsic, T_initial: NDArray[np.float64], frames_used: int | None) -> Path:
        """Write an extrinsic for people: YAML with the URDF origin and the static_transform_publisher line."""
        write_extrinsic(self.saved_path, self._extrinsic(known, T_initial, frames_used))
        return self.saved_path

    def keep_accepted(self, known: KnownExtrinsic, T_initial: NDArray[np.float64], frames_used: int | None) -> None:
        """Write the accepted extrinsic for the next start, in one step: a crash leaves the old or the new file."""
        write_extrinsic(self.accepted_path, self._extrinsic(known, T_initial, frames_used))

    def forget_accepted(self) -> None:
        """Nothing is to be restored at the next start."""
        self.accepted_path.unlink(missing_ok=True)

    def restore(self, T_initial: NDArray[np.float64]) -> Restored | None:
        """The last accepted extrinsic. It may be used if it corrected this same initial extrinsic; else somebody
        calibrated or remounted the camera since. None when nothing was accepted yet."""
        if not self.accepted_path.is_file():
            return None
        saved = read_extrinsic(self.accepted_path)
        date = saved.provenance.date if saved.provenance else "an unknown date"
        corrected = saved.provenance.T_camera_lidar_initial if saved.provenance else None
        off = None if corrected is None else se3.pose_error(corrected, T_initial)
        if off is None or off.rotation_deg > SAME_INITIAL_DEG or off.translation_m > SAME_INITIAL_M:
            return Restored(
                None,
                f"the extrinsic accepted on {date} ({self.accepted_path}) corrected another initial extrinsic than the "
                "present one, and is left alone; to start from it set initial.source to file and initial.file to it",
            )
        return Restored(
            KnownExtrinsic(saved.T_camera_lidar, saved.covariance),
            f"starting from the extrinsic accepted on {date} ({self.accepted_path})",
        )

    def _extrinsic(self, known: KnownExtrinsic, T_initial: NDArray[np.float64], frames_used: int | None) -> Extrinsic:
        delay = known.image_delay
        provenance = Provenance(
            package_version=__version__,
            model_name=self._card.name,
            weights_sha256=self._card.weights.sha256,
            source_name="live",
            frames_used=frames_used,
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            image_delay_s=None if delay is None else delay.mean_s,
            image_delay_sigma_s=None if delay is None else delay.sigma_s,
            T_camera_lidar_initial=T_initial,
        )
        return Extrinsic(known.T_camera_lidar, self._camera_frame, self._lidar_frame, known.covariance, provenance)
