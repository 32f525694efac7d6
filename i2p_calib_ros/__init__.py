"""Targetless camera-LiDAR extrinsic calibration while driving, with a covariance and a verdict."""

import os

__version__ = "0.1.0"

# Our matrices are 6x6. OpenBLAS would put all cores on them, and their spinning slows PyTorch's threads by a quarter.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
