"""Calibrate one camera against one LiDAR. Only the topics must be given:

    ros2 launch i2p_calib_ros calibrate.launch.py image:=/camera/image_raw points:=/lidar/points
"""

from __future__ import annotations

import os

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from i2p_calib_ros.frames.topics import camera_info_beside
from i2p_calib_ros.ros.environment import process_environment

CONFIG = get_package_share_path("i2p_calib_ros") / "config"
FROM_FILE = "empty: as in params_file"

ARGUMENTS = [
    DeclareLaunchArgument("image", description="image topic, raw or .../compressed"),
    DeclareLaunchArgument("points", description="point cloud topic"),
    DeclareLaunchArgument("camera_info", default_value="", description="empty: camera_info beside the image topic"),
    DeclareLaunchArgument(
        "initial",
        default_value="",
        description=f"initial extrinsic: 'tf', or an extrinsic file such as `i2p-calib replay` writes; {FROM_FILE}",
    ),
    DeclareLaunchArgument(
        "publish_mode",
        default_value="",
        description=f"monitor (never touches TF), accepted (only what the check accepts), continuous; {FROM_FILE}",
    ),
    DeclareLaunchArgument("model", default_value="", description=f"model name or path of its .yaml; {FROM_FILE}"),
    DeclareLaunchArgument("device", default_value="", description=f"auto, cpu or cuda; {FROM_FILE}"),
    DeclareLaunchArgument(
        "params_file", default_value=str(CONFIG / "i2p_calib.yaml"), description="values of all other parameters"
    ),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
    DeclareLaunchArgument("use_sim_time", default_value="false", description="take the time from /clock"),
    DeclareLaunchArgument(
        "autostart", default_value="true", description="configure and activate; false: a lifecycle manager does"
    ),
    DeclareLaunchArgument("rviz", default_value="false", description="show overlay, cloud and frames in RViz"),
    DeclareLaunchArgument("fixed_frame", default_value="base_link", description="for RViz: any frame of the vehicle"),
]


def start_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node, with the arguments that were given laid over the parameter file."""

    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    parameters: dict[str, str | bool] = {
        "use_sim_time": given("use_sim_time").lower() == "true",
        "autostart": given("autostart").lower() == "true",
    }
    parameters |= {name: given(name) for name in ("publish_mode", "model", "device") if given(name)}
    if given("initial") == "tf":
        parameters["initial.source"] = "tf"
    elif given("initial"):
        parameters |= {"initial.source": "file", "initial.file": os.path.abspath(given("initial"))}
    node = LifecycleNode(
        package="i2p_calib_ros",
        executable="i2p_calib_node",
        name="i2p_calib",
        namespace=given("namespace"),
        parameters=[given("params_file"), parameters],
        remappings=[
            ("image", given("image")),
            ("points", given("points")),
            ("camera_info", given("camera_info") or camera_info_beside(given("image"))),
        ],
        output="screen",
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    """Environment, node and, if asked for, RViz."""
    environment = [
        SetEnvironmentVariable(name, value)
        for name, value in process_environment().items()
        if name not in os.environ
    ]
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(CONFIG / "i2p_calib.rviz"), "-f", LaunchConfiguration("fixed_frame")],
        parameters=[{"use_sim_time": LaunchConfiguration("use_sim_time")}],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*ARGUMENTS, *environment, OpaqueFunction(function=start_node), rviz])
