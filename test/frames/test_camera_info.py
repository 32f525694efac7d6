from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.camera_info import camera_from_info


@pytest.mark.parametrize(
    ("model", "d", "expected"),
    [
        ("plumb_bob", [0.1, -0.2, 0.001, 0.002, 0.03], "plumb_bob"),
        ("rational_polynomial", [0.1, 0.2, 0.001, 0.002, 0.03, 0.3, 0.2, 0.1], "rational_polynomial"),
        ("equidistant", [0.1, 0.02, 0.003, 0.0004], "equidistant"),
        ("fisheye", [0.1, 0.02, 0.003, 0.0004], "equidistant"),
        ("", [], "plumb_bob"),
    ],
)
def test_distortion_models(make: SimpleNamespace, model: str, d: list[float], expected: str):
    info = make.camera_info(0, distortion_model=model, d=np.array(d))
    camera = camera_from_info(info, "/cam/image_raw")
    assert (camera.model, camera.width, camera.height) == (expected, make.width, make.height)
    np.testing.assert_array_equal(camera.D, d)
    np.testing.assert_array_equal(camera.K.reshape(-1), info.k)


def test_an_uncalibrated_camera_is_an_error(make: SimpleNamespace):
    with pytest.raises(CalibrationInputError, match="uncalibrated"):
        camera_from_info(make.camera_info(0, k=np.zeros(9)), "/cam/image_raw")


def test_an_unknown_model_is_an_error(make: SimpleNamespace):
    with pytest.raises(CalibrationInputError, match="'omni'"):
        camera_from_info(make.camera_info(0, distortion_model="omni"), "/cam/image_raw")


RECTIFIED_P = np.array([40.0, 0, 30, 0, 0, 41.0, 20, 0, 0, 0, 1, 0])


@pytest.mark.parametrize("topic", ["/cam/image_rect", "/cam/image_rect_color/compressed"])
@pytest.mark.parametrize("r", [np.eye(3), np.zeros((3, 3))])
def test_a_rectified_image_is_a_pinhole_with_the_matrix_p(make: SimpleNamespace, topic: str, r: np.ndarray):
    info = make.camera_info(0, p=RECTIFIED_P, r=r.reshape(-1), d=np.array([0.3, 0.1, 0, 0, 0]))
    camera = camera_from_info(info, topic)
    np.testing.assert_array_equal(camera.K, RECTIFIED_P.reshape(3, 4)[:, :3])
    assert not camera.D.any()


def test_a_stereo_rectified_image_is_refused(make: SimpleNamespace):
    angle = np.radians(0.5)
    r = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    info = make.camera_info(0, p=RECTIFIED_P, r=r.reshape(-1))
    with pytest.raises(CalibrationInputError, match=r"turned by 0\.50 deg"):
        camera_from_info(info, "/left/image_rect")
    assert camera_from_info(info, "/left/image_raw").K[0, 0] == 50
