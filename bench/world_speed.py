"""Frames a second that one core makes of the synthetic world: place, image and cloud, and the files.

    python bench/world_speed.py [--drives 8] [--frames 15] [--size 640x192] [--lidar HDL-64E]

Times are processor times of one thread, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np

from i2p_calib_ros.frames.world.drive import SyntheticDrive
from i2p_calib_ros.frames.world.lidar.patterns import PATTERNS
from i2p_calib_ros.frames.world.lidar.sweep import random_lidar
from i2p_calib_ros.frames.world.world_files import write_drive_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drives", type=int, default=8)
    parser.add_argument("--frames", type=int, default=15, help="frames of one place")
    parser.add_argument("--size", default="640x192")
    parser.add_argument("--lidar", default="HDL-64E", choices=list(PATTERNS))
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    cv2.setNumThreads(1)

    seconds: dict[str, list[float]] = defaultdict(list)

    def timed(what: str, started: float) -> None:
        seconds[what].append(time.process_time() - started)

    for seed in range(arguments.drives):
        started = time.process_time()
        drive = SyntheticDrive(seed, arguments.frames, rate_hz=10 / 3, size=(width, height))
        drive.tracer.trace(np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]]))  # the first ray builds the hierarchy
        timed("place", started)
        drive.rig = replace(drive.rig, lidar=random_lidar(np.random.default_rng(seed), PATTERNS[arguments.lidar]))
        if seed == 0:
            drive.load(0)  # textures are made once a process
        for index in range(arguments.frames):
            rng = np.random.default_rng(index)
            started = time.process_time()
            drive.picture(index / drive.rate_hz, rng)
            timed("image", started)
            started = time.process_time()
            drive.sweep(index / drive.rate_hz, rng)
            timed("cloud", started)
        with tempfile.TemporaryDirectory() as folder:
            started = time.process_time()
            frames = write_drive_folder(drive, Path(folder) / "drive")
            seconds["a frame with its files"].append((time.process_time() - started) / max(frames, 1))
        print(f"{drive.name}: {len(drive.place.static)} triangles, {len(drive.place.actors)} actors", flush=True)

    print(f"\n{platform.processor() or platform.machine()}, {arguments.size}, {arguments.lidar}, one thread")
    for what, values in seconds.items():
        print(f"{what:24s} {1e3 * np.median(values):7.0f} ms p50 {1e3 * np.percentile(values, 95):7.0f} ms p95")
    place, image, cloud, whole = (np.mean(seconds[key]) for key in seconds)
    print(f"in memory                {1 / (image + cloud + place / arguments.frames):7.2f} frames/s a core")
    print(f"to disk                  {1 / (whole + place / arguments.frames):7.2f} frames/s a core")


if __name__ == "__main__":
    main()
