"""A node in a process of its own, a rig that publishes to it, and an observer that waits for what it says."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save

from i2p_calib_ros.frames.frame import Frame
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.config import NetworkConfig
from i2p_calib_ros.network.network import VoxelPointPixelNet
from i2p_calib_ros.ros.environment import process_environment

if importlib.util.find_spec("rclpy") is not None:
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState
    from rcl_interfaces.msg import SetParametersResult
    from rcl_interfaces.srv import SetParameters
    from rclpy.context import Context
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2
    from std_srvs.srv import SetBool, Trigger
    from tf2_msgs.msg import TFMessage

    from i2p_calib_ros.ros import conversions

    LATCHED = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)

TIMEOUT_S = 150.0
"""For anything to happen on a small machine that is busy with other tests; it usually takes a second."""

CAMERA_FRAME, LIDAR_FRAME = "cam", "lidar"

# Processes that run at the same time must not hear each other; ports of domains above 101 may be taken.
DOMAIN = 1 + os.getpid() % 90


class Inbox:
    """The messages of one topic."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._changed = threading.Condition()

    def add(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what came so far."""
        with self._changed:
            self.messages = []

    def wait(self, fits: Callable[[Any], bool] = lambda message: True, *, new: bool = False) -> Any:
        """The first message that fits; `new`: among those that come from now on."""
        deadline_s = time.monotonic() + TIMEOUT_S
        with self._changed:
            seen = len(self.messages) if new else 0
            while True:
                for message in self.messages[seen:]:
                    if fits(message):
                        return message
                seen = len(self.messages)
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    raise AssertionError(f"no message that fits in {TIMEOUT_S} s; the last: {self.messages[-1:]}")


class Observer:
    """A ROS node of the test itself: hears what is published and calls services."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=DOMAIN, args=[])
        self.node = Node("observer", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        self.diagnostics = self.listen(DiagnosticArray, "/diagnostics")
        self.tf_static = self.listen(TFMessage, "/tf_static", LATCHED)

    def listen(self, type_: type, topic: str, qos: Any = 10) -> Inbox:
        inbox = Inbox()
        self.node.create_subscription(type_, topic, inbox.add, qos)
        return inbox

    def status(self, name: str, fits: Callable[[DiagnosticStatus], bool], *, new: bool = True) -> DiagnosticStatus:
        """The first status `i2p_calib: NAME` that fits."""

        def entry(message: DiagnosticArray) -> DiagnosticStatus | None:
            found = [status for status in message.status if status.name == f"i2p_calib: {name}"]
            return found[0] if found and fits(found[0]) else None

        return entry(self.diagnostics.wait(lambda message: entry(message) is not None, new=new))

    def says(self, name: str, *texts: str) -> DiagnosticStatus:
        """The first status from now on whose message holds all of these texts."""
        return self.status(name, lambda status: all(text in status.message for text in texts))

    def recovered(self) -> DiagnosticStatus:
        """Wait until frames are used again and nothing is wrong with the inputs."""
        used = count(self.status("inputs", lambda status: True), "frames used")
        return self.status(
            "inputs", lambda status: status.message == "receiving pairs" and count(status, "frames used") > used
        )

    def calibrated(self, fits: Callable[[np.ndarray], bool] = lambda T: True) -> np.ndarray:
        """The first T_camera_lidar on /tf_static that fits; `tf_static.clear()` forgets earlier ones."""

        def extrinsic(message: TFMessage) -> np.ndarray | None:
            for transform in message.transforms:
                if transform.child_frame_id.endswith("_calibrated"):
                    return se3.inverse(conversions.transform_matrix(transform))
            return None

        def fitting(message: TFMessage) -> bool:
            T = extrinsic(message)
            return T is not None and fits(T)

        return extrinsic(self.tf_static.wait(fitting))

    def call(self, type_: type, name: str, request: Any) -> Any:
        client = self.node.create_client(type_, name)
        try:
            assert client.wait_for_service(timeout_sec=TIMEOUT_S), f"no service {name}"
            answered = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: answered.set())
            assert answered.wait(TIMEOUT_S), f"{name} does not answer"
            return future.result()
        finally:
            self.node.destroy_client(client)

    def trigger(self, service: str) -> Trigger.Response:
        return self.call(Trigger, f"/i2p_calib/{service}", Trigger.Request())

    def pause(self, paused: bool) -> SetBool.Response:
        return self.call(SetBool, "/i2p_calib/pause", SetBool.Request(data=paused))

    def set_parameter(self, name: str, value: Any) -> SetParametersResult:
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, "/i2p_calib/set_parameters", request).results[0]

    def transition(self, *labels: str) -> None:
        """Lead the node through these transitions; all must succeed."""
        for label in labels:
            number = getattr(Transition, f"TRANSITION_{label.upper()}")
            request = ChangeState.Request(transition=Transition(id=number))
            assert self.call(ChangeState, "/i2p_calib/change_state", request).success, label

    def start_again(self, **parameters: Any) -> None:
        """Clean up, set parameters, configure and activate."""
        self.transition("deactivate", "cleanup")
        for name, value in parameters.items():
            result = self.set_parameter(name.replace("__", "."), value)
            assert result.successful, result.reason
        self.transition("configure", "activate")

    def close(self) -> None:
        self._executor.shutdown()
        self.context.try_shutdown()
        self._thread.join(TIMEOUT_S)

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()


