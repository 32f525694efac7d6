"""Transitions, parameters that are refused, and the end of the process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: `make ros`")


def test_every_transition_twice(
    observer: Any, start_node: Callable[..., Any], start_rig: Callable[..., Any], tiny_parameters: dict[str, Any]
) -> None:
    node = start_node({**tiny_parameters, "autostart": False})
    start_rig()
    observer.says("calibration", "not configured")
    assert observer.trigger("save").message == "the node is not configured"
    for _ in range(2):
        observer.transition("configure", "activate")
        observer.recovered()
        observer.transition("deactivate")
        assert observer.says("inputs", "inactive").values == []
        observer.transition("activate")
        observer.recovered()
        observer.transition("deactivate", "cleanup")
        observer.says("calibration", "not configured")

    assert node.end() == 0
    assert "Traceback" not in node.log.read_text()


def test_parameters_are_refused_with_a_reason(
    observer: Any, start_node: Callable[..., Any], tiny_parameters: dict[str, Any]
) -> None:
    node = start_node(tiny_parameters)
    observer.says("calibration", "waiting")
    refused = {
        "publish_mode": ("always", "publish_mode = 'always': Input should be 'monitor', 'accepted' or 'continuous'"),
        "check_period_s": (0.0, "check_period_s"),
        "initial.translation_m": ([1.0], "at least 3 items"),
        "model": ("other", "changes only while the node is unconfigured"),
        "autostart": (False, "read-only"),
    }
    for name, (value, reason) in refused.items():
        result = observer.set_parameter(name, value)
        assert not result.successful
        assert reason in result.reason, name
    assert observer.set_parameter("publish_mode", "monitor").successful

    assert node.end() == 0


def test_override_that_does_not_fit_ends_the_start(
    start_node: Callable[..., Any], tiny_parameters: dict[str, Any]
) -> None:
    node = start_node({**tiny_parameters, "publish_mode": "always"})

    assert node.wait() == 2
    log = node.log.read_text()
    assert "'monitor', 'accepted' or 'continuous'" in log
    assert "Traceback" not in log


def test_configuration_that_fails_is_shown_and_can_be_mended(
    observer: Any, start_node: Callable[..., Any], tiny_parameters: dict[str, Any]
) -> None:
    node = start_node({**tiny_parameters, "model": "no_such_model"})
    observer.says("calibration", "not configured: unknown model 'no_such_model'")
    assert observer.set_parameter("model", tiny_parameters["model"]).successful
    observer.transition("configure", "activate")
    observer.says("calibration", "waiting")

    assert node.end() == 0


@pytest.mark.parametrize("by", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
def test_signal_during_inference_ends_the_node_cleanly(
    observer: Any,
    start_node: Callable[..., Any],
    start_rig: Callable[..., Any],
    tiny_parameters: dict[str, Any],
    by: tuple[signal.Signals, ...],
) -> None:
    def always_a_keyframe(rig: Any) -> None:
        rig.period_s, rig.stamp_step_s = 0.05, 10.0

    node = start_node(tiny_parameters)
    start_rig(always_a_keyframe)
    observer.recovered()  # from now on one inference follows the other

    for one in by:
        node.process.send_signal(one)
        time.sleep(0.1)  # the second one comes during the clean-up
    assert node.wait() == 0, node.log.read_text()
    log = node.log.read_text()
    assert "Traceback" not in log
    assert "internal error" not in log
