"""The rays of a camera's pixels: `Camera.project` inverted numerically, once a camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from i2p_calib_ros.frames.world.vectors import length
from i2p_calib_ros.geometry.camera import Camera

FloatArray = NDArray[np.float64]

TOLERANCE_PX = 1e-3
"""A ray that does not project back to its pixel within this is none: the lens shows nothing there."""

CONVERGED_PX = 1e-5
COARSE_STEP_PX = 8
ITERATIONS = 25


@dataclass(frozen=True, eq=False)
class PixelRays:
    """Unit directions (h, w, 3) through the pixel centres, in the camera optical frame, and which exist (h, w).

    along_u, along_v (h, w, 3): change of the direction over one pixel to the right and downwards; span_rad (h, w):
    angle that a pixel covers.
    """

    directions: FloatArray
    valid: NDArray[np.bool_]
    along_u: FloatArray
    along_v: FloatArray

    @cached_property
    def span_rad(self) -> FloatArray:
        return np.sqrt(np.linalg.norm(self.along_u, axis=-1) * np.linalg.norm(self.along_v, axis=-1))


@lru_cache(maxsize=8)
def pixel_rays(camera: Camera) -> PixelRays:
    """The rays of every pixel centre. Pixels that no ray reaches have `valid` False and look straight ahead."""
    u, v = _lattice(camera, 1)
    angles, valid = _unproject(camera, u, v, _guess_from_coarse(camera, u, v))
    directions = _directions(angles)
    along_u, along_v = (np.asarray(np.gradient(directions, axis=axis)) for axis in (1, 0))
    for field in (directions, along_u, along_v):
        field[~valid] = 0.0
    directions[~valid, 2] = 1.0
    return PixelRays(directions, valid, along_u, along_v)


def _lattice(camera: Camera, step: int) -> tuple[FloatArray, FloatArray]:
    u, v = np.meshgrid(
        np.arange(0, camera.width + step - 1, step, dtype=np.float64),
        np.arange(0, camera.height + step - 1, step, dtype=np.float64),
    )
    return u, v


def _directions(angles: FloatArray) -> FloatArray:
    """Unit vectors (..., 3) of vectors (..., 2) whose length is the angle from the optical axis, radians."""
    angle = np.maximum(length(angles), 1e-12)[..., None]
    return np.concatenate([angles * (np.sin(angle) / angle), np.cos(angle)], axis=-1)


def _guess_from_coarse(camera: Camera, u: FloatArray, v: FloatArray) -> FloatArray:
    """Angle vectors near the answer: solved on a coarse lattice, undistorted where unsolved, splines in between."""
    coarse_u, coarse_v = _lattice(camera, COARSE_STEP_PX)
    undistorted = _undistorted(camera, coarse_u, coarse_v)
    coarse, valid = _unproject(camera, coarse_u, coarse_v, undistorted)
    values = np.where(valid[..., None], coarse, undistorted)
    for axis, (knots, pixels) in enumerate(((coarse_v[:, 0], v[:, 0]), (coarse_u[0], u[0]))):
        values = make_interp_spline(knots, values, k=min(3, len(knots) - 1), axis=axis)(pixels)
    return np.asarray(values)


def _undistorted(camera: Camera, u: FloatArray, v: FloatArray) -> FloatArray:
    K = camera.K
    plane = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]], axis=-1)
    if camera.model == "equidistant":
        return plane
    radius = np.linalg.norm(plane, axis=-1, keepdims=True)
    return plane * np.arctan(radius) / np.maximum(radius, 1e-12)


def _unproject(
    camera: Camera, u: FloatArray, v: FloatArray, guess: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Angle vectors (..., 2) that project to the pixels, from a guess, and which were found (...).

    Newton's method in the azimuthal equidistant plane, where wide angles stay finite; a step that leads out of the
    lens's valid cone or away from the pixel is halved.
    """
    target = np.stack([u, v], axis=-1).reshape(-1, 2)
    angles = guess.reshape(-1, 2).copy()
    error, residual = _residual(camera, angles, target)
    # A guess outside the valid cone is drawn towards the axis until it projects.
    for _ in range(12):
        outside = ~np.isfinite(residual)
        if not outside.any():
            break
        angles[outside] *= 0.85
        error[outside], residual[outside] = _residual(camera, angles[outside], target[outside])
    busy = np.flatnonzero(residual > CONVERGED_PX)
    damping = np.ones(len(target))
    for _ in range(ITERATIONS):
        if busy.size == 0:
            break
        now = angles[busy]
        jacobian = _jacobian(camera, now)
        determinant = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
        a, b = error[busy, 0], error[busy, 1]
        newton = np.stack(
            [jacobian[:, 1, 1] * a - jacobian[:, 0, 1] * b, jacobian[:, 0, 0] * b - jacobian[:, 1, 0] * a], axis=-1
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            newton /= determinant[:, None]
        proposal = now + np.nan_to_num(newton) * damping[busy, None]
        new_error, new_residual = _residual(camera, proposal, target[busy])
        better = new_residual < residual[busy]
        rows = busy[better]
        angles[rows], error[rows], residual[rows] = proposal[better], new_error[better], new_residual[better]
        damping[rows] = 1.0
        damping[busy[~better]] *= 0.5
        busy = busy[(residual[busy] > CONVERGED_PX) & (damping[busy] > 1e-4)]
    found = residual < TOLERANCE_PX
    return angles.reshape(guess.shape), found.reshape(u.shape)


def _project(camera: Camera, angles: FloatArray) -> FloatArray:
    pixels, _ = camera.project(_directions(angles))
    return pixels


def _jacobian(camera: Camera, angles: FloatArray) -> FloatArray:
    """Change of the pixel (n, 2, 2), rows u and v, by the angle vector (n, 2)."""
    step = 1e-6
    return np.stack(
        [
            (_project(camera, angles + offset) - _project(camera, angles - offset)) / (2 * step)
            for offset in (np.array([step, 0.0]), np.array([0.0, step]))
        ],
        axis=-1,
    )


def _residual(camera: Camera, angles: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pixels still to go (n, 2) and their length (n,), infinite where the angle does not project."""
    error = target - _project(camera, angles)
    distance = length(error)
    return error, np.where(np.isfinite(distance), distance, np.inf)