class Rig:
    """Publishes an image, a cloud and a camera info ten times a second; everything may be changed while it runs."""

    def __init__(
        self, observer: Observer, frame: Frame, *, reliability: str = "reliable", latched: bool = False
    ) -> None:
        sensor = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
        self._node = observer.node
        self._image = self._node.create_publisher(Image, "/image", sensor)
        self._cloud = self._node.create_publisher(PointCloud2, "/points", sensor)
        self._info = self._node.create_publisher(CameraInfo, "/camera_info", LATCHED if latched else sensor)
        self.image = image_of(frame.image)
        self.cloud = cloud_of(frame.xyz)
        self.camera_info = info_of(frame)
        self.image_on = self.cloud_on = self.camera_info_on = True
        self.period_s = self.stamp_step_s = 0.1
        self.cloud_delay_s = 0.0
        self.now_s = 1000.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        if latched:
            self._info.publish(self.camera_info)
            self.camera_info_on = False

    def start(self) -> Rig:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(TIMEOUT_S)
        for publisher in (self._image, self._cloud, self._info):
            self._node.destroy_publisher(publisher)

    def _run(self) -> None:
        while not self._stopped.wait(self.period_s):
            self.now_s += self.stamp_step_s
            for on, publisher, message, delay_s in (
                (self.camera_info_on, self._info, self.camera_info, 0.0),
                (self.image_on, self._image, self.image, 0.0),
                (self.cloud_on, self._cloud, self.cloud, self.cloud_delay_s),
            ):
                if on:
                    stamp_ns = round(1e9 * (self.now_s + delay_s))
                    message.header.stamp = conversions.header(stamp_ns, "").stamp
                    publisher.publish(message)


