"""The last accepted extrinsic survives a restart, unless somebody changed the initial one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from i2p_calib_ros.engines.model_file import DEFAULT_MODEL, load_model
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.evaluation.extrinsic_file import read_extrinsic
from i2p_calib_ros.fusion.image_delay import ImageDelay
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.persistence import ExtrinsicStore
from i2p_calib_ros.ros.state import KnownExtrinsic

INITIAL = se3.exp([0.3, -0.1, 0.2, 1.2, -1.2, 1.2])
MOVED = se3.perturb(INITIAL, [1.0, 2.0, 3.0], [0.1, 0.0, 0.0])
ACCEPTED = KnownExtrinsic(MOVED, 1e-4 * np.eye(6), ImageDelay(0.01, 0.002))


@pytest.fixture
def store(tmp_path: Path) -> ExtrinsicStore:
    return ExtrinsicStore(tmp_path / "new" / "folder", "front/camera", "lidar", load_model(DEFAULT_MODEL).card)


def test_accepted_extrinsic_comes_back_after_a_restart(store: ExtrinsicStore) -> None:
    assert store.restore(INITIAL) is None
    store.keep_accepted(ACCEPTED, INITIAL, 12)
    restored = store.restore(INITIAL)

    np.testing.assert_allclose(restored.extrinsic.T_camera_lidar, ACCEPTED.T_camera_lidar, atol=1e-9)
    np.testing.assert_allclose(restored.extrinsic.covariance, ACCEPTED.covariance, rtol=1e-6)


def test_forgotten_extrinsic_does_not_come_back(store: ExtrinsicStore) -> None:
    store.keep_accepted(ACCEPTED, INITIAL, 12)
    store.forget_accepted()

    assert store.restore(INITIAL) is None


def test_it_is_left_alone_when_the_initial_extrinsic_is_another_now(store: ExtrinsicStore) -> None:
    store.keep_accepted(ACCEPTED, INITIAL, 12)
    restored = store.restore(se3.perturb(INITIAL, [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]))

    assert restored.extrinsic is None
    assert "initial.file" in restored.text
    assert str(store.accepted_path) in restored.text


def test_saving_by_hand_does_not_touch_the_accepted_one_and_says_where_it_is_from(store: ExtrinsicStore) -> None:
    path = store.save(ACCEPTED, INITIAL, 12)

    assert not store.accepted_path.exists()
    saved = read_extrinsic(path)
    assert (saved.camera_frame_id, saved.lidar_frame_id) == ("front/camera", "lidar")
    assert (saved.provenance.model_name, saved.provenance.frames_used) == (DEFAULT_MODEL, 12)
    assert (saved.provenance.image_delay_s, saved.provenance.image_delay_sigma_s) == (0.01, 0.002)
    assert "static_transform_publisher" in path.read_text()
    assert list(path.parent.iterdir()) == [path]


def test_damaged_file_is_an_error_with_its_name(store: ExtrinsicStore) -> None:
    store.keep_accepted(ACCEPTED, INITIAL, 12)
    store.accepted_path.write_text("T_camera_lidar: [1, 2")

    with pytest.raises(CalibrationInputError, match=str(store.accepted_path)):
        store.restore(INITIAL)
