"""A real drive over DDS: bag player and node in processes of their own, the result received by a third."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: `make ros`")

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.evaluation.extrinsic_file import Extrinsic, write_extrinsic
from i2p_calib_ros.evaluation.replay import initial_prior, replay_source
from i2p_calib_ros.frames.bag_writer import CAMERA_INFO_TOPIC, IMAGE_TOPIC, POINTS_TOPIC, write_bag
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.conversions import image_array

SEQUENCE = "kitti_2011_09_26_drive0009_cam2"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

# Of two runs that see different frames of one drive: half a second of it more or less moves the estimate as much.
SAME_DEG = 0.7


def test_decalibrated_drive_in_a_loop_is_calibrated_as_by_the_replay(
    observer: Any,
    start_node: Callable[..., Any],
    ros_env: dict[str, str],
    data_folder: Path,
    tmp_path: Path,
) -> None:
    drive = SequenceFolder(data_folder / SEQUENCE)
    bag = write_bag(drive, tmp_path / "drive.mcap", compressed=False).path
    prior = initial_prior(drive.initial_extrinsic(), (4.0, 0.15), (5.0, 0.2), seed=0)
    start = tmp_path / "start.yaml"
    write_extrinsic(start, Extrinsic(prior.T_mean))
    node = start_node(
        {
            "initial.source": "file",
            "initial.file": str(start),
            "state_dir": str(tmp_path),
            "use_sim_time": True,
            "device": "cpu",
        },
        *("-r", f"image:={IMAGE_TOPIC}"),
        *("-r", f"camera_info:={CAMERA_INFO_TOPIC}"),
        *("-r", f"points:={POINTS_TOPIC}"),
    )
    overlays = observer.listen(Image, "/i2p_calib/overlay", 1)
    extrinsics = observer.listen(PoseWithCovarianceStamped, "/i2p_calib/extrinsic", LATCHED)
    observer.says("calibration", "waiting")
    player = subprocess.Popen(
        [sys.executable, "-m", "i2p_calib_ros.ros.player", str(bag), "--loop", "--clock"], env=ros_env
    )
    try:
        first = observer.calibrated()
        observer.says("calibration", "converged")
        jumped = f"jumps back in time of {IMAGE_TOPIC}"
        observer.status("inputs", lambda status: any(item.key == jumped for item in status.values))
        observer.recovered()
        accepted = observer.calibrated(lambda T: not np.allclose(T, prior.T_mean, atol=1e-6))
        picture = image_array(overlays.wait(new=True))
        estimate = extrinsics.wait(new=True)
        assert observer.trigger("save").success
        observer.says("performance", "latest keyframes")
    finally:
        player.terminate()
        player.wait(30)
    assert node.end() == 0
    assert "Traceback" not in node.log.read_text()

    np.testing.assert_allclose(first, prior.T_mean, atol=1e-6)
    replayed = replay_source(drive, TorchEngine(load_model(), "cpu"), prior, max_frames=30)
    off = se3.pose_error(accepted, replayed.T_final)
    assert off.rotation_deg < SAME_DEG
    sigma = np.sqrt(np.diag(np.array(estimate.pose.covariance).reshape(6, 6)))
    sigma_of_both_m = np.hypot(np.linalg.norm(sigma[:3]), np.linalg.norm(replayed.sigma_translation_m))
    assert off.translation_m < 4 * sigma_of_both_m
    assert 0 < sigma[:3].max() < 0.15
    assert 0 < np.rad2deg(sigma[3:].max()) < 1.0
    assert picture.shape[1] == 960
    assert (tmp_path / "lidar__camera_optical.yaml").is_file()
    assert (tmp_path / "lidar__camera_optical.accepted.yaml").is_file()