class NodeProcess:
    """The node in a process of its own."""

    def __init__(self, log: Path, parameters: dict[str, Any], *ros_args: str) -> None:
        self.log = log
        given = [item for name, value in parameters.items() for item in ("-p", f"{name}:={yaml_inline(value)}")]
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "i2p_calib_ros.ros.node", "--ros-args", *given, *ros_args],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=ros_environment(),
            )

    def end(self, by: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        try:
            return self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the node does not end:\n{self.log.read_text()}") from None


def image_of(pixels: np.ndarray) -> Image:
    return conversions.image_message(pixels, conversions.header(0, CAMERA_FRAME))


def cloud_of(xyz: np.ndarray) -> PointCloud2:
    return conversions.colored_cloud_message(
        np.asarray(xyz, np.float32), np.zeros((len(xyz), 3), np.uint8), conversions.header(0, LIDAR_FRAME)
    )


def info_of(frame: Frame) -> CameraInfo:
    camera = frame.camera
    return CameraInfo(
        header=conversions.header(0, CAMERA_FRAME),
        width=camera.width,
        height=camera.height,
        distortion_model=camera.model,
        d=camera.D.tolist(),
        k=camera.K.ravel(),
    )


def count(status: DiagnosticStatus, key: str) -> int:
    """A number in the values of a status; 0 when it is not there yet."""
    return next((int(item.value) for item in status.values if item.key == key), 0)


def yaml_inline(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).splitlines()[0]


def ros_environment() -> dict[str, str]:
    """Environment of every ROS process of these tests."""
    return {
        **os.environ,
        **process_environment(),
        "ROS_DOMAIN_ID": str(DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def ros_env() -> dict[str, str]:
    return ros_environment()


@pytest.fixture(scope="module")
def observer() -> Iterator[Observer]:
    # Fast DDS reads its profile when the first participant of the process is made.
    os.environ.update({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **process_environment()})
    made = Observer()
    yield made
    made.close()


@pytest.fixture(scope="session")
def scene(boxes: Path) -> tuple[Frame, np.ndarray]:
    """A frame of boxes over a road, and the true T_camera_lidar."""
    sequence = SequenceFolder(boxes / "boxes")
    return sequence.load(0), sequence.initial_extrinsic()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights: its estimates mean nothing, but it takes all steps of a real one."""
    folder = tmp_path_factory.mktemp("tiny")
    network = NetworkConfig(
        view_pixels=16_000,
        max_cloud_points=2000,
        query_points=96,
        pixel_widths=(8, 8, 16, 16, 16),
        voxel_widths=(8, 8, 16, 16),
        point_width=16,
        descriptor=16,
        attention_layers=1,
        attention_width=16,
    )
    torch.manual_seed(0)
    data = save(VoxelPointPixelNet(network).state_dict())
    card = {
        "name": "tiny",
        "description": "random weights, for tests of the node",
        "licence": "none",
        "network": network.model_dump(mode="json"),
        "likelihood": {"effective_points": 20.0},
        "weights": {"file": "tiny.safetensors", "sha256": hashlib.sha256(data).hexdigest()},
    }
    for name in ("models", "weights"):
        (folder / name).mkdir()
    (folder / "weights" / "tiny.safetensors").write_bytes(data)
    path = folder / "models" / "tiny.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


@pytest.fixture(scope="session")
def tiny_parameters(tiny_model: Path, scene: tuple[Frame, np.ndarray]) -> dict[str, Any]:
    """Parameters of a node with the tiny model that starts from the true extrinsic of the scene."""
    T_lidar_camera = se3.inverse(scene[1])
    return {
        "model": str(tiny_model),
        "device": "cpu",
        "initial.source": "parameters",
        "initial.translation_m": T_lidar_camera[:3, 3].tolist(),
        "initial.rotation_xyzw": se3.quaternion_xyzw(T_lidar_camera).tolist(),
        "restore": False,
    }


@pytest.fixture(scope="module")
def start_node(tmp_path_factory: pytest.TempPathFactory, observer: Observer) -> Iterator[Callable[..., NodeProcess]]:
    """Start a node; whatever the test leaves running is ended."""
    folder = tmp_path_factory.mktemp("node")
    started: list[NodeProcess] = []

    def start(parameters: dict[str, Any], *ros_args: str) -> NodeProcess:
        given = {"state_dir": str(folder / "state"), **parameters}
        started.append(NodeProcess(folder / f"{len(started)}.log", given, *ros_args))
        return started[-1]

    yield start
    for node in started:
        node.end(signal.SIGTERM)


@pytest.fixture
def start_rig(observer: Observer, scene: tuple[Frame, np.ndarray]) -> Iterator[Callable[..., Rig]]:
    """Start a rig of the scene; `before` may change it before it publishes."""
    started: list[Rig] = []

    def start(before: Callable[[Rig], object] = lambda rig: None, **options: Any) -> Rig:
        rig = Rig(observer, scene[0], **options)
        before(rig)
        started.append(rig.start())
        return rig

    yield start
    for rig in started:
        rig.stop()
