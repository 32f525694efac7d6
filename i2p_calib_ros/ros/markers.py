"""Markers for RViz and Foxglove: the camera before and after, and how well its position is known."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera
from i2p_calib_ros.geometry.view import PinholeView
from i2p_calib_ros.ros.conversions import pose
from i2p_calib_ros.ros.overlay import STATE_COLORS, current_extrinsic, describe
from i2p_calib_ros.ros.session import Snapshot

FRUSTUM_DEPTH_M = 1.0
ELLIPSOID_SIGMAS = 3.0
_LIFETIME = Duration(sec=5)
_GREY = (150, 150, 150)


def marker_array(camera: Camera, snapshot: Snapshot, stamped: Header) -> MarkerArray:
    """Frusta of the initial (grey) and the present extrinsic (colour of the state), a 3 sigma ellipsoid of the camera's
    position and a line of text; all in the LiDAR frame, which `stamped` names."""
    assert snapshot.initial is not None
    color = STATE_COLORS[snapshot.state]
    T_lidar_camera = se3.inverse(current_extrinsic(snapshot))
    markers = [
        _frustum(camera, se3.inverse(snapshot.initial.T_camera_lidar), _GREY, stamped, 0),
        _frustum(camera, T_lidar_camera, color, stamped, 1),
        _text(describe(snapshot), T_lidar_camera, stamped, 2),
    ]
    if snapshot.estimate is not None:
        covariance = se3.covariance_of_inverse(snapshot.estimate.T_mean, snapshot.estimate.covariance)
        markers.append(_ellipsoid(covariance, T_lidar_camera, color, stamped, 3))
    return MarkerArray(markers=markers)


def frustum_lines(camera: Camera, depth_m: float) -> NDArray[np.float64]:
    """Ends (16, 3) of eight lines in the camera frame: four edges from the camera centre and the rim."""
    view = PinholeView.for_camera(camera)
    u = (np.array([0, view.width, view.width, 0]) - 0.5 - view.cx) / view.fx
    v = (np.array([0, 0, view.height, view.height]) - 0.5 - view.cy) / view.fy
    rim = depth_m * np.column_stack([u, v, np.ones(4)])
    edges = np.stack([np.zeros((4, 3)), rim], axis=1)
    sides = np.stack([rim, np.roll(rim, -1, axis=0)], axis=1)
    return np.concatenate([edges, sides]).reshape(-1, 3)


def _frustum(
    camera: Camera, T_lidar_camera: NDArray[np.float64], color: tuple[int, int, int], stamped: Header, number: int
) -> Marker:
    marker = _marker(Marker.LINE_LIST, T_lidar_camera, color, 1.0, stamped, number)
    marker.scale = Vector3(x=0.015, y=0.0, z=0.0)
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in frustum_lines(camera, FRUSTUM_DEPTH_M).tolist()]
    return marker


def _ellipsoid(
    covariance: NDArray[np.float64],
    T_lidar_camera: NDArray[np.float64],
    color: tuple[int, int, int],
    stamped: Header,
    number: int,
) -> Marker:
    """Of the position of the camera: that of the origin of the camera frame under the left perturbation."""
    lever = np.hstack([np.eye(3), -_cross_matrix(T_lidar_camera[:3, 3])])
    variances, axes = np.linalg.eigh(lever @ covariance @ lever.T)
    T = np.eye(4)
    T[:3, :3] = axes * np.sign(np.linalg.det(axes))
    T[:3, 3] = T_lidar_camera[:3, 3]
    marker = _marker(Marker.SPHERE, T, color, 0.4, stamped, number)
    x, y, z = (2 * ELLIPSOID_SIGMAS * np.sqrt(np.maximum(variances, 1e-8))).tolist()
    marker.scale = Vector3(x=x, y=y, z=z)
    return marker


def _text(text: str, T_lidar_camera: NDArray[np.float64], stamped: Header, number: int) -> Marker:
    T = np.eye(4)
    T[:3, 3] = T_lidar_camera[:3, 3] + [0.0, 0.0, 0.6]
    marker = _marker(Marker.TEXT_VIEW_FACING, T, (255, 255, 255), 1.0, stamped, number)
    marker.scale = Vector3(x=0.0, y=0.0, z=0.12)
    marker.text = text
    return marker


def _marker(
    kind: int, T: NDArray[np.float64], color: tuple[int, int, int], alpha: float, stamped: Header, number: int
) -> Marker:
    r, g, b = (value / 255 for value in color)
    return Marker(
        header=stamped,
        ns="i2p_calib",
        id=number,
        type=kind,
        action=Marker.ADD,
        pose=pose(T),
        color=ColorRGBA(r=r, g=g, b=b, a=alpha),
        lifetime=_LIFETIME,
    )


def _cross_matrix(v: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = v
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
