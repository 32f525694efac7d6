"""Time of one frame, stage by stage: p50 and p95 on this machine.

    python bench/time_per_frame.py SEQUENCE_FOLDER [--frames 40] [--threads 2] [--model vpp_real]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from i2p_calib_ros.calibrator import FrameMatcher, told_spread
from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.engines.torch_engine import TorchEngine
from i2p_calib_ros.frames.sequence import SequenceFolder
from i2p_calib_ros.fusion.temporal import TemporalFusion
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.network.inputs import prepare_inputs
from i2p_calib_ros.posterior.amis import sample_posterior
from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.prior import PosePrior


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequence", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--model", default="vpp_real")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    engine = TorchEngine(load_model(arguments.model))
    sequence = SequenceFolder(arguments.sequence)
    matcher = FrameMatcher(engine, sequence.camera)
    T_start = se3.perturb(sequence.initial_extrinsic(), [1.0, -1.0, 1.0], [0.05, 0.05, -0.05])
    prior = PosePrior.from_spread(T_start, 3.0, 0.12)
    fusion = TemporalFusion(prior)
    seconds: dict[str, list[float]] = defaultdict(list)
    for index in range(-3, arguments.frames):  # the first three warm up
        frame = sequence.load(index % len(sequence))
        marks = [time.perf_counter()]
        image = matcher.render(frame.image)
        xyz = se3.transform_points(T_start, frame.xyz)
        marks.append(time.perf_counter())
        inputs = prepare_inputs(
            image, xyz, frame.intensity, matcher.view, told_spread(prior), matcher.config, np.random.default_rng(0)
        )
        marks.append(time.perf_counter())
        field = engine.match_field(inputs, torch.from_numpy(frame.xyz[inputs.query_index.numpy()]))
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
        marks.append(time.perf_counter())
        likelihood = DenseLikelihood(field, engine.card.likelihood.effective_points)
        posterior = sample_posterior(likelihood.log_likelihood, prior)
        marks.append(time.perf_counter())
        fusion.update(float(index), likelihood, posterior)
        marks.append(time.perf_counter())
        if index >= 0:
            for name, elapsed in zip(("view", "prepare", "network", "posterior", "fusion"), np.diff(marks)):
                seconds[name].append(elapsed)
    seconds["total"] = np.sum(list(seconds.values()), axis=0).tolist()
    print(f"{engine.description}, {platform.processor() or platform.machine()}, {arguments.frames} frames of {sequence.name}")
    for name, values in seconds.items():
        p50, p95 = 1e3 * np.percentile(values, [50, 95])
        print(f"{name:10s} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")


if __name__ == "__main__":
    main()
