"""Shapes that objects are put together from: tubes, turned and lofted bodies, flat plates, and where to put them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from i2p_calib_ros.frames.world.mesh import Mesh, box, grid_mesh
from i2p_calib_ros.frames.world.vectors import cross, unit

FloatArray = NDArray[np.float64]


def pose(xyz: ArrayLike = (0.0, 0.0, 0.0), rpy_rad: ArrayLike = (0.0, 0.0, 0.0)) -> FloatArray:
    """T_parent_part (4, 4) of a part at `xyz` metres, turned by roll, pitch and yaw about the fixed x, y, z axes."""
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", rpy_rad).as_matrix()
    T[:3, 3] = xyz
    return T


def tube(path: ArrayLike, radius_m: ArrayLike, material: int, sides: int = 8, caps: bool = True) -> Mesh:
    """A round tube along `path` (n, 3) metres; radius () or (n,)."""
    points = np.asarray(path, dtype=np.float64)
    radii = np.broadcast_to(np.asarray(radius_m, dtype=np.float64), len(points))
    tangents = unit(np.gradient(points, axis=0))
    # One reference direction for the whole tube, far from every tangent, keeps it from twisting.
    reference = np.eye(3)[np.abs(tangents).max(axis=0).argmin()]
    first = unit(cross(tangents, reference))
    second = cross(tangents, first)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    around = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    rings = points[:, None] + radii[:, None, None] * around
    meshes = [grid_mesh(rings, material, closed=True)]
    if caps:
        meshes += [_fan(rings[0, ::-1], material), _fan(rings[-1], material)]
    return Mesh.merge(meshes)


def struts(
    starts: ArrayLike, ends: ArrayLike, start_radius_m: ArrayLike, end_radius_m: ArrayLike, material: int
) -> Mesh:
    """Many thin straight three-sided rods at once: starts, ends (n, 3) metres; radii () or (n,)."""
    a, b = np.asarray(starts, dtype=np.float64).reshape(-1, 3), np.asarray(ends, dtype=np.float64).reshape(-1, 3)
    along = b - a
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    reference = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(along, reference)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    second = np.cross(along, first)
    angle = np.arange(3) * 2 * np.pi / 3
    around = np.cos(angle)[:, None, None] * first + np.sin(angle)[:, None, None] * second  # (3, n, 3)
    low = a + around * np.broadcast_to(np.asarray(start_radius_m, dtype=np.float64), len(a))[:, None]
    high = b + around * np.broadcast_to(np.asarray(end_radius_m, dtype=np.float64), len(a))[:, None]
    following, turn = [1, 2, 0], np.roll(around, -1, axis=0)
    corners = np.concatenate(
        [np.stack([low, low[following], high[following]], axis=2), np.stack([low, high[following], high], axis=2)]
    )
    normals = np.concatenate([np.stack([around, turn, turn], axis=2), np.stack([around, turn, around], axis=2)])
    return Mesh.create(corners.reshape(-1, 3, 3), material, normals=normals.reshape(-1, 3, 3))


def revolve(profile: ArrayLike, material: int, sides: int = 12) -> Mesh:
    """A body turned about the vertical; profile (n, 2) of radius and height from the bottom up, metres."""
    radius, height = np.asarray(profile, dtype=np.float64).T
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    points = np.stack(
        [radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle), np.repeat(height[:, None], sides + 1, 1)],
        axis=-1,
    )
    return grid_mesh(points, material, closed=True)


def ellipsoid(radii_m: ArrayLike, material: int, centre: ArrayLike = (0.0, 0.0, 0.0), sides: int = 10) -> Mesh:
    """An ellipsoid with half axes (3,) metres along x, y, z."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    unit = np.stack(
        [
            np.outer(np.cos(latitude), np.cos(angle)),
            np.outer(np.cos(latitude), np.sin(angle)),
            np.repeat(np.sin(latitude)[:, None], sides + 1, 1),
        ],
        axis=-1,
    )
    return grid_mesh(unit * np.asarray(radii_m) + np.asarray(centre), material, closed=True)


def plate(outline: ArrayLike, thickness_m: float, face: int, back: int) -> Mesh:
    """A flat plate in the y-z plane that faces +x, from x = -thickness to x = 0; outline (n, 2) star-shaped, metres.

    The outline runs counter-clockwise as y to the right and z up, and `face` covers the front alone.
    """
    points = np.asarray(outline, dtype=np.float64)
    front = np.column_stack([np.zeros(len(points)), points])
    rear = front - np.array([thickness_m, 0.0, 0.0])
    rim = np.stack([np.vstack([rear, rear[:1]]), np.vstack([front, front[:1]])])
    return Mesh.merge([_fan(front, face), _fan(rear[::-1], back), grid_mesh(rim, back, smooth=False)])


def disc_outline(radius_m: float, sides: int = 20, turn_rad: float = 0.0) -> FloatArray:
    """A regular polygon (sides, 2), counter-clockwise."""
    angle = turn_rad + np.arange(sides) * 2 * np.pi / sides
    return radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def rectangle_outline(width_m: float, height_m: float, corner_m: float = 0.0) -> FloatArray:
    """A rectangle around the origin with rounded corners (n, 2), counter-clockwise."""
    half = np.array([width_m, height_m]) / 2
    if corner_m <= 0:
        return half * np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=np.float64)
    arc = np.linspace(0, np.pi / 2, 4)
    quarter = corner_m * np.stack([np.cos(arc), np.sin(arc)], axis=1)
    corners = []
    for turn, sign in ((0, (1, 1)), (1, (-1, 1)), (2, (-1, -1)), (3, (1, -1))):
        c, s = np.cos(turn * np.pi / 2), np.sin(turn * np.pi / 2)
        corners.append(quarter @ np.array([[c, s], [-s, c]]) + np.array(sign) * (half - corner_m))
    return np.concatenate(corners)


def bar(start: ArrayLike, end: ArrayLike, width_m: float, depth_m: float, material: int) -> Mesh:
    """A beam of rectangular section between two points; `width` lies level across it, `depth` upright."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    length = float(np.linalg.norm(b - a))
    forward = (b - a) / length
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.99 else np.array([1.0, 0.0, 0.0])
    side = np.cross(up, forward)
    side /= np.linalg.norm(side)
    T = np.eye(4)
    T[:3, :3] = np.column_stack([forward, side, np.cross(forward, side)])
    T[:3, 3] = (a + b) / 2
    return box((length, width_m, depth_m), material).transformed(T)


def mirrored(mesh: Mesh) -> Mesh:
    """The part on the other side of the body: y turned round."""
    return mesh.transformed(np.diag([1.0, -1.0, 1.0, 1.0]))


def _fan(points: FloatArray, material: int) -> Mesh:
    """Triangles from the middle of a polygon (n, 3), seen counter-clockwise."""
    following = np.roll(points, -1, axis=0)
    middle = np.broadcast_to(points.mean(axis=0), points.shape)
    corners = np.stack([middle, points, following], axis=1)
    keep = np.linalg.norm(following - points, axis=1) > 1e-9
    return Mesh.create(corners[keep], material)
