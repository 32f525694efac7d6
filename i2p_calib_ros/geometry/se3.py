"""Rigid transforms as 4x4 matrices, twists, and covariances of left perturbations.

Every function accepts leading batch dimensions. Twists are `(rho, phi)`: translation first, then rotation, in
metres and radians. `T_target_source` maps points of the source frame to the target frame. Formulas: Sola et
al., "A micro Lie theory for state estimation in robotics", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

FloatArray = npt.NDArray[np.float64]

# Below this angle the closed forms lose digits to cancellation; four series terms are exact to rounding.
_SERIES_ANGLE = 0.1


@dataclass(frozen=True)
class PoseError:
    """Left error `E = T_est @ inverse(T_true)` of a `T_camera_lidar`, in axes of the camera optical frame.

    For batched poses the scalars are arrays of the batch shape and the vectors have it in front.
    """

    rotation_deg: float
    """Geodesic angle."""
    translation_m: float
    """Displacement of the camera centre."""
    signed_rotation_deg: FloatArray
    """(..., 3) rotation vector of E: about x (right), y (down), z (forward)."""
    signed_translation_m: FloatArray
    """(..., 3) translation of E."""


def exp(xi: npt.ArrayLike) -> FloatArray:
    """Transforms (..., 4, 4) of twists (..., 6)."""
    xi = np.asarray(xi, dtype=np.float64)
    rho, phi = xi[..., :3], xi[..., 3:]
    angle_sq = np.sum(phi**2, axis=-1)
    angle = np.sqrt(angle_sq)
    first = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 - cos) / angle^2
    large = np.where(angle < _SERIES_ANGLE, 1.0, angle)
    series = 1 / 6 - angle_sq * (1 / 120 - angle_sq * (1 / 5040 - angle_sq / 362880))
    second = np.where(angle < _SERIES_ANGLE, series, (large - np.sin(large)) / large**3)
    cross = np.cross(phi, rho)
    translation = rho + first[..., None] * cross + second[..., None] * np.cross(phi, cross)
    return from_rotation_vector(translation, phi)


def log(T: npt.ArrayLike) -> FloatArray:
    """Twists (..., 6) of transforms (..., 4, 4); the rotation part has an angle of at most pi."""
    T = np.asarray(T, dtype=np.float64)
    phi = rotation_vector(T)
    translation = T[..., :3, 3]
    angle_sq = np.sum(phi**2, axis=-1)
    half = np.sqrt(angle_sq) / 2
    large = np.where(2 * half < _SERIES_ANGLE, 1.0, half)
    series = 1 / 12 + angle_sq * (1 / 720 + angle_sq * (1 / 30240 + angle_sq / 1209600))
    second = np.where(2 * half < _SERIES_ANGLE, series, (1 - large / np.tan(large)) / (4 * large**2))
    cross = np.cross(phi, translation)
    rho = translation - 0.5 * cross + second[..., None] * np.cross(phi, cross)
    return np.concatenate([rho, phi], axis=-1)


def inverse(T: npt.ArrayLike) -> FloatArray:
    """Inverse transforms (..., 4, 4)."""
    T = np.asarray(T, dtype=np.float64)
    R_inverse = np.swapaxes(T[..., :3, :3], -1, -2)
    return _assemble(R_inverse, -np.einsum("...ij,...j->...i", R_inverse, T[..., :3, 3]))


def adjoint(T: npt.ArrayLike) -> FloatArray:
    """(..., 6, 6) with `exp(adjoint(T) @ xi) = T @ exp(xi) @ inverse(T)`."""
    T = np.asarray(T, dtype=np.float64)
    R = T[..., :3, :3]
    result = np.zeros(T.shape[:-2] + (6, 6))
    result[..., :3, :3] = R
    result[..., 3:, 3:] = R
    result[..., :3, 3:] = _skew(T[..., :3, 3]) @ R
    return result


def covariance_of_inverse(T: npt.ArrayLike, covariance: npt.ArrayLike) -> FloatArray:
    """Covariance (..., 6, 6) of the left perturbation of `inverse(T)`, given that of `T`.

    Exact: with `T_true = exp(xi) @ T`, its inverse is `exp(-adjoint(inverse(T)) @ xi) @ inverse(T)`.
    """
    A = adjoint(inverse(T))
    return A @ np.asarray(covariance, dtype=np.float64) @ np.swapaxes(A, -1, -2)


def transform_points(T: npt.ArrayLike, xyz: npt.ArrayLike) -> FloatArray:
    """Points (..., n, 3) or one point (3,) mapped by T (..., 4, 4); batch dimensions broadcast."""
    T = np.asarray(T, dtype=np.float64)
    points = np.atleast_2d(np.asarray(xyz, dtype=np.float64))
    mapped = points @ np.swapaxes(T[..., :3, :3], -1, -2) + T[..., None, :3, 3]
    return mapped[..., 0, :] if np.ndim(xyz) == 1 else mapped


def rotation_angle_deg(T: npt.ArrayLike) -> float:
    """Geodesic rotation angle of T in degrees, 0 to 180; an array of the batch shape for batched T."""
    return np.rad2deg(np.linalg.norm(rotation_vector(T), axis=-1))[()]


def rotation_vector(T: npt.ArrayLike) -> FloatArray:
    """Rotation vectors (..., 3), radians, of T (..., 4, 4)."""
    T = np.asarray(T, dtype=np.float64)
    return _rotation(T).as_rotvec().reshape(T.shape[:-2] + (3,))


def from_rotation_vector(translation: npt.ArrayLike, rotation: npt.ArrayLike) -> FloatArray:
    """T (..., 4, 4) of a translation (..., 3) in metres and a rotation vector (..., 3) in radians."""
    rotation = np.asarray(rotation, dtype=np.float64)
    R = Rotation.from_rotvec(rotation.reshape(-1, 3)).as_matrix().reshape(rotation.shape[:-1] + (3, 3))
    return _assemble(R, translation)


def from_quaternion(translation: npt.ArrayLike, xyzw: npt.ArrayLike) -> FloatArray:
    """T (..., 4, 4) of a translation (..., 3) and a quaternion (..., 4) x, y, z, w of any non-zero norm."""
    xyzw = np.asarray(xyzw, dtype=np.float64)
    R = Rotation.from_quat(xyzw.reshape(-1, 4)).as_matrix().reshape(xyzw.shape[:-1] + (3, 3))
    return _assemble(R, translation)


def quaternion_xyzw(T: npt.ArrayLike) -> FloatArray:
    """Unit quaternions (..., 4) of T in ROS order x, y, z, w, with w >= 0."""
    T = np.asarray(T, dtype=np.float64)
    return _rotation(T).as_quat(canonical=True).reshape(T.shape[:-2] + (4,))


def euler_rpy(T: npt.ArrayLike) -> FloatArray:
    """URDF roll, pitch, yaw (..., 3) of T in radians (fixed axes x, y, z); at pitch +-90 deg yaw is 0."""
    T = np.asarray(T, dtype=np.float64)
    R = T[..., :3, :3]
    pitch = np.arctan2(-R[..., 2, 0], np.hypot(R[..., 0, 0], R[..., 1, 0]))
    regular = np.hypot(R[..., 0, 0], R[..., 1, 0]) > 1e-9
    roll = np.where(regular, np.arctan2(R[..., 2, 1], R[..., 2, 2]), np.arctan2(-R[..., 1, 2], R[..., 1, 1]))
    yaw = np.where(regular, np.arctan2(R[..., 1, 0], R[..., 0, 0]), 0.0)
    return np.stack([roll, pitch, yaw], axis=-1)


def pose_error(T_est: npt.ArrayLike, T_true: npt.ArrayLike) -> PoseError:
    """Error of `T_est` against `T_true`, both `T_camera_lidar` (..., 4, 4); batch dimensions broadcast."""
    E = np.asarray(T_est, dtype=np.float64) @ inverse(T_true)
    signed_rotation = np.rad2deg(rotation_vector(E))
    signed_translation = E[..., :3, 3]
    return PoseError(
        rotation_deg=np.linalg.norm(signed_rotation, axis=-1)[()],
        translation_m=np.linalg.norm(signed_translation, axis=-1)[()],
        signed_rotation_deg=signed_rotation,
        signed_translation_m=signed_translation,
    )


def perturb(T: npt.ArrayLike, rotation_deg: npt.ArrayLike, translation_m: npt.ArrayLike) -> FloatArray:
    """`Delta @ T`, Delta of a rotation vector (..., 3) in degrees and a translation (..., 3) in metres.

    The signed errors of the result against T are exactly these two vectors (rotations below 180 deg).
    """
    return from_rotation_vector(translation_m, np.deg2rad(rotation_deg)) @ np.asarray(T, dtype=np.float64)


def _rotation(T: FloatArray) -> Rotation:
    return Rotation.from_matrix(T[..., :3, :3].reshape(-1, 3, 3))


def _assemble(R: FloatArray, translation: npt.ArrayLike) -> FloatArray:
    translation = np.asarray(translation, dtype=np.float64)
    T = np.zeros(np.broadcast_shapes(R.shape[:-2], translation.shape[:-1]) + (4, 4))
    T[..., :3, :3] = R
    T[..., :3, 3] = translation
    T[..., 3, 3] = 1.0
    return T


def _skew(v: FloatArray) -> FloatArray:
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(v.shape[:-1] + (3, 3))
