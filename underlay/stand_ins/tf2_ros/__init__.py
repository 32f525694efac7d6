"""Stand-in for ROS 2's tf2_ros: the transform buffer and its listener, as i2p_calib_ros uses them."""

from tf2_ros.buffer import Buffer
from tf2_ros.exceptions import ConnectivityException, LookupException, TransformException
from tf2_ros.transform_listener import TransformListener

__all__ = ["Buffer", "ConnectivityException", "LookupException", "TransformException", "TransformListener"]
