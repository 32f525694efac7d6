from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from i2p_calib_ros.geometry import se3

finite = st.floats(-5.0, 5.0)
vectors = st.tuples(finite, finite, finite).map(np.array)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 1e-3).map(lambda v: v / np.linalg.norm(v))
angles = st.one_of(
    st.floats(0.0, np.pi),
    st.floats(-12.0, -1.0).map(lambda e: 10.0**e),
    st.floats(-12.0, -1.0).map(lambda e: np.pi - 10.0**e),
    st.just(0.0),
)
twists = st.builds(lambda rho, axis, angle: np.concatenate([rho, axis * angle]), vectors, directions, angles)
transforms = twists.map(se3.exp)
fast = settings(max_examples=150, deadline=None)


def from_rpy_deg(translation, rpy_deg):
    """The transform of a URDF origin."""
    return se3.from_rotation_vector(translation, Rotation.from_euler("xyz", rpy_deg, degrees=True).as_rotvec())


def generator(xi: np.ndarray) -> np.ndarray:
    """The 4x4 matrix whose matrix exponential is the transform."""
    rho, (x, y, z) = xi[:3], xi[3:]
    G = np.zeros((4, 4))
    G[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
    G[:3, 3] = rho
    return G


@fast
@given(twists)
@example(np.array([1.0, 2.0, 3.0, 0.0999999, 0.0, 0.0]))
@example(np.array([1.0, 2.0, 3.0, 0.1000001, 0.0, 0.0]))
def test_exp_is_the_matrix_exponential(xi):
    np.testing.assert_allclose(se3.exp(xi), expm(generator(xi)), atol=1e-12)


@fast
@given(twists)
@example(np.array([1.0, 2.0, 3.0, 0.0999999, 0.0, 0.0]))
@example(np.array([1.0, 2.0, 3.0, 0.1000001, 0.0, 0.0]))
@example(np.array([1.0, 2.0, 3.0, 0.0, np.pi, 0.0]))
def test_log_undoes_exp(xi):
    back = se3.log(se3.exp(xi))
    assert np.linalg.norm(back[3:]) <= np.pi + 1e-12
    np.testing.assert_allclose(se3.exp(back), se3.exp(xi), atol=1e-12)
    if np.linalg.norm(xi[3:]) < np.pi - 1e-6:  # at pi the axis may flip its sign
        np.testing.assert_allclose(back, xi, atol=1e-8)


@fast
@given(transforms, twists)
def test_adjoint_moves_a_twist_through_a_transform(T, xi):
    np.testing.assert_allclose(se3.exp(se3.adjoint(T) @ xi), T @ se3.exp(xi) @ se3.inverse(T), atol=1e-10)


@fast
@given(transforms)
def test_inverse(T):
    np.testing.assert_allclose(se3.inverse(T) @ T, np.eye(4), atol=1e-12)


@fast
@given(transforms)
def test_quaternion_round_trip(T):
    xyzw = se3.quaternion_xyzw(T)
    assert xyzw[3] >= 0
    np.testing.assert_allclose(np.linalg.norm(xyzw), 1.0, atol=1e-12)
    np.testing.assert_allclose(se3.from_quaternion(T[:3, 3], 3.0 * xyzw), T, atol=1e-12)


@fast
@given(transforms)
def test_euler_round_trip(T):
    rpy = se3.euler_rpy(T)
    np.testing.assert_allclose(from_rpy_deg(T[:3, 3], np.rad2deg(rpy)), T, atol=1e-8)


@pytest.mark.parametrize("pitch", [90.0, -90.0])
def test_euler_angles_stay_defined_where_roll_and_yaw_coincide(pitch):
    T = from_rpy_deg([0, 0, 0], [20.0, pitch, 35.0])
    rpy = se3.euler_rpy(T)
    np.testing.assert_allclose(from_rpy_deg([0, 0, 0], np.rad2deg(rpy)), T, atol=1e-12)


def test_euler_angles_are_urdf_roll_pitch_yaw():
    """URDF: R = Rz(yaw) Ry(pitch) Rx(roll). A pure yaw of 90 deg turns x into y."""
    T = from_rpy_deg([1, 2, 3], [0, 0, 90])
    np.testing.assert_allclose(se3.transform_points(T, [1, 0, 0]), [1, 3, 3], atol=1e-12)
    roll_then_yaw = from_rpy_deg([0, 0, 0], [90, 0, 90])
    np.testing.assert_allclose(se3.transform_points(roll_then_yaw, [0, 1, 0]), [0, 0, 1], atol=1e-12)


def test_batches_agree_with_single_transforms():
    rng = np.random.default_rng(3)
    xi = rng.normal(size=(2, 3, 6))
    T = se3.exp(xi)
    points = rng.normal(size=(7, 3))
    assert T.shape == (2, 3, 4, 4)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(T[i, j], se3.exp(xi[i, j]))
        np.testing.assert_allclose(se3.log(T)[i, j], se3.log(T[i, j]))
        np.testing.assert_allclose(se3.inverse(T)[i, j], se3.inverse(T[i, j]))
        np.testing.assert_allclose(se3.adjoint(T)[i, j], se3.adjoint(T[i, j]))
        np.testing.assert_allclose(
            se3.transform_points(T, points)[i, j], points @ T[i, j, :3, :3].T + T[i, j, :3, 3]
        )
        np.testing.assert_allclose(se3.quaternion_xyzw(T)[i, j], se3.quaternion_xyzw(T[i, j]))
        np.testing.assert_allclose(se3.euler_rpy(T)[i, j], se3.euler_rpy(T[i, j]))
    np.testing.assert_allclose(
        se3.rotation_angle_deg(T), np.rad2deg(np.linalg.norm(se3.log(T)[..., 3:], axis=-1))
    )
    assert se3.pose_error(T, T[0, 0]).signed_rotation_deg.shape == (2, 3, 3)


def test_empty_cloud_stays_empty():
    assert se3.transform_points(np.eye(4), np.empty((0, 3))).shape == (0, 3)


@fast
@given(transforms, directions, st.floats(0.0, 170.0), vectors)
def test_perturbation_is_what_pose_error_reports(T, axis, angle_deg, translation):
    error = se3.pose_error(se3.perturb(T, axis * angle_deg, translation), T)
    np.testing.assert_allclose(error.signed_rotation_deg, axis * angle_deg, atol=1e-6)
    np.testing.assert_allclose(error.signed_translation_m, translation, atol=1e-9)
    assert error.rotation_deg == pytest.approx(angle_deg, abs=1e-6)
    assert error.translation_m == pytest.approx(np.linalg.norm(translation), abs=1e-9)


def test_translation_error_is_the_displacement_of_the_camera_centre():
    rng = np.random.default_rng(5)
    T_est, T_true = se3.exp(rng.normal(size=(2, 50, 6)))
    displacement = se3.inverse(T_est)[:, :3, 3] - se3.inverse(T_true)[:, :3, 3]
    np.testing.assert_allclose(
        se3.pose_error(T_est, T_true).translation_m, np.linalg.norm(displacement, axis=-1)
    )


def test_covariance_of_inverse_matches_monte_carlo():
    rng = np.random.default_rng(0)
    T = from_rpy_deg([0.3, -0.8, -1.2], [-85.0, 10.0, -95.0])
    A = rng.normal(size=(6, 6)) * np.array([0.02, 0.03, 0.05, 0.004, 0.002, 0.003])[:, None]
    covariance = A @ A.T
    xi = rng.multivariate_normal(np.zeros(6), covariance, size=200_000)
    of_inverse = se3.log(se3.inverse(se3.exp(xi) @ T) @ T)
    sampled = np.cov(of_inverse.T)
    predicted = se3.covariance_of_inverse(T, covariance)
    scale = np.sqrt(np.outer(np.diag(predicted), np.diag(predicted)))
    assert np.abs((sampled - predicted) / scale).max() < 0.02
    np.testing.assert_allclose(se3.covariance_of_inverse(se3.inverse(T), predicted), covariance, atol=1e-12)
