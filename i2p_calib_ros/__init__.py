"""Targetless camera-LiDAR extrinsic calibration while driving, with a covariance and a verdict."""

__version__ = "0.1.0"
