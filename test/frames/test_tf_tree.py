from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.tf_tree import TransformTree
from i2p_calib_ros.geometry import se3


def random_transforms(count: int, seed: int) -> np.ndarray:
    return se3.exp(np.random.default_rng(seed).uniform(-2, 2, (count, 6)))


def edge(make: SimpleNamespace, parent: str, child: str, T_parent_child: np.ndarray) -> object:
    return make.transform(parent, child, T_parent_child[:3, 3], se3.quaternion_xyzw(T_parent_child))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), up=st.integers(0, 4), down=st.integers(0, 4))
def test_a_chain_of_hops_up_and_down_is_composed(make: SimpleNamespace, seed: int, up: int, down: int):
    """lidar hangs `up` hops below the base, the camera `down` hops; messages in random order."""
    transforms = iter(random_transforms(up + down + 1, seed))
    edges, ends = [], []
    for side, hops in (("lidar", up), ("cam", down)):
        T_base_end, parent = np.eye(4), "base"
        for hop in range(hops):
            child = f"{side}_{hop}"
            T = next(transforms)
            edges.append(edge(make, parent, child, T))
            T_base_end, parent = T_base_end @ T, child
        ends.append((parent, T_base_end))
    edges.append(edge(make, "base", "somewhere_else", next(transforms)))
    np.random.default_rng(seed).shuffle(edges)

    tree = TransformTree()
    for one in edges:
        tree.add(make.tf(one))
    (lidar, T_base_lidar), (cam, T_base_cam) = ends
    np.testing.assert_allclose(tree.lookup(cam, lidar), np.linalg.inv(T_base_cam) @ T_base_lidar, atol=1e-9)


def test_the_direction_of_a_published_transform(make: SimpleNamespace):
    """tf maps points of the child to the parent: a camera 1 m ahead of the LiDAR sees it 1 m behind."""
    tree = TransformTree()
    tree.add(make.tf(make.transform("lidar", "cam", (1, 0, 0))))
    np.testing.assert_allclose(tree.lookup("cam", "lidar") @ [0, 0, 0, 1], [-1, 0, 0, 1])
    np.testing.assert_allclose(tree.lookup("lidar", "cam") @ [0, 0, 0, 1], [1, 0, 0, 1])


def test_the_latest_transform_of_a_pair_holds(make: SimpleNamespace):
    tree = TransformTree()
    tree.add(make.tf(make.transform("a", "b", (1, 0, 0))))
    tree.add(make.tf(make.transform("a", "b", (2, 0, 0))))
    assert tree.lookup("a", "b")[0, 3] == 2


def test_leading_slashes_do_not_matter(make: SimpleNamespace):
    tree = TransformTree()
    tree.add(make.tf(make.transform("/lidar", "cam", (1, 0, 0))))
    assert tree.lookup("/cam", "lidar")[0, 3] == -1
    assert tree.connected("cam", "/lidar")


def test_frames_that_are_not_connected_are_named(make: SimpleNamespace):
    tree = TransformTree()
    tree.add(make.tf(make.transform("base", "lidar"), make.transform("map", "odom")))
    assert not tree.connected("cam", "lidar")
    with pytest.raises(CalibrationInputError) as error:
        tree.lookup("cam", "lidar")
    for words in (
        "camera frame 'cam'",
        "LiDAR frame 'lidar'",
        "'cam' is not in tf",
        "base, lidar, map, odom",
    ):
        assert words in str(error.value)


def test_an_empty_tree_says_so():
    with pytest.raises(CalibrationInputError, match="no transforms on /tf or /tf_static"):
        TransformTree().lookup("cam", "lidar")


@pytest.mark.parametrize("xyzw", [(0, 0, 0, 0), (0, 0, 0, np.nan), (1, 1, 1, 1)])
def test_what_is_no_rotation_is_left_out_and_reported(make: SimpleNamespace, xyzw: tuple[float, ...]):
    tree = TransformTree()
    tree.add(make.tf(make.transform("lidar", "cam", xyzw=xyzw)))
    with pytest.raises(CalibrationInputError, match="not rigid, left out: lidar -> cam"):
        tree.lookup("cam", "lidar")
