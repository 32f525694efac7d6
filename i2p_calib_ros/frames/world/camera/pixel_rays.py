"""The rays of a camera's pixels: `Camera.project` inverted numerically, once a camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.geometry.camera import Camera

FloatArray = NDArray[np.float64]

TOLERANCE_PX = 1e-3
"""A ray that does not project back to its pixel within this is none: the lens shows nothing there."""

CONVERGED_PX = 1e-6
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
    # Angles by pixels is the inverse of pixels by angles.
    J = _jacobian(camera, angles.reshape(-1, 2))
    a, b, c, d = J[:, 0, 0], J[:, 0, 1], J[:, 1, 0], J[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        by_u, by_v = np.stack([d, -c], axis=1), np.stack([-b, a], axis=1)
        by_u, by_v = (np.nan_to_num(by / (a * d - b * c)[:, None]).reshape(angles.shape) for by in (by_u, by_v))
    step = 0.25
    along_u, along_v = (
        (_directions(angles + step * by) - _directions(angles - step * by)) / (2 * step) for by in (by_u, by_v)
    )
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
    angle = np.linalg.norm(angles, axis=-1, keepdims=True)
    return np.concatenate([angles * np.sinc(angle / np.pi), np.cos(angle)], axis=-1)


def _guess_from_coarse(camera: Camera, u: FloatArray, v: FloatArray) -> FloatArray:
    """Angle vectors near the answer: solved on a coarse lattice, bilinear in between, undistorted where unsolved."""
    coarse_u, coarse_v = _lattice(camera, COARSE_STEP_PX)
    coarse, valid = _unproject(camera, coarse_u, coarse_v, _undistorted(camera, coarse_u, coarse_v))
    coarse = np.where(valid[..., None], coarse, _undistorted(camera, coarse_u, coarse_v))
    column, row = u / COARSE_STEP_PX, v / COARSE_STEP_PX
    i = np.clip(row.astype(int), 0, max(len(coarse) - 2, 0))
    j = np.clip(column.astype(int), 0, max(coarse.shape[1] - 2, 0))
    below, right = np.minimum(i + 1, len(coarse) - 1), np.minimum(j + 1, coarse.shape[1] - 1)
    share_v, share_u = (row - i)[..., None], (column - j)[..., None]
    top = coarse[i, j] * (1 - share_u) + coarse[i, right] * share_u
    bottom = coarse[below, j] * (1 - share_u) + coarse[below, right] * share_u
    return top * (1 - share_v) + bottom * share_v


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
    length = np.linalg.norm(error, axis=-1)
    return error, np.where(np.isfinite(length), length, np.inf)
