"""What is published in each mode, by hand, and after a restart; that pictures come while somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: `make ros`")

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from i2p_calib_ros.evaluation.extrinsic_file import read_extrinsic
from i2p_calib_ros.frames.image_msg import decode_compressed_image
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.conversions import image_array, stamp_ns

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope="module")
def node(observer: Any, start_node: Callable[..., Any], tiny_parameters: dict[str, Any], state_dir: Path) -> Any:
    started = start_node({**tiny_parameters, "state_dir": str(state_dir)})
    observer.says("calibration", "waiting")
    return started


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def active(node: Any, observer: Any, start_rig: Callable[..., Any]) -> Iterator[Any]:
    """The node, active, with a rig and without memory of earlier tests."""
    observer.tf_static.clear()
    observer.start_again(publish_mode="accepted", restore=False)
    yield start_rig()
    assert node.process.poll() is None, node.log.read_text()


def pose(message: PoseWithCovarianceStamped) -> np.ndarray:
    p, q = message.pose.pose.position, message.pose.pose.orientation
    return se3.from_quaternion([p.x, p.y, p.z], [q.x, q.y, q.z, q.w])


def differs_from(T: np.ndarray) -> Callable[[np.ndarray], bool]:
    return lambda other: not np.allclose(other, T, atol=1e-6)


def test_estimate_is_published_both_ways_with_its_covariance(active: Any, observer: Any, scene: Any) -> None:
    extrinsics = observer.listen(PoseWithCovarianceStamped, "/i2p_calib/extrinsic", LATCHED)
    corrections = observer.listen(PoseWithCovarianceStamped, "/i2p_calib/correction", LATCHED)
    extrinsic = extrinsics.wait(new=True)
    correction = corrections.wait(lambda message: stamp_ns(message) == stamp_ns(extrinsic))

    assert (extrinsic.header.frame_id, correction.header.frame_id) == ("lidar", "cam")
    np.testing.assert_allclose(pose(correction), scene[1] @ pose(extrinsic), atol=1e-9)
    covariance = np.array(extrinsic.pose.covariance).reshape(6, 6)
    assert np.linalg.eigvalsh(covariance).min() > 0
    A = se3.adjoint(scene[1])
    expected = A @ covariance @ A.T
    np.testing.assert_allclose(np.array(correction.pose.covariance).reshape(6, 6), expected, rtol=1e-6, atol=1e-12)


def test_continuous_mode_follows_the_estimate_and_monitor_mode_does_not_touch_tf(
    active: Any, observer: Any, scene: Any
) -> None:
    assert observer.set_parameter("publish_mode", "continuous").successful
    first = observer.calibrated(differs_from(scene[1]))
    observer.calibrated(differs_from(first))

    observer.transition("deactivate", "cleanup")
    assert observer.set_parameter("publish_mode", "monitor").successful
    observer.tf_static.clear()
    observer.transition("configure", "activate")
    observer.recovered()
    assert observer.tf_static.messages == []
    assert "monitor" in observer.trigger("accept").message


def test_moving_topic_is_sent_again_and_again(active: Any, observer: Any) -> None:
    moving = observer.listen(TFMessage, "/tf")
    observer.start_again(tf_topic="/tf")
    first = moving.wait()
    later = moving.wait(lambda message: stamp_ns(message.transforms[0]) > stamp_ns(first.transforms[0]))

    assert later.transforms[0].child_frame_id == "cam_calibrated"
    active.image_on = False
    observer.says("inputs", "nothing on /image")
    moving.wait(new=True)
    observer.start_again(tf_topic="/tf_static")


def test_services_accept_save_and_reset(active: Any, observer: Any, scene: Any, state_dir: Path) -> None:
    extrinsics = observer.listen(PoseWithCovarianceStamped, "/i2p_calib/extrinsic", LATCHED)
    extrinsics.wait(new=True)
    assert observer.trigger("accept").success
    accepted = observer.calibrated(differs_from(scene[1]))
    observer.says("calibration", "converged: accepted by hand")
    kept = read_extrinsic(state_dir / "lidar__cam.accepted.yaml")
    np.testing.assert_allclose(kept.T_camera_lidar, accepted, atol=1e-6)

    answer = observer.trigger("save")
    assert answer.success
    path = Path(answer.message.split(" (")[0])
    assert path == state_dir / "lidar__cam.yaml"
    saved = read_extrinsic(path)
    assert saved.covariance is not None
    assert saved.provenance.model_name == "tiny"

    observer.tf_static.clear()
    assert observer.trigger("reset").success
    np.testing.assert_allclose(observer.calibrated(), scene[1], atol=1e-6)


def test_pictures_come_while_somebody_looks(active: Any, observer: Any) -> None:
    overlay = observer.listen(Image, "/i2p_calib/overlay", 1).wait()
    compressed = observer.listen(CompressedImage, "/i2p_calib/overlay/compressed", 1).wait()
    cloud = observer.listen(PointCloud2, "/i2p_calib/points_colored", 1).wait()
    markers = observer.listen(MarkerArray, "/i2p_calib/markers", 1).wait()

    picture = image_array(overlay)
    assert picture.shape[1] == 320
    assert picture.std() > 10
    assert decode_compressed_image(compressed)[0].shape == picture.shape
    assert cloud.header.frame_id == "lidar"
    assert cloud.width > 100
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "rgb"]
    assert {marker.header.frame_id for marker in markers.markers} == {"lidar"}
    assert len({marker.id for marker in markers.markers}) == len(markers.markers) >= 3
