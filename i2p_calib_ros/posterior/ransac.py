"""Poses from nearest matches by RANSAC: where to begin when no prior says so, and what VP2P-Match ends with."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.posterior.match_field import MatchField

_LEAST_OVERLAP = 0.5
_LEAST_MATCHES = 6
_ITERATIONS = 500


def ransac_poses(field: MatchField) -> NDArray[np.float64]:
    """The pose (1, 4, 4) on which most points agree, each matched with its best cell, or (0, 4, 4) if there is none.

    Of the points that are likely to be in view; a match counts within a cell (EPnP and RANSAC, as published). Points
    that all match one cell agree on a camera endlessly far away: one outside the cloud is no pose.
    """
    n, _, w = field.scores.shape
    likely = (field.overlap > _LEAST_OVERLAP).cpu().numpy()
    cell = field.scores.view(n, -1).argmax(dim=1).cpu().numpy()[likely]
    none = np.empty((0, 4, 4))
    if len(cell) < _LEAST_MATCHES:
        return none
    uv = np.stack([cell % w, cell // w], axis=1) * field.stride + (field.stride - 1) / 2
    view = field.view
    K = np.array([[view.fx, 0.0, view.cx], [0.0, view.fy, view.cy], [0.0, 0.0, 1.0]])
    points = field.points.cpu().double().numpy()[likely]
    found, rotation, translation, _ = cv2.solvePnPRansac(
        points,
        uv,
        K,
        None,
        iterationsCount=_ITERATIONS,
        reprojectionError=float(field.stride),
        flags=cv2.SOLVEPNP_EPNP,
    )
    farthest_m = np.linalg.norm(points, axis=1).max()
    if not found or not np.isfinite(rotation).all() or not np.linalg.norm(translation) <= farthest_m:
        return none
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(rotation)[0], translation[:, 0]
    return T[None]
