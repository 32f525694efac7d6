"""Keeps a camera-LiDAR extrinsic right while the vehicle drives."""

__version__ = "0.1.0"
