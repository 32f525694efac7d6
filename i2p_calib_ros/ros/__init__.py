"""The ROS 2 node and its tools; the only package that imports rclpy or a ROS message."""
