from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from i2p_calib_ros import __version__
from i2p_calib_ros.evaluation.replay_result import ReplayResult

MakeResult = Callable[..., ReplayResult]


def test_json_says_how_far_the_final_and_the_first_extrinsic_are_from_the_truth(make_result: MakeResult) -> None:
    content = json.loads(json.dumps(make_result().to_json()))
    assert content["final"]["rotation_error_deg"] == pytest.approx(0.1)
    assert content["final"]["translation_error_m"] == pytest.approx(0.01)
    assert content["start"]["rotation_error_deg"] == pytest.approx(5.0)
    assert content["start"]["translation_error_m"] == pytest.approx(0.4)
    assert content["verdict"] == "converged"


def test_json_without_a_truth_has_null_errors(make_result: MakeResult) -> None:
    content = json.loads(json.dumps(make_result(truth=False).to_json()))
    for part in ("final", "start"):
        assert content[part]["rotation_error_deg"] is None
        assert content[part]["signed_translation_error_m"] is None
        assert np.shape(content[part]["T_camera_lidar"]) == (4, 4)


def test_json_counts_frames_and_times(make_result: MakeResult) -> None:
    content = make_result().to_json()
    assert content["frames"] == {
        "used": 6,
        "between_keyframes": 4,
        "motion_compensated": 3,
        "rejected": 2,
        "rejected_by_reason": {"no cloud within 50 ms": 2},
    }
    assert content["latency_s"]["p50"] == pytest.approx(0.125)
    assert content["latency_s"]["p95"] == pytest.approx(0.1475)


def test_sigmas_are_in_degrees_and_metres_by_axis(make_result: MakeResult) -> None:
    final = make_result().to_json()["final"]
    np.testing.assert_allclose(final["sigma_translation_m"], [0.01, 0.02, 0.03])
    np.testing.assert_allclose(final["sigma_rotation_deg"], np.rad2deg([0.001, 0.002, 0.003]))
    assert np.shape(final["covariance"]) == (6, 6)


def test_the_correction_is_the_way_from_the_initial_extrinsic(make_result: MakeResult) -> None:
    result = make_result()
    assert result.correction.rotation_deg == pytest.approx(5.0, abs=0.01)
    assert result.correction.signed_rotation_deg[1] == pytest.approx(-5.0, abs=0.01)


def test_without_frames_there_are_no_times(make_result: MakeResult) -> None:
    assert make_result(frames=0).to_json()["latency_s"] == {"p50": None, "p95": None}


def test_the_extrinsic_names_its_origin(make_result: MakeResult) -> None:
    extrinsic = make_result().extrinsic()
    assert extrinsic.provenance is not None
    assert extrinsic.provenance.package_version == __version__
    assert extrinsic.provenance.model_name == "small"
    assert extrinsic.provenance.frames_used == 6
    assert (extrinsic.camera_frame_id, extrinsic.lidar_frame_id) == ("camera_optical", "velodyne")
