"""The lifecycle node `i2p_calib`: parameters, services, diagnostics and transitions around one `Calibration`."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool, Trigger

from i2p_calib_ros.allocator import keep_freed_memory
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.ros.calibration import Calibration
from i2p_calib_ros.ros.conversions import diagnostic_array, header
from i2p_calib_ros.ros.diagnostics import Level, Status
from i2p_calib_ros.ros.parameter_server import ParameterServer
from i2p_calib_ros.ros.parameters import Settings

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

DIAGNOSTICS_PERIOD_S = 1.0
TF_PERIOD_S = 0.1


class CalibrationNode(LifecycleNode):
    """Keeps the extrinsic of one camera and one LiDAR right. See docs/node.md for its interface."""

    def __init__(self) -> None:
        super().__init__("i2p_calib")
        self._calibration: Calibration | None = None
        self._problem: str | None = None
        """Why the last transition failed."""
        self.parameters = ParameterServer(self, self._settings_changed)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Steady clocks: diagnostics must come, and silence be noticed, while a simulated clock stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._diagnose, clock=steady)
        self.create_timer(TF_PERIOD_S, self._repeat_tf, clock=steady)
        self.create_service(Trigger, "~/save", self._service(lambda calibration, _: calibration.save()))
        self.create_service(Trigger, "~/accept", self._service(lambda calibration, _: calibration.accept()))
        self.create_service(Trigger, "~/reset", self._service(lambda calibration, _: calibration.reset()))
        self.create_service(SetBool, "~/pause", self._service(_pause))

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and create the publishers."""
        return self._attempt(self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and calibrate."""
        return self._attempt(lambda: self._running().activate())

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working; what was learned is kept."""
        return self._attempt(lambda: self._running().deactivate())

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget everything but the parameters."""
        return self._attempt(self.close)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup, from any state."""
        return self._attempt(self.close)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup."""
        return self._attempt(self.close)

    def close(self) -> None:
        """End threads and withdraw what was configured."""
        calibration, self._calibration = self._calibration, None
        self.parameters.configured = False
        if calibration is not None:
            calibration.close()

    def _configure(self) -> None:
        self._calibration = Calibration(self, self.parameters.settings())
        self.parameters.configured = True

    def _running(self) -> Calibration:
        assert self._calibration is not None, "configured first, as the lifecycle has it"
        return self._calibration

    def _attempt(self, transition: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a transition. Its failure is logged and shown in the diagnostics, as rclpy would hide it."""
        try:
            transition()
        except CalibrationInputError as error:
            self._problem = str(error)
        except Exception as error:
            self._problem = f"internal error: {error!r}"
            self.get_logger().error(traceback.format_exc())
        else:
            self._problem = None
            return SUCCESS
        self.get_logger().error(self._problem)
        return FAILURE

    def _settings_changed(self, settings: Settings) -> None:
        if self._calibration is not None:
            self._calibration.change(settings)

    def _service(self, action: Callable[[Calibration, object], str]) -> Callable[..., object]:
        """A service callback that answers with what `action` says, or why it cannot be done."""

        def serve(request: object, response: Trigger.Response) -> Trigger.Response:
            if self._calibration is None:
                response.success, response.message = False, "the node is not configured"
                return response
            try:
                response.message = action(self._calibration, request)
                response.success = True
            except CalibrationInputError as error:
                response.success, response.message = False, str(error)
            return response

        return serve

    def _diagnose(self) -> None:
        if self._calibration is not None:
            self._calibration.maintain()
            statuses = self._calibration.statuses()
        elif self._problem is not None:
            statuses = [Status("calibration", Level.ERROR, f"not configured: {self._problem}")]
        else:
            statuses = [Status("calibration", Level.OK, "not configured")]
        stamped = header(self.get_clock().now().nanoseconds, "")
        name = self.get_fully_qualified_name().lstrip("/")
        self._diagnostics.publish(diagnostic_array(name, statuses, stamped))

    def _repeat_tf(self) -> None:
        if self._calibration is not None:
            self._calibration.repeat_tf()


def _pause(calibration: Calibration, request: object) -> str:
    calibration.paused = bool(request.data)  # type: ignore[attr-defined]
    return "paused" if calibration.paused else "going on"


class _EndSignals:
    """The first SIGINT or SIGTERM leaves a note, those after it nothing.

    Raised as exceptions they would interrupt whatever runs, the clean-up too; and launch and the terminal both send a
    SIGINT, so a second one is common. Ignored ones stay ignored while the interpreter ends, which handlers do not.
    """

    def __init__(self) -> None:
        self.received = False
        self._handle(self._note)

    def _note(self, number: int, frame: object) -> None:
        self.received = True
        self._handle(signal.SIG_IGN)

    @staticmethod
    def _handle(action: Callable[[int, object], None] | signal.Handlers) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, action)


def main() -> int:
    """Run the node until it is told to stop. Exit code 2: a parameter does not fit."""
    keep_freed_memory()
    end = _EndSignals()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = None
    executor = SingleThreadedExecutor()
    try:
        node = CalibrationNode()
        executor.add_node(node)
        if node.get_parameter("autostart").value and node.trigger_configure() == SUCCESS:
            node.trigger_activate()
        while not end.received:
            executor.spin_once(timeout_sec=TF_PERIOD_S)
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        print(f"i2p_calib: {error}", file=sys.stderr)
        return 2
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
