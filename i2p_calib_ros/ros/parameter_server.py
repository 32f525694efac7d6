"""Declares the parameters on a ROS node and takes or rejects changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node

from i2p_calib_ros.ros.parameters import Parameter, Settings, all_parameters, problem_with


class ParameterServer:
    """The parameters of `node`. `on_change` gets the settings after a change that was taken.

    Declaring raises rclpy's InvalidParameterValueException and InvalidParameterTypeException for overrides that do
    not fit; a later change that does not fit is rejected with a reason.
    """

    def __init__(self, node: Node, on_change: Callable[[Settings], None]) -> None:
        self.configured = False
        """Parameters that only change while unconfigured are rejected while this is true."""
        self._on_change = on_change
        self._values: dict[str, Any] = {}
        self._known = {parameter.name: parameter for parameter in all_parameters()}
        node.add_on_set_parameters_callback(self._decide)
        for parameter in self._known.values():
            default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
            node.declare_parameter(parameter.name, default, _descriptor(parameter))

    def settings(self) -> Settings:
        """All values. Raises CalibrationInputError where they do not fit together."""
        return Settings.of(self._values)

    def _decide(self, changes: Sequence[Any]) -> SetParametersResult:
        taken = {}
        for change in changes:
            if change.name not in self._known:
                continue
            value = change.value if isinstance(change.value, str | bool | int | float) else tuple(change.value)
            problem = problem_with(change.name, value)
            if problem is None and self.configured and self._known[change.name].fixed_while_configured:
                problem = f"{change.name} changes only while the node is unconfigured: deactivate and clean up first"
            if problem is not None:
                return SetParametersResult(successful=False, reason=problem)
            taken[change.name] = value
        self._values |= taken
        if taken and self.configured:
            self._on_change(self.settings())
        return SetParametersResult(successful=True)


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=parameter.description,
        read_only=parameter.read_only,
        additional_constraints=f"one of: {', '.join(parameter.choices)}" if parameter.choices else "",
    )
    if parameter.minimum is None or parameter.maximum is None:
        return descriptor
    if isinstance(parameter.default, float):
        limits = FloatingPointRange(from_value=float(parameter.minimum), to_value=float(parameter.maximum))
        descriptor.floating_point_range = [limits]
    else:
        limits = IntegerRange(from_value=int(parameter.minimum), to_value=int(parameter.maximum), step=1)
        descriptor.integer_range = [limits]
    return descriptor
