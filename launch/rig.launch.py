"""Calibrate several cameras at once, one node each, in a namespace of the camera's name:

    ros2 launch i2p_calib_ros rig.launch.py rig:=rig.yaml
"""

from __future__ import annotations

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource

from i2p_calib_ros.ros.rig import read_rig

SHARE = get_package_share_path("i2p_calib_ros")


def start_cameras(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """calibrate.launch.py for every camera, each in a scope of its own so that no argument leaks into the next."""
    calibrate = PythonLaunchDescriptionSource(str(SHARE / "launch" / "calibrate.launch.py"))
    return [
        GroupAction([IncludeLaunchDescription(calibrate, launch_arguments=arguments.items())])
        for arguments in read_rig(context.launch_configurations["rig"])
    ]


def generate_launch_description() -> LaunchDescription:
    """One argument: the rig."""
    rig = DeclareLaunchArgument(
        "rig", description=f"cameras and their topics, as in {SHARE / 'config' / 'rig.example.yaml'}"
    )
    return LaunchDescription([rig, OpaqueFunction(function=start_cameras)])
