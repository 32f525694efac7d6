from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry.camera import Camera, inside_image

K = np.array([[720.0, 0.0, 612.3], [0.0, 715.0, 187.8], [0.0, 0.0, 1.0]])
small = st.floats(-0.1, 0.1)
tiny = st.floats(-0.005, 0.005)
fast = settings(max_examples=60, deadline=None)


def points(half_width: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-half_width, half_width, size=(200, 3))
    xyz[:, 2] = 1.0
    return xyz * rng.uniform(0.5, 80.0, size=(200, 1))


def assert_agrees(camera: Camera, xyz: np.ndarray, expected: np.ndarray) -> None:
    pixels, valid = camera.project(xyz)
    assert valid.mean() > 0.5
    np.testing.assert_allclose(pixels[valid], expected.reshape(-1, 2)[valid], atol=1e-6)
    assert np.isnan(pixels[~valid]).all()


@fast
@given(small, small, tiny, tiny, small, st.sampled_from([0, 4, 5]))
def test_plumb_bob_agrees_with_opencv(k1, k2, p1, p2, k3, count):
    D = np.array([k1, k2, p1, p2, k3])[:count]
    xyz = points(0.8)
    expected, _ = cv2.projectPoints(xyz, np.zeros(3), np.zeros(3), K, D if count else None)
    assert_agrees(Camera.validated("plumb_bob", K, D, 1242, 375), xyz, expected)


@fast
@given(st.tuples(small, small, tiny, tiny, small, small, small, small).map(np.array))
def test_rational_polynomial_agrees_with_opencv(D):
    xyz = points(0.8)
    expected, _ = cv2.projectPoints(xyz, np.zeros(3), np.zeros(3), K, D)
    assert_agrees(Camera.validated("rational_polynomial", K, D, 1242, 375), xyz, expected)


@fast
@given(st.tuples(small, tiny, tiny, tiny).map(np.array))
def test_equidistant_agrees_with_opencv(D):
    xyz = points(3.0)
    xyz[0] = [0.0, 0.0, 5.0]
    expected, _ = cv2.fisheye.projectPoints(xyz[:, None], np.zeros((3, 1)), np.zeros((3, 1)), K, D)
    assert_agrees(Camera.validated("equidistant", K, D, 1242, 375), xyz, expected)


@pytest.mark.parametrize("model, count", [("plumb_bob", 5), ("rational_polynomial", 8), ("equidistant", 4)])
def test_points_behind_the_camera_are_invalid(model, count):
    camera = Camera.validated(model, K, np.zeros(count), 1242, 375)
    pixels, valid = camera.project(
        [[[0.0, 0.0, -1.0], [1.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [np.nan, 0.0, 1.0]]]
    )
    np.testing.assert_array_equal(valid, [[False, False], [True, False]])
    np.testing.assert_allclose(pixels[1, 0], [612.3, 187.8])
    assert np.isnan(pixels[~valid]).all()


def test_points_where_the_distortion_folds_back_are_invalid():
    """r (1 - 0.3 r^2) has its maximum at r = sqrt(1 / 0.9); beyond it points return towards the image."""
    camera = Camera.validated("plumb_bob", K, [-0.3, 0, 0, 0, 0], 1242, 375)
    limit = np.sqrt(1 / 0.9)
    _, valid = camera.project([[0.999 * limit, 0, 1], [1.001 * limit, 0, 1], [1.8, 0, 1]])
    np.testing.assert_array_equal(valid, [True, False, False])


@fast
@given(st.tuples(small, small, small, small, small, small).map(np.array), st.integers(0, 2))
def test_valid_radii_grow_with_the_angle_off_the_axis(k, which):
    model = ["plumb_bob", "rational_polynomial", "equidistant"][which]
    D = [[*k[:2], 0, 0, k[2]], [*k[:2], 0, 0, *k[2:]], k[:4]][which]
    camera = Camera.validated(model, K, D, 1242, 375)
    x = np.linspace(0.0, 20.0, 2000)
    pixels, valid = camera.project(np.stack([x, 0 * x, 1 + 0 * x], axis=-1))
    assert valid[0] and np.all(np.diff(valid.astype(int)) <= 0)
    assert np.all(np.diff(pixels[valid, 0]) > 0)


def test_inside_image_counts_whole_pixels():
    uv = [[-0.5, -0.5], [-0.51, 0.0], [9.49, 4.49], [9.5, 0.0], [0.0, 4.5], [np.nan, 0.0]]
    np.testing.assert_array_equal(inside_image(uv, 10, 5), [True, False, True, False, False, False])


@pytest.mark.parametrize(
    "given_name, model, D",
    [
        ("", "plumb_bob", []),
        ("radtan", "plumb_bob", [0.1, 0, 0, 0]),
        ("fisheye", "equidistant", [0.1, 0, 0, 0]),
        ("kannala_brandt4", "equidistant", [0.1, 0, 0, 0]),
        ("Plumb_Bob", "plumb_bob", [0.1, 0, 0, 0, 0]),
        ("rational_polynomial", "rational_polynomial", [0.1] * 8 + [0.0] * 6),
    ],
)
def test_names_and_paddings_of_drivers_are_understood(given_name, model, D):
    camera = Camera.validated(given_name, K.ravel().tolist(), D, 1242, 375)
    assert camera.model == model
    assert camera.D.size == min(len(D), 8)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"K": np.zeros(9)}, r"focal lengths must be positive, got fx=0, fy=0.*calibrate"),
        ({"K": [np.nan, 0, 1, 0, 1, 1, 0, 0, 1]}, "finite"),
        ({"K": [1, 2, 3]}, "9 numbers, got 3"),
        ({"K": K.T}, r"must be \[fx 0 cx; 0 fy cy; 0 0 1\]"),
        ({"K": K + [[0, 0.5, 0], [0, 0, 0], [0, 0, 0]]}, "Skew"),
        ({"model": "double_sphere"}, "Unknown distortion model 'double_sphere'. Known models: plumb_bob"),
        ({"D": [0.1, 0.2]}, "plumb_bob takes 0 or 4 or 5 distortion coefficients, got 2"),
        ({"model": "equidistant", "D": []}, "equidistant takes 4 distortion coefficients, got 0"),
        ({"D": [0.1] * 8}, "got 8"),
        ({"D": [np.inf, 0, 0, 0]}, "coefficients must be finite"),
        ({"width": 0}, "size must be positive, got 0 x 375"),
    ],
)
def test_unusable_intrinsics_say_what_is_wrong(change, message):
    arguments = {"model": "plumb_bob", "K": K, "D": [0.0] * 5, "width": 1242, "height": 375, **change}
    with pytest.raises(CalibrationInputError, match=message):
        Camera.validated(**arguments)


def test_cameras_with_the_same_numbers_are_equal():
    one, other = (Camera.validated("plumb_bob", K.copy(), [0.1, 0, 0, 0], 1242, 375) for _ in range(2))
    assert one == other and hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != Camera.validated("plumb_bob", K, [0.1, 0, 0, 0], 1242, 376)
    assert one != "camera"
