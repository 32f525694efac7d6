"""Node and bag player as processes of their own, and what a third one receives of them over DDS.

With `--truth`, the node starts from the extrinsic on TF, as on a vehicle, and the truth judges what it makes of it.
Without, the one on TF is the judge, and the node starts from one that is moved on purpose.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rich.console import Console
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage

from i2p_calib_ros.engines.model_file import DEFAULT_MODEL
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.extrinsic_file import Extrinsic, read_extrinsic, write_extrinsic
from i2p_calib_ros.evaluation.replay import initial_prior
from i2p_calib_ros.frames.bag import BagSource
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.conversions import transform_matrix
from i2p_calib_ros.ros.environment import process_environment

START_OFF = 5.0, 0.2
SPREAD = 4.0, 0.15
SEED = 0
SILENCE_S = 10.0
"""The player has ended and no estimate came for so long: the node is done."""
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)

out = Console(highlight=False, soft_wrap=True)


class Observer(Node):
    """Subscribes to what the node publishes, prints transform and covariance as they come, keeps the newest."""

    def __init__(self, child_frame: str, T_truth: NDArray[np.float64]) -> None:
        super().__init__("observer")
        self._child_frame, self._T_truth = child_frame, T_truth
        self.transforms = 0
        self.T_camera_lidar: NDArray[np.float64] | None = None
        self.estimate: PoseWithCovarianceStamped | None = None
        self.overlay: CompressedImage | None = None
        self.state = "nothing received"
        self.heard_s = time.monotonic()
        self.create_subscription(TFMessage, "/tf_static", self._take_transforms, LATCHED)
        self.create_subscription(
            PoseWithCovarianceStamped, "/i2p_calib/extrinsic", self._take_estimate, LATCHED
        )
        self.create_subscription(CompressedImage, "/i2p_calib/overlay/compressed", self._take_overlay, 1)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, 10)

    def error(self, T_camera_lidar: NDArray[np.float64]) -> str:
        """How far this is from the truth, in words."""
        error = se3.pose_error(T_camera_lidar, self._T_truth)
        return f"{error.rotation_deg:.2f}° / {100 * error.translation_m:.1f} cm"

    def sigma(self) -> str:
        """The standard deviations of the newest estimate, in words."""
        if self.estimate is None:
            return "no covariance yet"
        sigma = np.sqrt(np.reshape(self.estimate.pose.covariance, (6, 6)).diagonal())
        centimetres, degrees = 100 * sigma[:3], np.rad2deg(sigma[3:])
        return (
            f"sigma x y z {' '.join(f'{v:.1f}' for v in centimetres)} cm, "
            f"about x y z {' '.join(f'{v:.2f}' for v in degrees)}°"
        )

    def _take_transforms(self, message: TFMessage) -> None:
        for transform in message.transforms:
            if transform.child_frame_id == self._child_frame:
                self.transforms += 1
                # TF has the camera in the LiDAR frame.
                self.T_camera_lidar = se3.inverse(transform_matrix(transform))

    def _take_estimate(self, message: PoseWithCovarianceStamped) -> None:
        self.estimate = message
        self.heard_s = time.monotonic()
        if self.T_camera_lidar is not None:
            out.print(f"TF       {self.error(self.T_camera_lidar)} off; {self.sigma()}")

    def _take_overlay(self, message: CompressedImage) -> None:
        self.overlay = message

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("calibration") and status.message != self.state:
                self.state = status.message
                out.print(f"state    {self.state}", markup=False)


def run(bag: Path, truth: Path | None, model: str, out_dir: Path, rate: float) -> int:
    """Calibrate from the bag; returns an exit code. Raises CalibrationInputError for a bag that cannot be used."""
    source = BagSource(bag)
    out_dir.mkdir(parents=True, exist_ok=True)
    if truth is not None:
        T_truth, T_start = read_extrinsic(truth).T_camera_lidar, source.initial_extrinsic()
        initial = {"initial.source": "tf"}
    else:
        T_truth = source.initial_extrinsic()
        T_start = initial_prior(T_truth, SPREAD, START_OFF, SEED).T_mean
        start_file = (out_dir / "initial.yaml").absolute()
        write_extrinsic(start_file, Extrinsic(T_start, source.camera_frame_id, source.lidar_frame_id))
        initial = {"initial.source": "file", "initial.file": str(start_file)}
    parameters = {
        **initial,
        "initial.rotation_sigma_deg": SPREAD[0],
        "initial.translation_sigma_m": SPREAD[1],
        "model": model,
        "publish_mode": "continuous",
        "state_dir": (out_dir / "state").absolute(),
        "restore": "false",
        "use_sim_time": "true",
    }
    topics = {
        "image": source.topics.image,
        "camera_info": source.topics.camera_info,
        "points": source.topics.points,
    }
    arguments = [f for name, value in parameters.items() for f in ("-p", f"{name}:={value}")]
    arguments += [f for name, topic in topics.items() for f in ("-r", f"{name}:={topic}")]

    # A domain of its own: no other ROS system nearby hears this or is heard.
    os.environ |= {"ROS_DOMAIN_ID": str(os.getpid() % 100 + 1), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    os.environ |= process_environment()
    rclpy.init()
    observer = Observer(f"{source.camera_frame_id}_calibrated", T_truth)
    node = _start("node", "--ros-args", *arguments)
    player: subprocess.Popen[bytes] | None = None
    try:
        out.print(f"node     process {node.pid}, starting {observer.error(T_start)} off")
        player = _start(
            "player", str(bag), "--clock", "--rate", f"{rate:g}", "--wait-for", topics["image"], topics["points"]
        )
        out.print(f"player   process {player.pid}, {bag} at {rate:g} times its speed")
        while node.poll() is None and (
            player.poll() is None or time.monotonic() - observer.heard_s < SILENCE_S
        ):
            rclpy.spin_once(observer, timeout_sec=0.1)
    finally:
        exit_code = _stop(node)
        if player is not None:
            _stop(player)
        observer.destroy_node()
        rclpy.try_shutdown()
    return _report(observer, out_dir, exit_code)


def _report(observer: Observer, out_dir: Path, node_exit_code: int) -> int:
    if observer.T_camera_lidar is None or observer.estimate is None:
        out.print("result   no transform was received")
        return 1
    if observer.overlay is not None:
        (out_dir / "overlay.jpg").write_bytes(bytes(observer.overlay.data))
        out.print(f"overlay  {out_dir / 'overlay.jpg'}")
    out.print(
        f"result   {observer.transforms} transforms received; the last is {observer.error(observer.T_camera_lidar)} "
        f"off, {observer.sigma()}"
    )
    out.print(f"node     exit code {node_exit_code} after SIGINT")
    return node_exit_code


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", f"i2p_calib_ros.ros.{module}", *arguments])


def _stop(process: subprocess.Popen[bytes]) -> int:
    """Interrupt a process as Ctrl-C does, and wait for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m i2p_calib_ros.ros.node_demo BAG`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bag", type=Path, help="a rosbag2 with the extrinsic on /tf_static")
    parser.add_argument("--truth", type=Path, help="YAML or JSON file with the true T_camera_lidar")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a model, or path of its .yaml")
    parser.add_argument("--out", type=Path, default=Path("out/node-demo"), help="folder for what is written")
    # Five seconds are long enough then for two slow cores to find keyframes and frames to check them on.
    parser.add_argument("--rate", type=float, default=0.25, help="how many times faster than recorded")
    options = parser.parse_args(arguments)
    try:
        return run(options.bag, options.truth, options.model, options.out, options.rate)
    except CalibrationInputError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
