"""Time of one keyframe in steady state: matching, posterior and fusion, p50 and p95 on this machine.

    python bench/time_per_frame.py SEQUENCE_FOLDER [--frames 40] [--threads 2] [--model vpp_real]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import defaultdict
from pathlib import Path

import i2p_calib_ros  # noqa: F401  before NumPy and PyTorch: it sets how their threads behave

# isort: split

import numpy as np
import torch

from i2p_calib_ros.allocator import keep_freed_memory
from i2p_calib_ros.calibrator import FrameMatcher
from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.fusion.temporal import FusionSettings, TemporalFusion
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.posterior.prior import PosePrior


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequence", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--model", default="vpp_real")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()

    engine = TorchEngine(load_model(arguments.model))
    sequence = SequenceFolder(arguments.sequence)
    matcher = FrameMatcher(engine, sequence.camera)
    T_start = se3.perturb(sequence.initial_extrinsic(), [1.0, -1.0, 1.0], [0.05, 0.05, -0.05])
    prior = PosePrior.from_spread(T_start, 1.0, 0.06)
    fusion = TemporalFusion(prior)
    seconds: dict[str, list[float]] = defaultdict(list)
    warm_up = FusionSettings().window  # a full window costs the most
    for index in range(-warm_up, arguments.frames):
        frame = sequence.load(index % len(sequence))
        started = time.perf_counter()
        matcher.match(frame, prior)
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
        matched = time.perf_counter()
        estimate = matcher.estimate(frame, prior, prior, quick=True)
        estimated = time.perf_counter()
        fusion.update(float(index), estimate.likelihood, estimate.posterior)
        fused = time.perf_counter()
        if index >= 0:
            seconds["match"].append(matched - started)
            seconds["posterior"].append(estimate.seconds - (matched - started))
            seconds["fusion"].append(fused - estimated)
            seconds["total"].append(estimate.seconds + fused - estimated)
    device = f"{engine.description}, {platform.processor() or platform.machine()}"
    print(f"{device}, {arguments.frames} frames of {sequence.name}")
    for name, values in seconds.items():
        p50, p95 = 1e3 * np.percentile(values, [50, 95])
        print(f"{name:10s} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")


if __name__ == "__main__":
    main()
