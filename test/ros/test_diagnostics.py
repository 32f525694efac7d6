"""What the node says of itself: levels, faults that come and go, counters and percentiles."""

from __future__ import annotations

import numpy as np

from i2p_calib_ros.fusion.temporal import FusedEstimate
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.diagnostics import Fault, Health, Latency, Level, calibration_status
from i2p_calib_ros.ros.session import Snapshot
from i2p_calib_ros.ros.state import KnownExtrinsic, State


def snapshot(state: State, T_estimate: np.ndarray | None = None) -> Snapshot:
    initial = KnownExtrinsic(np.eye(4))
    covariance = np.diag(np.r_[np.full(3, 0.02), np.deg2rad(np.full(3, 0.5))] ** 2)
    fused = None if T_estimate is None else FusedEstimate(T_estimate, covariance, 7, 2, False, False)
    return Snapshot(state, "because", initial, initial, initial, fused)


def test_fault_is_present_from_its_report_until_its_stage_works() -> None:
    health = Health()
    assert health.report("pair", "unknown encoding")
    assert not health.report("pair", "unknown encoding")
    assert health.report("pair", "empty cloud", Level.WARN)
    status = health.inputs_status({}, [], 0)
    assert (status.level, status.message) == (Level.WARN, "empty cloud")

    health.clear("pair")
    status = health.inputs_status({}, [], 0)
    assert (status.level, status.message) == (Level.OK, "receiving pairs")


def test_worst_level_wins_and_all_faults_are_said() -> None:
    health = Health()
    health.report("frames", "another frame", Level.WARN)
    status = health.inputs_status({}, [Fault("nothing on /points")], 0)

    assert status.level == Level.ERROR
    assert status.message == "nothing on /points; another frame"


def test_counts_offsets_and_reasons_are_listed() -> None:
    health = Health()
    for offset_s in (0.01, -0.03, 0.01):
        health.paired(offset_s)
    health.reject("empty point cloud")
    values = health.inputs_status({"image": "/cam, 10 Hz"}, [], 4).values

    assert values["pairs"] == "3"
    assert values["image"] == "/cam, 10 Hz"
    assert values["pairs dropped for newer ones"] == "4"
    assert values["rejected: empty point cloud"] == "1"
    assert values["stamp offset in a pair, p50 / p95"].startswith("10.0 / 28.0")


def test_latencies_are_given_apart() -> None:
    health = Health()
    assert "none yet" in str(health.performance_status("engine").values)
    for index in range(10):
        health.timed(Latency(waiting_s=0.0, inference_s=0.2, overhead_s=0.001 * index))
    values = health.performance_status("engine").values

    assert values["inference, p50 / p95"] == "200.0 / 200.0 ms"
    assert values["overhead from pair to published, p50 / p95"].startswith("4.5 /")


def test_levels_of_states() -> None:
    states: tuple[State, ...] = ("converged", "decalibrated", "waiting")
    levels = [calibration_status(snapshot(state), False).level for state in states]

    assert levels == [Level.OK, Level.ERROR, Level.WARN]


def test_numbers_of_an_estimate_are_said_in_degrees_and_centimetres() -> None:
    status = calibration_status(snapshot("converged", se3.perturb(np.eye(4), [3.0, 0, 0], [0, 0.1, 0])), True)

    assert status.message == "converged (paused): because"
    assert status.values["correction [deg]"] == "3.00"
    assert status.values["correction [cm]"] == "10.0"
    assert status.values["sigma rx ry rz [deg]"] == "0.50 0.50 0.50"
    assert status.values["sigma x y z [cm]"] == "2.00 2.00 2.00"
    assert status.values["variance widened by disagreement"] == "1.0 times"
    assert status.values["image delay"] == "+0.0 ± 5.2 ms"
