"""What was accepted is published first by the next process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: `make ros`")


def test_accepted_extrinsic_is_published_first_after_a_restart(
    observer: Any,
    start_node: Callable[..., Any],
    start_rig: Callable[..., Any],
    tiny_parameters: dict[str, Any],
    tmp_path: Path,
    scene: Any,
) -> None:
    parameters = {**tiny_parameters, "state_dir": str(tmp_path), "restore": True}
    node = start_node(parameters)
    start_rig()
    observer.status("calibration", lambda status: any(item.key == "keyframes used" for item in status.values))
    assert observer.trigger("accept").success
    accepted = observer.calibrated(lambda T: not np.allclose(T, scene[1], atol=1e-6))
    assert node.end() == 0
    observer.tf_static.clear()

    restarted = start_node(parameters)
    np.testing.assert_allclose(observer.calibrated(), accepted, atol=1e-6)
    assert restarted.end() == 0
    assert "starting from the extrinsic accepted on" in restarted.log.read_text()
