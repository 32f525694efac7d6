"""Whatever sensors and drivers do wrong: the node says so in its diagnostics, goes on, and recovers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed: `make ros`")

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.conversions import colored_cloud_message, header, image_message, transform_message

ERROR = b"\x02"


@pytest.fixture(scope="module")
def node(observer: Any, start_node: Callable[..., Any], tiny_parameters: dict[str, Any]) -> Any:
    """One node for all faults: none may harm it for the next."""
    started = start_node(tiny_parameters)
    observer.status("calibration", lambda status: "waiting" in status.message, new=False)
    return started


@pytest.fixture
def active(node: Any, observer: Any) -> Any:
    """The node, active and without memory of earlier tests."""
    observer.start_again()
    yield node
    assert node.process.poll() is None, node.log.read_text()


@pytest.fixture
def static_tf(observer: Any) -> Callable[[TransformStamped], None]:
    """Publish one latched transform, as another node would."""
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publishers = []

    def publish(transform: TransformStamped) -> None:
        publishers.append(observer.node.create_publisher(TFMessage, "/tf_static", latched))
        publishers[-1].publish(TFMessage(transforms=[transform]))

    yield publish
    for publisher in publishers:
        observer.node.destroy_publisher(publisher)


def values(status: Any) -> dict[str, str]:
    return {item.key: item.value for item in status.values}


def test_no_camera_info(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig(lambda rig: setattr(rig, "camera_info_on", False))
    status = observer.says("inputs", "no camera info on /camera_info", "1 publisher")
    assert status.level == ERROR

    rig.camera_info_on = True
    observer.recovered()


def test_camera_info_that_came_once_latched(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    observer.transition("deactivate")
    start_rig(latched=True)
    observer.transition("activate")

    observer.recovered()


def test_uncalibrated_camera_info(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig(lambda rig: setattr(rig.camera_info, "k", np.zeros(9)))
    observer.says("inputs", "/camera_info", "calibrate it")

    rig.camera_info.k = np.array([200.0, 0, 159.5, 0, 200.0, 99.5, 0, 0, 1])
    observer.recovered()


@pytest.mark.parametrize("reliability", ["best_effort", "reliable"])
def test_publishers_of_both_kinds_are_heard(
    active: Any, observer: Any, start_rig: Callable[..., Any], reliability: str
) -> None:
    start_rig(reliability=reliability)

    observer.recovered()


def test_subscription_that_cannot_hear_its_publisher_says_what_the_publisher_offers(
    active: Any, observer: Any, start_rig: Callable[..., Any]
) -> None:
    observer.start_again(reliability="reliable")
    start_rig(reliability="best_effort")
    observer.says("inputs", "nothing on /image", "sensor_msgs/msg/Image, best_effort")

    observer.start_again(reliability="best_effort")
    observer.recovered()


def test_frames_of_the_same_name(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig(lambda rig: setattr(rig.cloud.header, "frame_id", "cam"))
    observer.says("inputs", "images are in frame 'cam' and point clouds in frame 'cam'")

    rig.cloud.header.frame_id = "lidar"
    observer.recovered()


def test_camera_info_of_another_frame(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig(lambda rig: setattr(rig.camera_info.header, "frame_id", "rear"))
    observer.says("inputs", "the camera info is of frame 'rear' but images of 'cam'")

    rig.camera_info.header.frame_id = "cam"
    observer.recovered()


def test_frames_that_tf_does_not_connect_until_it_does(
    active: Any,
    observer: Any,
    start_rig: Callable[..., Any],
    static_tf: Callable[[TransformStamped], None],
    scene: tuple[Any, np.ndarray],
) -> None:
    observer.start_again(initial__source="tf")
    start_rig()
    observer.says("calibration", "waiting: tf does not connect the camera frame 'cam' with the LiDAR frame 'lidar'")
    # The tree may be the other way round than the extrinsic is published: here the LiDAR hangs on the camera.
    T_camera_lidar = se3.perturb(scene[1], [1.0, 2.0, 3.0], [0.1, 0.0, 0.0])
    observer.tf_static.clear()
    static_tf(transform_message(T_camera_lidar, "lidar", header(0, "cam")))

    observer.recovered()
    np.testing.assert_allclose(observer.calibrated(), T_camera_lidar, atol=1e-6)
    observer.start_again(initial__source="parameters")


def test_child_frame_that_has_another_parent_is_not_published(
    active: Any, observer: Any, start_rig: Callable[..., Any], static_tf: Callable[[TransformStamped], None]
) -> None:
    observer.start_again(child_frame="cam_calibrated_elsewhere")
    static_tf(transform_message(np.eye(4), "cam_calibrated_elsewhere", header(0, "roof")))
    observer.tf_static.wait(lambda message: message.transforms[0].header.frame_id == "roof")
    start_rig()

    observer.says("inputs", "'cam_calibrated_elsewhere' already has the parent 'roof'", "child_frame")
    assert not any(
        transform.child_frame_id == "cam_calibrated_elsewhere" and transform.header.frame_id == "lidar"
        for message in observer.tf_static.messages
        for transform in message.transforms
    )
    observer.start_again(child_frame="")
    observer.recovered()


def test_stamps_that_are_minutes_apart(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig(lambda rig: setattr(rig, "cloud_delay_s", -180.0))
    observer.says("inputs", "no image has a point cloud within 0.05 s", "ahead of the latest cloud", "PTP")

    rig.cloud_delay_s = 0.0
    observer.recovered()


def test_stamps_that_go_back_while_the_queues_are_full(
    active: Any, observer: Any, start_rig: Callable[..., Any]
) -> None:
    rig = start_rig()
    observer.recovered()
    # Images without partners fill their queue, in which an older stamp would be the first to go.
    rig.cloud_on = False
    observer.says("inputs", "nothing on /points")
    rig.now_s -= 500.0
    rig.cloud_on = True

    status = observer.recovered()
    assert values(status)["jumps back in time of /image"] == "1"


def test_image_size_that_changes(
    active: Any, observer: Any, start_rig: Callable[..., Any], scene: tuple[Any, np.ndarray]
) -> None:
    rig = start_rig()
    observer.recovered()
    small = cv2.resize(scene[0].image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    rig.image = image_message(small, header(0, "cam"))
    observer.says("inputs", "image is 160x100 but the camera info says 320x200")
    rig.camera_info.width, rig.camera_info.height = 160, 100
    rig.camera_info.k = np.array([100.0, 0, 79.5, 0, 100.0, 49.5, 0, 0, 1])

    observer.recovered()
    status = observer.status("calibration", lambda status: "last restart" in values(status))
    assert values(status)["last restart"] == "the camera changed from 320x200 to 160x100: starting again"


@pytest.mark.parametrize("xyz", [np.full((500, 3), np.nan), np.zeros((0, 3))], ids=["NaN", "empty"])
def test_clouds_without_points(
    active: Any, observer: Any, start_rig: Callable[..., Any], xyz: np.ndarray, scene: tuple[Any, np.ndarray]
) -> None:
    rig = start_rig()
    good = rig.cloud
    rig.cloud = colored_cloud_message(xyz.astype(np.float32), np.zeros((len(xyz), 3), np.uint8), header(0, "lidar"))
    status = observer.says("inputs", "the latest pair was not used: empty point cloud")
    assert int(values(status)["rejected: empty point cloud"]) > 0

    rig.cloud = good
    observer.recovered()


def test_unknown_encoding(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig(lambda rig: setattr(rig.image, "encoding", "nv42"))
    status = observer.says("inputs", "image encoding 'nv42' is not supported")
    assert status.level == ERROR

    rig.image.encoding = "rgb8"
    observer.recovered()


def test_lidar_that_is_silent_for_ten_seconds(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig()
    observer.recovered()
    rig.cloud_on = False
    observer.says("inputs", "nothing on /points for 10 s (it has 1 publisher")

    rig.cloud_on = True
    observer.recovered()


def test_publisher_that_floods(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    def flood(rig: Any) -> None:
        rig.period_s = 0.02
        rig.stamp_step_s = 0.2  # every pair wants to be a keyframe

    start_rig(flood)
    observer.recovered()

    status = observer.status("inputs", lambda status: int(values(status)["pairs dropped for newer ones"]) > 20)
    assert status.message == "receiving pairs"


def test_pause_and_go_on(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    start_rig()
    observer.recovered()
    assert observer.pause(True).message == "paused"
    paused = observer.says("inputs", "paused")
    later = observer.status("inputs", lambda status: int(values(status)["pairs"]) > int(values(paused)["pairs"]) + 5)
    in_work_and_waiting = 2
    assert int(values(later)["frames used"]) <= int(values(paused)["frames used"]) + in_work_and_waiting

    observer.pause(False)
    observer.recovered()


def test_initial_extrinsic_is_what_tf_says_first(
    active: Any, observer: Any, start_rig: Callable[..., Any], scene: tuple[Any, np.ndarray]
) -> None:
    observer.tf_static.clear()
    start_rig()

    np.testing.assert_allclose(observer.calibrated(), scene[1], atol=1e-6)


def test_pair_that_comes_late_is_left_out(active: Any, observer: Any, start_rig: Callable[..., Any]) -> None:
    rig = start_rig()
    observer.recovered()
    rig.now_s -= 0.3

    status = observer.status("inputs", lambda status: "rejected: out of order" in values(status))
    assert int(values(status)["rejected: out of order"]) <= 4
    assert "jumps back in time of /image" not in values(status)
    observer.recovered()
