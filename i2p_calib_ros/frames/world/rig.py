"""Rigs: which camera and which LiDAR are mounted where on which vehicle.

Body frame: x forward, y left, z up, origin on the ground below the middle of the vehicle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from i2p_calib_ros.frames.world.lidar.patterns import PATTERNS, RosettePattern, ScanPattern, SpinningPattern
from i2p_calib_ros.frames.world.lidar.sweep import Lidar, random_lidar
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera

FloatArray = NDArray[np.float64]

R_BODY_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a camera that looks forward: x right, y down, z forward in terms of x forward, y left, z up."""


@dataclass(frozen=True)
class Vehicle:
    """Where sensors may sit. roof_m: height of the roof; bonnet_m: height of what lies before the cabin; length_m,
    width_m, cabin_m: whole vehicle and the length of its cabin; mast_m: how far a LiDAR stands above the roof."""

    roof_m: tuple[float, float]
    bonnet_m: float
    length_m: float
    width_m: float
    cabin_m: float
    mast_m: tuple[float, float]


VEHICLES = {
    "car": Vehicle((1.4, 1.7), 0.95, 4.4, 1.8, 2.4, (0.12, 0.45)),
    "van": Vehicle((1.9, 2.4), 1.1, 5.0, 1.95, 3.8, (0.1, 0.4)),
    "truck": Vehicle((2.6, 3.2), 2.6, 2.6, 2.4, 2.4, (0.1, 0.6)),
    "robot": Vehicle((0.25, 0.9), 0.2, 0.8, 0.55, 0.5, (0.05, 0.45)),
}


