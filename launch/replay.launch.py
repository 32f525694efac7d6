"""Play a bag into the node, as a validation or a demonstration; the topics are guessed where only one fits:

    ros2 launch i2p_calib_ros replay.launch.py bag:=drive.mcap rviz:=true
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetLaunchConfiguration,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from i2p_calib_ros.frames.bag import BagSource

CALIBRATE = get_package_share_path("i2p_calib_ros") / "launch" / "calibrate.launch.py"
TOPICS = ("image", "points", "camera_info")

ARGUMENTS = [
    DeclareLaunchArgument("bag", description="a rosbag2 directory, .mcap or .db3 file"),
    DeclareLaunchArgument("rate", default_value="1.0", description="how many times faster than recorded"),
    DeclareLaunchArgument("loop", default_value="false", description="start the bag again at its end"),
    DeclareLaunchArgument("image", default_value="", description="image topic; empty: the only one of the bag"),
    DeclareLaunchArgument("points", default_value="", description="point cloud topic; empty: the only one"),
    DeclareLaunchArgument("camera_info", default_value="", description="empty: camera_info beside the image topic"),
]


def prepare(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Find the topics, and play the bag; the player waits until the node listens, so that no message is missed."""
    given = context.launch_configurations
    bag = Path(given["bag"]).expanduser().absolute()
    source = BagSource(bag, **{f"{name}_topic": given[name] or None for name in TOPICS})
    topics = source.topics
    loop = ["--loop"] if given["loop"].lower() == "true" else []
    player = Node(
        package="i2p_calib_ros",
        executable="i2p_calib_player",
        arguments=[
            str(bag), "--clock", "--rate", given["rate"], "--wait-for", topics.image, topics.points, *loop
        ],
        output="screen",
    )
    return [
        *(SetLaunchConfiguration(name, getattr(topics, name)) for name in TOPICS),
        SetLaunchConfiguration("fixed_frame", given.get("fixed_frame", source.lidar_frame_id)),
        player,
    ]


def generate_launch_description() -> LaunchDescription:
    """The node of calibrate.launch.py, with all its arguments, on the time of the bag."""
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(CALIBRATE)),
        launch_arguments=[
            ("use_sim_time", "true"),
            *((name, LaunchConfiguration(name)) for name in (*TOPICS, "fixed_frame")),
        ],
    )
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=prepare), node])
