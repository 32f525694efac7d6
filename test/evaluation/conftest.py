"""Replay results made up from known errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from i2p_calib_ros.evaluation.replay_result import FrameRecord, ModelProvenance, ReplayResult
from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.fusion.acceptance import State
from i2p_calib_ros.fusion.image_delay import ImageDelay
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera

SIGMA = np.array([0.01, 0.02, 0.03, 0.001, 0.002, 0.003])
T_TRUTH = se3.from_rotation_vector([0.06, -0.08, -0.27], [1.2, -1.2, 1.2])


def made_up_result(*, frames: int = 6, truth: bool = True, verdict: State = "converged") -> ReplayResult:
    """Starts 5 deg about y and 0.4 m along z away and ends 0.1 deg about x and 1 cm along x away."""
    T_final = se3.perturb(T_TRUTH, [0.1, 0, 0], [0.01, 0, 0])
    records = [
        FrameRecord(
            stamp_s=100.0 + 0.1 * index,
            T_single=se3.perturb(T_TRUTH, [0, 1, 0], [0, 0, 0.05]),
            T_fused=T_final,
            covariance_fused=np.diag(SIGMA**2) * (frames - index),
            latency_s=0.1 + 0.01 * index,
        )
        for index in range(frames)
    ]
    return ReplayResult(
        source_name="drive <7>",
        frames=records,
        T_start=se3.perturb(T_TRUTH, [0, 5, 0], [0, 0, 0.4]),
        T_final=T_final,
        covariance_final=np.diag(SIGMA**2),
        image_delay=ImageDelay(0.012, 0.002),
        verdict=verdict,
        reason="Held-out frames align better & more sharply.",
        camera_frame_id="camera_optical",
        lidar_frame_id="velodyne",
        model=ModelProvenance("small", "ab" * 32, "PyTorch, CPU"),
        frames_between=4,
        frames_compensated=3,
        rejected={"no cloud within 50 ms": 2},
        T_truth=T_TRUTH if truth else None,
        overlay_frames=[_wall_frame()],
        date="2026-01-02T03:04:05+00:00",
    )


def _wall_frame() -> Frame:
    width, height = 160, 96
    x, y = np.meshgrid(np.linspace(-3, 3, 40), np.linspace(-2, 2, 30))
    in_camera = np.stack([x, y, 8.0 + x], axis=-1).reshape(-1, 3)
    return Frame.create(
        image=np.full((height, width, 3), 128, dtype=np.uint8),
        xyz=se3.transform_points(se3.inverse(T_TRUTH), in_camera),
        intensity=None,
        camera=Camera.validated("plumb_bob", [[120, 0, 79.5], [0, 120, 47.5], [0, 0, 1]], [], width, height),
        image_stamp_ns=100_200_000_000,
        cloud_stamp_ns=100_200_000_000,
        camera_frame_id="camera_optical",
        lidar_frame_id="velodyne",
    )


@pytest.fixture(scope="session")
def make_result() -> Callable[..., ReplayResult]:
    return made_up_result