@dataclass(frozen=True, eq=False)
class Rig:
    """T_body_camera, T_body_lidar (4, 4): mounts; own_boxes (n, 2, 3): least and greatest corner in the body frame of
    the parts of the vehicle that block the LiDAR.

    The LiDAR's stamp is the moment its beam passes the heading of the camera; the camera takes its image
    `time_offset_s` later. `compensated`: the driver brings the points to that moment, knowing how the vehicle moves.
    """

    vehicle: str
    camera: Camera
    lidar: Lidar
    T_body_camera: FloatArray
    T_body_lidar: FloatArray
    own_boxes: FloatArray
    time_offset_s: float = 0.0
    compensated: bool = True

    @property
    def T_camera_lidar(self) -> FloatArray:
        """The extrinsic (4, 4)."""
        return se3.inverse(self.T_body_camera) @ self.T_body_lidar

    @property
    def sweep_before_stamp_s(self) -> float:
        """Time from the start of the sweep to the moment it passes the heading of the camera."""
        pattern = self.lidar.pattern
        if not isinstance(pattern, SpinningPattern):
            return 0.5 / pattern.rate_hz
        heading = se3.inverse(self.T_camera_lidar)[:3, 2]
        return float((np.pi - np.arctan2(heading[1], heading[0])) / (2 * np.pi * pattern.rate_hz))

    def ahead(self, directions: NDArray[np.float32], sector_deg: float) -> NDArray[np.bool_]:
        """Which directions (..., 3) from the LiDAR lie at most this far left or right of the camera's heading."""
        heading = se3.inverse(self.T_camera_lidar)[:2, 2]
        forward = directions[..., :2] @ (heading / np.linalg.norm(heading)).astype(np.float32)
        level = np.hypot(directions[..., 0], directions[..., 1])
        ahead: NDArray[np.bool_] = forward >= np.float32(np.cos(np.deg2rad(sector_deg)) - 1e-6) * level
        return ahead

    def sees(self, directions: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which directions (..., 3) from the LiDAR, in its frame, are not blocked by the vehicle."""
        towards = np.moveaxis(directions @ self.T_body_lidar[:3, :3].T.astype(np.float32), -1, 0)
        with np.errstate(divide="ignore"):
            per_metre = 1 / np.ascontiguousarray(towards)
        free = np.ones(directions.shape[:-1], dtype=bool)
        for low, high in (self.own_boxes - self.T_body_lidar[:3, 3]).astype(np.float32):
            enter, leave = np.float32(0.0), np.float32(np.inf)  # slabs of x, y and z that a ray from the LiDAR crosses
            for axis in range(3):
                to_low, to_high = low[axis] * per_metre[axis], high[axis] * per_metre[axis]
                enter = np.maximum(enter, np.minimum(to_low, to_high))
                leave = np.minimum(leave, np.maximum(to_low, to_high))
            free &= enter > leave
        return free


def random_rig(
    rng: np.random.Generator, slow: bool = False, size: tuple[int, int] | None = None, lidar: str | None = None
) -> Rig:
    """A rig as one may meet it. `slow`: on a small robot; `size`: width and height of the images; `lidar`: one of
    PATTERNS; both random if None."""
    kind = "robot" if slow else str(rng.choice(list(VEHICLES), p=[0.5, 0.2, 0.2, 0.1]))
    vehicle = VEHICLES[kind]
    roof_m = rng.uniform(*vehicle.roof_m)
    heading_deg = _camera_heading_deg(rng)
    T_body_camera = _mount_camera(rng, vehicle, roof_m, heading_deg)
    drawn = _random_pattern(rng)
    pattern = drawn if lidar is None else PATTERNS[lidar]
    synchronised = rng.random() < 0.7
    return Rig(
        kind,
        random_camera(rng, size),
        random_lidar(rng, pattern),
        T_body_camera,
        _mount_lidar(rng, vehicle, roof_m, heading_deg, pattern),
        _own_boxes(vehicle, roof_m),
        time_offset_s=0.0 if synchronised else float(np.clip(rng.normal(0, 0.005), -0.015, 0.015)),
        compensated=bool(rng.random() < 0.85),
    )


def random_camera(rng: np.random.Generator, size: tuple[int, int] | None = None) -> Camera:
    """Intrinsics of any model of the package, from a narrow lens to a fisheye; `size` width and height in pixels."""
    width, height = size or _random_size(rng)
    model = str(rng.choice(["plumb_bob", "rational_polynomial", "equidistant"], p=[0.65, 0.1, 0.25]))
    centre = np.array([width - 1, height - 1]) / 2 + rng.normal(0, 0.015, 2) * width
    while True:
        field_deg = rng.uniform(70, 160) if model == "equidistant" else rng.uniform(38, 100)
        D = _random_distortion(rng, model)
        unit = Camera(model, np.eye(3), D, 1, 1)
        focal = width / 2 / unit.project([np.tan(np.deg2rad(field_deg / 2)), 0.0, 1.0])[0][0]
        if not focal > 0:  # NaN: the lens folds before the edge of the image
            continue
        K = np.array([[focal, 0, centre[0]], [0, focal * rng.normal(1, 0.002), centre[1]], [0, 0, 1]])
        camera = Camera(model, K, D, width, height)
        if _reaches_corners(camera):
            return camera


def _random_size(rng: np.random.Generator) -> tuple[int, int]:
    aspect = rng.choice([10 / 3, 2.4, 2.0, 16 / 9, 16 / 10, 3 / 2, 4 / 3, 5 / 4])
    pixels = rng.uniform(110_000, 240_000)
    return 8 * round(np.sqrt(pixels * aspect) / 8), 8 * round(np.sqrt(pixels / aspect) / 8)


def _random_distortion(rng: np.random.Generator, model: str) -> FloatArray:
    if model == "equidistant":
        return rng.normal(0, [0.03, 0.012, 0.004, 0.001])
    tangential = rng.normal(0, 4e-4, 2)
    if model == "rational_polynomial":
        k1 = rng.uniform(0.0, 0.6)
        k2, k4, k5 = rng.normal(0, 0.01), k1 + rng.uniform(0.0, 0.35), rng.uniform(0.0, 0.05)
        return np.array([k1, k2, *tangential, 0.0, k4, k5, 0.0])
    if rng.random() < 0.4:  # rectified images
        return np.zeros(5)
    k1 = rng.uniform(-0.35, 0.05)
    return np.array([k1, 0.9 * k1**2 + rng.normal(0, 0.02), *tangential, 0.0])


def _reaches_corners(camera: Camera) -> bool:
    """Whether some direction in front of the camera falls on every corner of the image, with a margin."""
    corners = np.array([[-0.5, -0.5], [camera.width, -0.5], [-0.5, camera.height], [camera.width, camera.height]])
    radius_px = np.linalg.norm(corners - camera.K[:2, 2], axis=1).max()
    angle = np.deg2rad(np.linspace(1, 89, 177))
    pixels, valid = camera.project(np.column_stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)]))
    reached_px = np.abs(pixels[valid] - camera.K[:2, 2]).max(initial=0.0)
    return bool(reached_px > 1.05 * radius_px)


def _camera_heading_deg(rng: np.random.Generator) -> float:
    """Front, front sides, sides and rear, as surround rigs have them."""
    sector = rng.choice(["front", "front side", "side", "rear"], p=[0.55, 0.15, 0.15, 0.15])
    centre, spread = {"front": (0, 4), "front side": (55, 10), "side": (95, 12), "rear": (180, 8)}[str(sector)]
    return float(rng.choice([-1, 1]) * (centre + rng.normal(0, spread)))


def _mount_camera(rng: np.random.Generator, vehicle: Vehicle, roof_m: float, heading_deg: float) -> FloatArray:
    """At the edge of the cabin that lies in the direction of the heading, from windscreen height to above the roof."""
    xy = _to_edge_of_roof(vehicle, np.zeros(2), heading_deg) * rng.uniform(0.3, 1.0)
    xy += rng.normal(0, 0.15, 2) * vehicle.width_m / 1.8
    z = roof_m * rng.uniform(0.8, 1.0) + rng.uniform(0, vehicle.mast_m[1]) * rng.integers(0, 2)
    T = np.eye(4)
    angles_deg = [heading_deg + rng.normal(0, 1.5), rng.normal(2, 4), rng.normal(0, 1.2)]
    T[:3, :3] = Rotation.from_euler("ZYX", angles_deg, degrees=True).as_matrix() @ R_BODY_OPTICAL
    T[:3, 3] = *xy, z
    return T


def _mount_lidar(
    rng: np.random.Generator, vehicle: Vehicle, roof_m: float, heading_deg: float, pattern: ScanPattern
) -> FloatArray:
    """On a mast that lets it look down over the edge of the roof; what looks one way looks where the camera does."""
    sideways = rng.choice([0.0, 90.0, 180.0, -90.0], p=[0.8, 0.07, 0.06, 0.07])
    yaw_deg = heading_deg if isinstance(pattern, RosettePattern) else sideways
    tilted = rng.normal(0, 6) if rng.random() < 0.1 else rng.normal(0, 1)
    T = np.eye(4)
    angles_deg = [yaw_deg + rng.normal(0, 2), tilted, rng.normal(0, 1)]
    T[:3, :3] = Rotation.from_euler("ZYX", angles_deg, degrees=True).as_matrix()
    xy = rng.uniform([-0.3, -0.4], [0.5, 0.4]) * [vehicle.cabin_m, vehicle.width_m * (rng.random() < 0.2)]
    over_edge_m = np.tan(np.deg2rad(rng.uniform(12, 24))) * np.linalg.norm(_to_edge_of_roof(vehicle, xy, heading_deg))
    T[:3, 3] = *xy, roof_m + max(rng.uniform(*vehicle.mast_m), over_edge_m)
    return T


def _to_edge_of_roof(vehicle: Vehicle, xy: FloatArray, heading_deg: float) -> FloatArray:
    """The way (2,) from a place on the roof to its edge in the direction of a heading."""
    turn = np.deg2rad(heading_deg)
    direction = np.array([np.cos(turn), np.sin(turn)])
    half = np.array([vehicle.cabin_m, vehicle.width_m]) / 2
    free = np.maximum(half - np.sign(direction) * xy, 0.0)
    return direction * np.min(free / np.maximum(np.abs(direction), 1e-9))


def _random_pattern(rng: np.random.Generator) -> ScanPattern:
    """64 and 128 beams most often: a network learns more from dense clouds, and training thins them anyway."""
    share = {"HDL-64E": 5, "Pandar64": 4, "OS1-128": 4, "OS1-64": 3, "HDL-32E": 3, "VLP-16": 2, "Mid-40": 1}
    weight = np.array(list(share.values()), dtype=np.float64)
    return PATTERNS[str(rng.choice(list(share), p=weight / weight.sum()))]


def _own_boxes(vehicle: Vehicle, roof_m: float) -> FloatArray:
    def box(length_m: float, height_m: float) -> FloatArray:
        half = np.array([length_m, vehicle.width_m]) / 2
        return np.array([[*-half, 0.2], [*half, height_m]])

    return np.stack([box(vehicle.cabin_m, roof_m), box(vehicle.length_m, min(vehicle.bonnet_m, roof_m))])
