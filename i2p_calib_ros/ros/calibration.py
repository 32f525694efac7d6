"""What is alive between configure and cleanup: the network, the session and all that it publishes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from i2p_calib_ros.calibrator import Calibrator
from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.extrinsic_file import read_extrinsic
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.frames.motion_compensation import MotionCompensation
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.conversions import frame_of
from i2p_calib_ros.ros.diagnostics import Fault, Health, Latency, Level, Status, calibration_status
from i2p_calib_ros.ros.inputs import Inputs, Pair
from i2p_calib_ros.ros.outputs import EstimatePublisher, ViewPublisher
from i2p_calib_ros.ros.parameters import Settings
from i2p_calib_ros.ros.persistence import ExtrinsicStore
from i2p_calib_ros.ros.session import Session
from i2p_calib_ros.ros.state import KnownExtrinsic
from i2p_calib_ros.ros.tf import CalibratedFrame, TransformReader
from i2p_calib_ros.ros.worker import Worker

STOP_TIMEOUT_S = 20.0
"""How long a running inference is waited for; the first keyframe takes seconds on a busy small computer."""


class Calibration:
    """Pairs in; TF, estimates, pictures and statuses out. Raises CalibrationInputError where it cannot be set up.

    Pairs are handed to one worker thread that owns the network; it decodes them too, so that a pair that is dropped
    for a newer one costs nothing.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        self.settings = settings
        self.paused = False
        self.health = Health()
        self._node = node
        self._engine = TorchEngine(load_model(settings.model), None if settings.device == "auto" else settings.device)
        self._session = Session(
            lambda camera, prior: Calibrator(self._engine, camera, prior),
            settings.publish_mode,
            rotation_sigma_deg=settings.initial_rotation_sigma_deg,
            translation_sigma_m=settings.initial_translation_sigma_m,
            check_period_s=settings.check_period_s,
        )
        self._compensate = MotionCompensation(settings.sweep)
        self._reader = TransformReader(node)
        self._estimates = EstimatePublisher(node)
        self._views = ViewPublisher(node, lambda: self.settings, self._failed)
        self._inputs: Inputs | None = None
        self._worker: Worker[Pair] | None = None
        self._dropped = 0
        self._frames: tuple[str, str] | None = None
        self._store: ExtrinsicStore | None = None
        self._tf: CalibratedFrame | None = None

    def activate(self) -> None:
        """Subscribe and start to work."""
        self._worker = Worker[Pair](self._process, self._failed, name="calibration")
        self._inputs = Inputs(self._node, self.settings, self.health, self._take)

    def deactivate(self) -> None:
        """End the subscriptions and let a running inference finish; what was learned is kept."""
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        if self._worker is not None:
            if not self._worker.stop(STOP_TIMEOUT_S):
                self._node.get_logger().error(f"the inference does not end within {STOP_TIMEOUT_S:.0f} s")
            self._dropped += self._worker.dropped
            self._worker = None

    def close(self) -> None:
        """Give everything back."""
        self.deactivate()
        self._views.close()
        self._estimates.close()
        self._reader.close()
        if self._tf is not None:
            self._tf.close()

    def change(self, settings: Settings) -> None:
        """Take settings that may change at any time."""
        self.settings = settings
        self._session.check_period_s = settings.check_period_s
        self._session.set_mode(settings.publish_mode)
        self._publish_tf()

    def save(self) -> str:
        """Write the estimate for people. CalibrationInputError where there is none or it cannot be written."""
        snapshot = self._session.snapshot()
        if self._store is None or snapshot.initial is None or snapshot.estimate is None:
            raise CalibrationInputError(f"there is no estimate yet: {snapshot.reason}")
        path = self._store.save(
            KnownExtrinsic.of(snapshot.estimate),
            snapshot.initial.T_camera_lidar,
            snapshot.estimate.keyframes_used,
        )
        return f"{path} ({snapshot.state})"

    def accept(self) -> str:
        """Trust the estimate because a person says so. CalibrationInputError where that cannot be."""
        problem = self._session.accept()
        if problem is not None:
            raise CalibrationInputError(problem)
        self._trusted_changed()
        return "the estimate is trusted and published from now on"

    def reset(self) -> str:
        """Start again from the initial extrinsic, and so will the next process."""
        self._session.reset()
        if self._store is not None:
            self._store.forget_accepted()
        self._publish_tf()
        return "all frames are forgotten; starting again from the initial extrinsic"

    def maintain(self) -> None:
        """To be called once a second."""
        if self._tf is None:
            return
        self._tf.maintain()
        if self._tf.conflict is None:
            self.health.clear("tf")
            self._publish_tf()
        elif self.health.report("tf", self._tf.conflict):
            self._node.get_logger().error(self._tf.conflict)

    def repeat_tf(self) -> None:
        """To be called ten times a second."""
        if self._tf is not None and self._worker is not None:
            self._tf.repeat()

    def statuses(self) -> list[Status]:
        """The entries of /diagnostics."""
        inputs, worker = self._inputs, self._worker
        if inputs is None or worker is None:
            received = Status("inputs", Level.OK, "inactive")
        else:
            found = [Fault("paused", Level.WARN)] if self.paused else inputs.faults()
            received = self.health.inputs_status(inputs.descriptions(), found, self._dropped + worker.dropped)
        return [
            calibration_status(self._session.snapshot(), self.paused),
            received,
            self.health.performance_status(self._engine.description),
        ]

    def _take(self, pair: Pair) -> None:
        """On the executor's thread: hand the pair on."""
        if not self.paused and self._started(pair) and self._worker is not None:
            self._worker.submit(pair)

    def _started(self, pair: Pair) -> bool:
        """Start with the first pair, whose messages name the frames, as soon as there is an initial extrinsic."""
        frames = pair.camera_frame, pair.lidar_frame
        if self._session.started:
            if frames != self._frames:
                self.health.report(
                    "frame names",
                    f"images and clouds came in frames {self._frames} and now come in {frames}: clean up and configure "
                    "again to calibrate another camera",
                )
                return False
            self.health.clear("frame names")
            return True
        try:
            T_initial = self._initial_extrinsic(*frames)
            store = ExtrinsicStore(self.settings.state_dir, *frames, self._engine.card)
            restored = store.restore(T_initial) if self.settings.restore else None
        except CalibrationInputError as error:
            self._session.wait(str(error))
            if self.health.report("initial extrinsic", str(error)):
                self._node.get_logger().warning(str(error))
            return False
        self.health.clear("initial extrinsic")
        if restored is not None:
            self._node.get_logger().info(restored.text)
        self._frames, self._store = frames, store
        self._session.start(T_initial, restored.extrinsic if restored else None)
        child_frame = self.settings.child_frame or f"{pair.camera_frame}_calibrated"
        self._tf = CalibratedFrame(self._node, self.settings.tf_topic, pair.lidar_frame, child_frame, self._reader)
        self._publish_tf()
        return True

    def _initial_extrinsic(self, camera_frame: str, lidar_frame: str) -> NDArray[np.float64]:
        settings = self.settings
        if settings.initial_source == "tf":
            return self._reader.extrinsic(camera_frame, lidar_frame)
        if settings.initial_source == "file":
            return read_extrinsic(Path(settings.initial_file).expanduser()).T_camera_lidar
        return se3.inverse(se3.from_quaternion(settings.initial_translation_m, settings.initial_rotation_xyzw))

    def _process(self, pair: Pair) -> None:
        """On the worker's thread: one pair from its bytes to TF."""
        started_s = time.perf_counter()
        waited_s = time.monotonic() - pair.received_s
        try:
            measured = frame_of(pair.image, pair.cloud, pair.camera, pair.camera_frame, pair.lidar_frame)
            decoded_s = time.perf_counter()
            frame = self._compensate(measured)
            step = self._session.update(frame)
        except FrameRejected as rejection:
            self.health.reject(rejection.reason)
            self.health.report("pair", f"the latest pair was not used: {rejection}", Level.WARN)
            return
        except CalibrationInputError as error:
            self.health.reject(type(error).__name__)
            self.health.report("pair", str(error))
            return
        self.health.clear("pair", "internal")
        self.health.count("frames used")
        if frame.xyz is not measured.xyz:
            self.health.count("frames compensated for motion")
        if step is not None:
            estimated_s = time.perf_counter()
            self._publish_tf()
            self._estimates.publish(frame, self._session.snapshot())
            overhead_s = time.perf_counter() - estimated_s + decoded_s - started_s
            self.health.timed(Latency(waited_s, estimated_s - decoded_s, overhead_s))
            self.health.count("keyframes")
        self._views.show(frame, self._session.snapshot())
        if self._session.check():
            self._trusted_changed()

    def _trusted_changed(self) -> None:
        """Publish what is trusted now and keep it for the next start."""
        self._publish_tf()
        snapshot = self._session.snapshot()
        if self._store is None or snapshot.initial is None or snapshot.trusted is None:
            return
        used = snapshot.estimate.keyframes_used if snapshot.estimate is not None else None
        try:
            self._store.keep_accepted(snapshot.trusted, snapshot.initial.T_camera_lidar, used)
        except CalibrationInputError as error:
            self.health.report("state_dir", str(error), Level.WARN)
        else:
            self.health.clear("state_dir")

    def _publish_tf(self) -> None:
        published = self._session.snapshot().published
        if published is not None and self._tf is not None:
            self._tf.set(published.T_camera_lidar)

    def _failed(self, error: Exception) -> None:
        """A thread of ours met an exception that nobody foresaw; it goes on with the next item."""
        if not self._node.context.ok():
            return  # the process is ending, and with it the publishers
        self.health.report("internal", f"internal error: {type(error).__name__}: {error}")
        self._node.get_logger().error(f"internal error: {error!r}", throttle_duration_sec=10.0)
