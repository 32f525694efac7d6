"""Environment variables for ROS processes that exchange images and point clouds. Imports nothing of ROS."""

from __future__ import annotations

from i2p_calib_ros.share import share_file


def process_environment() -> dict[str, str]:
    """What to set, before the process starts, for the node as well as for whatever publishes to it.

    The Fast DDS profile gives megabyte messages a shared memory that holds them; its variable has had two names.
    """
    profile = str(share_file("config/fastdds.xml"))
    return {
        "FASTDDS_DEFAULT_PROFILES_FILE": profile,
        "FASTRTPS_DEFAULT_PROFILES_FILE": profile,
    }
