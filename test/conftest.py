"""Settings of all tests, small recordings made on the fly, and where the real sequences are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import settings
from rosbags.rosbag2 import StoragePlugin, Writer

from i2p_calib_ros.frames.bag_file import typestore
from i2p_calib_ros.geometry import se3

# The same examples every time, and no deadline: how long one takes depends on what else the machine does.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")

WIDTH, HEIGHT = 64, 48
K = [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0]
PERIOD_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINTS = "sensor_msgs/msg/PointCloud2"
TF = "tf2_msgs/msg/TFMessage"


def message(type_: str, **fields: Any) -> Any:
    return typestore().types[type_](**fields)


def header(stamp_ns: int, frame_id: str) -> Any:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    stamp = message("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return message("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def image(stamp_ns: int, *, frame_id: str = "cam", fill: int = 0, width: int = WIDTH, **changes: Any) -> Any:
    fields = {
        "height": HEIGHT,
        "width": width,
        "encoding": "rgb8",
        "is_bigendian": 0,
        "step": 3 * width,
        "data": np.full(HEIGHT * width * 3, fill, np.uint8),
    }
    return message(IMAGE, header=header(stamp_ns, frame_id), **(fields | changes))


def compressed(stamp_ns: int, data: bytes, *, format: str = "jpeg", frame_id: str = "cam") -> Any:
    return message(COMPRESSED, header=header(stamp_ns, frame_id), format=format, data=np.frombuffer(data, np.uint8))


def camera_info(stamp_ns: int, *, frame_id: str = "cam", **changes: Any) -> Any:
    roi = message("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    fields = {
        "height": HEIGHT,
        "width": WIDTH,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": np.array(K),
        "r": np.eye(3).reshape(-1),
        "p": np.hstack([np.array(K).reshape(3, 3), np.zeros((3, 1))]).reshape(-1),
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }
    return message(CAMERA_INFO, header=header(stamp_ns, frame_id), **(fields | changes))


def cloud(stamp_ns: int, xyz: np.ndarray | None = None, *, frame_id: str = "lidar") -> Any:
    if xyz is None:
        xyz = np.random.default_rng(stamp_ns % 1000).uniform(1, 20, (300, 3))
    points = np.ascontiguousarray(xyz, "<f4")
    fields = [
        message("sensor_msgs/msg/PointField", name=name, offset=4 * column, datatype=7, count=1)
        for column, name in enumerate("xyz")
    ]
    return message(
        POINTS,
        header=header(stamp_ns, frame_id),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(points),
        data=points.reshape(-1).view(np.uint8),
        is_dense=True,
    )


def transform(parent: str, child: str, xyz: Any = (0, 0, 0), xyzw: Any = (0, 0, 0, 1)) -> Any:
    x, y, z = map(float, xyz)
    qx, qy, qz, qw = map(float, xyzw)
    return message(
        "geometry_msgs/msg/TransformStamped",
        header=header(START_NS, parent),
        child_frame_id=child,
        transform=message(
            "geometry_msgs/msg/Transform",
            translation=message("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=message("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        ),
    )


def tf(*transforms: Any) -> Any:
    return message(TF, transforms=list(transforms))


class Recording:
    """Messages to be written to a bag: `add` one at a time, or `drive` for a plain recording of pairs."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, int, Any]] = []

    def add(self, topic: str, content: Any, received_ns: int | None = None, *, type_: str = "") -> Recording:
        """`content` is a message, or bytes to be taken for a message of `type_`."""
        if received_ns is None:
            stamp = content.header.stamp
            received_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self.entries.append((topic, type_ or content.__msgtype__, received_ns, content))
        return self

    def drive(self, frames: int = 3, *, camera: str = "/cam", points: str = "/points") -> Recording:
        for index in range(frames):
            stamp_ns = START_NS + index * PERIOD_NS
            self.add(f"{camera}/camera_info", camera_info(stamp_ns))
            self.add(f"{camera}/image_raw", image(stamp_ns, fill=index % 256))
            self.add(points, cloud(stamp_ns + 1_000_000))
        return self

    def static(self, *transforms: Any) -> Recording:
        return self.add("/tf_static", tf(*transforms), START_NS)

    def without(self, topic: str) -> Recording:
        self.entries = [entry for entry in self.entries if entry[0] != topic]
        return self

    def write(self, directory: Path, storage: str = "mcap", silent: dict[str, str] | None = None) -> Path:
        """Write a rosbag2 directory; `silent` are topics (name -> type) without messages."""
        plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
        with Writer(directory, version=9, storage_plugin=plugin) as bag:
            connections = {}
            for name, type_ in (silent or {}).items():
                connections[name] = bag.add_connection(name, type_, typestore=typestore())
            for topic, type_, received_ns, content in self.entries:
                if topic not in connections:
                    connections[topic] = bag.add_connection(topic, type_, typestore=typestore())
                raw = content if isinstance(content, bytes) else typestore().serialize_cdr(content, type_)
                bag.write(connections[topic], received_ns, raw)
        return directory


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The makers of messages, for tests (this folder cannot be imported)."""
    return SimpleNamespace(
        image=image,
        compressed=compressed,
        camera_info=camera_info,
        cloud=cloud,
        transform=transform,
        tf=tf,
        message=message,
        header=header,
        start_ns=START_NS,
        period_ns=PERIOD_NS,
        width=WIDTH,
        height=HEIGHT,
    )


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real sequences: $I2P_DATA, else ../shared/data beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("I2P_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real sequences at {folder}; set I2P_DATA")
    return folder


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one sequence, `boxes`, of two frames: coloured boxes over a road."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "boxes"
    (folder / "image").mkdir(parents=True)
    (folder / "lidar").mkdir()
    K = np.array([[200.0, 0, 159.5], [0, 200.0, 99.5], [0, 0, 1]])
    R = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    T_camera_lidar = np.eye(4)
    T_camera_lidar[:3, :3], T_camera_lidar[:3, 3] = R, [0.1, -0.2, -0.3]
    rng = np.random.default_rng(0)
    for name in ("000000", "000001"):
        image = np.full((200, 320, 3), 200, np.uint8)
        image[100:] = 90
        clouds = [
            np.column_stack([rng.uniform(3, 40, 6000), rng.uniform(-15, 15, 6000), np.full(6000, -1.7)])
        ]
        for _ in range(6):
            centre = np.array([rng.uniform(6, 25), rng.uniform(-6, 6), -0.9])
            box = centre + np.column_stack([np.zeros(400), rng.uniform(-0.8, 0.8, (400, 2))])
            pixels = se3.transform_points(T_camera_lidar, box) @ K.T
            pixels = (pixels[:, :2] / pixels[:, 2:]).round().astype(int)
            corner, far = pixels.min(axis=0).clip(0), pixels.max(axis=0).clip(0)
            image[corner[1] : far[1], corner[0] : far[0]] = rng.integers(0, 255, 3)
            clouds.append(box)
        cv2.imwrite(str(folder / "image" / f"{name}.jpg"), image)
        xyz = np.concatenate(clouds)
        np.savez(
            folder / "lidar" / f"{name}.npz",
            xyz=(xyz / 0.005).astype(np.int16),
            intensity=rng.integers(0, 255, len(xyz), dtype=np.uint8),
        )
    (folder / "sequence.json").write_text(
        json.dumps(
            {
                "name": "boxes",
                "K": K.tolist(),
                "D": [0.0] * 5,
                "distortion_model": "plumb_bob",
                "image_size": [320, 200],
                "T_camera_lidar": T_camera_lidar.tolist(),
                "frames": ["000000", "000001"],
                "cloud_dir": "lidar",
                "cloud_unit_m": 0.005,
            }
        )
    )
    return root
