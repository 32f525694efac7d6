"""Targetless camera-LiDAR extrinsic calibration while driving, with a covariance and a verdict."""

import os

__version__ = "0.1.0"

# Our matrices are 6x6. OpenBLAS would put all cores on them, and their spinning slows PyTorch's threads by a quarter.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# PyTorch and oneDNN keep compiled kernels for 1024 shapes of matrix products. Those of sparse voxels never come back,
# so that memory would grow by 15 MB a frame up to two gigabytes; 64 keep what does come back, at the same speed.
os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
