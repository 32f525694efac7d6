"""The transform buffer answers as the real one does for time 0; run against it where it comes first on the path."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
from geometry_msgs.msg import TransformStamped
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from tf2_ros import Buffer, ConnectivityException, LookupException, TransformException

ME = "test"


def stamped(parent: str, child: str, xyz=(0.0, 0.0, 0.0), rpy_deg=(0.0, 0.0, 0.0), seconds=1) -> TransformStamped:
    transform = TransformStamped()
    transform.header.frame_id, transform.child_frame_id = parent, child
    transform.header.stamp = Time(seconds=seconds).to_msg()
    t, q = transform.transform.translation, transform.transform.rotation
    t.x, t.y, t.z = map(float, xyz)
    q.x, q.y, q.z, q.w = Rotation.from_euler("xyz", rpy_deg, degrees=True).as_quat().tolist()
    return transform


def matrix(transform: TransformStamped) -> np.ndarray:
    q, t = transform.transform.rotation, transform.transform.translation
    T = np.eye(4)
    T[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    T[:3, 3] = t.x, t.y, t.z
    return T


@pytest.fixture
def buffer() -> Buffer:
    """base -> lidar, base -> mast -> camera."""
    buffer = Buffer()
    buffer.set_transform_static(stamped("base", "lidar", (1, 0, 2), (0, 0, 90)), ME)
    buffer.set_transform_static(stamped("base", "mast", (0, 0, 1), (10, 20, 30)), ME)
    buffer.set_transform(stamped("mast", "camera", (0.1, 0.2, 0.3), (-90, 0, -90), seconds=5), ME)
    return buffer


def test_composes_along_the_tree_in_both_directions(buffer: Buffer) -> None:
    expected = np.linalg.inv(
        matrix(stamped("base", "mast", (0, 0, 1), (10, 20, 30)))
        @ matrix(stamped("mast", "camera", (0.1, 0.2, 0.3), (-90, 0, -90)))
    ) @ matrix(stamped("base", "lidar", (1, 0, 2), (0, 0, 90)))
    found = buffer.lookup_transform("camera", "lidar", Time())
    assert (found.header.frame_id, found.child_frame_id) == ("camera", "lidar")
    np.testing.assert_allclose(matrix(found), expected, atol=1e-12)
    back = buffer.lookup_transform("lidar", "camera", Time())
    np.testing.assert_allclose(matrix(back), np.linalg.inv(expected), atol=1e-12)
    np.testing.assert_allclose(matrix(buffer.lookup_transform("camera", "camera", Time())), np.eye(4), atol=1e-12)


def test_says_what_is_missing(buffer: Buffer) -> None:
    with pytest.raises(LookupException, match="radar"):
        buffer.lookup_transform("camera", "radar", Time())
    buffer.set_transform_static(stamped("trailer", "radar"), ME)
    with pytest.raises(ConnectivityException):
        buffer.lookup_transform("camera", "radar", Time())
    assert issubclass(LookupException, TransformException)


def test_older_messages_do_not_replace_newer_ones(buffer: Buffer) -> None:
    buffer.set_transform(stamped("mast", "camera", (7, 0, 0), seconds=4), ME)
    assert matrix(buffer.lookup_transform("mast", "camera", Time()))[0, 3] == pytest.approx(0.1)
    buffer.set_transform(stamped("mast", "camera", (8, 0, 0), seconds=6), ME)
    assert matrix(buffer.lookup_transform("mast", "camera", Time()))[0, 3] == pytest.approx(8.0)


def test_a_static_transform_can_be_sent_again_with_another_value(buffer: Buffer) -> None:
    buffer.set_transform_static(stamped("base", "lidar", (3, 0, 2)), ME)
    assert matrix(buffer.lookup_transform("base", "lidar", Time()))[0, 3] == pytest.approx(3.0)


def test_clear_forgets_only_what_moves(buffer: Buffer) -> None:
    buffer.clear()
    assert matrix(buffer.lookup_transform("base", "lidar", Time()))[0, 3] == pytest.approx(1.0)
    with pytest.raises(TransformException):
        buffer.lookup_transform("base", "camera", Time())


def test_names_the_parent_of_every_frame(buffer: Buffer) -> None:
    frames = yaml.safe_load(buffer.all_frames_as_yaml())
    assert {child: frame["parent"] for child, frame in frames.items()} == {
        "lidar": "base",
        "mast": "base",
        "camera": "mast",
    }
    assert not yaml.safe_load(Buffer().all_frames_as_yaml())
