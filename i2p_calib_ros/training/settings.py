"""What a training run does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from i2p_calib_ros.network.config import AnyNetworkConfig, NetworkConfig


@dataclass(frozen=True)
class TrainingSettings:
    """What a training run does.

    data: folders of sequences, drawn from equally often. Sequences whose name starts with one of `hold_out` are never
    read. start_from: a model whose weights a new run begins with, where the networks have the same parts. processes:
    one a GPU, or one a core, if None. data_workers: processes that make samples ahead, for each of those; if None, the
    cores are shared among the GPUs, and without GPUs there are none, as the cores are busy.
    """

    data: tuple[Path, ...]
    run_dir: Path
    hours: float
    hold_out: tuple[str, ...]
    start_from: str | None = None
    processes: int | None = None
    data_workers: int | None = None
    samples_per_step: int = 4
    learning_rate: float = 2.0e-3
    weight_decay: float = 0.01
    query_points: int = 640  # fewer than at run time: the similarity volume dominates the cost of a step
    pose_loss_from: float = 0.3  # share of the budget after which the pose loss sets in: matching comes first
    pose_weight: float = 0.12
    pixel_to_point_weight: float = 0.5
    overlap_weight: float = 0.2
    depth_weight: float = 0.1
    fine_weight: float = 0.5
    adaptive_weight: float = 0.1  # of the published network, as the next: its matching loss begins near 60
    solved_pose_weight: float = 0.02
    effective_points: float = 40.0
    seed: int = 1
    checkpoint_every_s: float = 240.0
    network: AnyNetworkConfig = field(default_factory=lambda: NetworkConfig())
