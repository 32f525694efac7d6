"""Targetless camera-LiDAR extrinsic calibration while driving, with a covariance and a verdict."""

import os

__version__ = "0.1.0"

# Our matrices are 6x6. OpenBLAS would put all cores on them, and their spinning slows PyTorch's threads by a quarter.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# PyTorch and oneDNN keep compiled kernels for 1024 shapes of matrix products. Those of sparse voxels never come back,
# so that memory would grow by 15 MB a frame up to two gigabytes; 64 keep what does come back, at the same speed.
os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

# PyTorch's threads spin for 10 ms whenever they wait for work. Where other programs want the cores (drivers,
# perception) a keyframe then takes twice as long; 3 ms are enough for the gaps within a network.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "50000")
