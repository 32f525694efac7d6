"""The trainer: averaged gradients of all processes, a time budget, and a checkpoint to go on from.

The learning rate follows the share of the time budget that is spent, over all runs of one checkpoint: a training that
is stopped and resumed ends where an uninterrupted one would.
"""

from __future__ import annotations

import json
import math
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.training.objective import CalibrationModel, sample_loss
from i2p_calib_ros.training.optimizer import MatrixOptimizer
from i2p_calib_ros.training.process_group import ProcessGroup, run_processes
from i2p_calib_ros.training.sample_stream import SampleStream
from i2p_calib_ros.training.settings import TrainingSettings

_LOG_EVERY = 25


def train(settings: TrainingSettings) -> Path:
    """Run (or go on with) the training in `settings.run_dir`; returns the checkpoint's path."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    run_processes(partial(_work, settings), settings.processes, settings.run_dir / f"rendezvous_{os.getpid()}")
    return settings.run_dir / "checkpoint.pt"


def _work(settings: TrainingSettings, group: ProcessGroup) -> None:
    _Trainer(group, settings).run()


class _Trainer:
    """One process of a training run: its model, its random samples, and the state that a checkpoint keeps."""

    def __init__(self, group: ProcessGroup, settings: TrainingSettings) -> None:
        torch.manual_seed(settings.seed)
        self.group = group
        self.settings = settings
        self.model = CalibrationModel(settings.network, settings.effective_points).to(group.device)
        self.optimizer = MatrixOptimizer(self.model, settings.learning_rate, settings.weight_decay)
        if settings.start_from is not None:
            _start_from(settings.start_from, self.model)
        self.state = _resume(settings, self.model, self.optimizer)
        seed = [settings.seed, group.rank, self.state["steps"]]
        workers = group.idle_cores if settings.data_workers is None else settings.data_workers
        self.samples = SampleStream(settings, seed).iterate(workers)
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(int(self.rng.integers(2**62)))
        self.means: dict[str, float] = {}
        self.stopped = False

    def run(self) -> None:
        """Step until the time budget is spent; the first process logs, shows progress and saves."""
        budget_s = self.settings.hours * 3600.0
        columns = (TextColumn("[bold]train"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        last_save = time.monotonic()
        with Progress(*columns, disable=self.group.rank != 0) as progress:
            bar = progress.add_task("starting", total=budget_s, completed=self.state["seconds"])
            while self.state["seconds"] < budget_s and not self.stopped:
                self._step(self.state["seconds"] / budget_s)
                if self.group.rank != 0:
                    continue
                if self.state["steps"] % _LOG_EVERY == 0:
                    progress.update(bar, completed=self.state["seconds"], description=self._log())
                if time.monotonic() - last_save > self.settings.checkpoint_every_s:
                    _save(self.settings, self.model, self.optimizer, self.state)
                    last_save = time.monotonic()
        if self.group.rank == 0:
            _save(self.settings, self.model, self.optimizer, self.state)

    def _step(self, done: float) -> None:
        """One update; `done` is the share of the time budget that is spent."""
        settings = self.settings
        started = time.monotonic()
        samples = max(1, settings.samples_per_step // self.group.size)
        for _ in range(samples):
            self._backward_one(with_pose=done >= settings.pose_loss_from, divide_by=samples)
        self.group.average_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step(settings.learning_rate * _schedule(done, self.state["steps"]))
        self.state["steps"] += 1
        self.state["samples"] += samples * self.group.size
        seconds = self.state["seconds"] + time.monotonic() - started
        self.state["seconds"], self.stopped = self.group.of_first(seconds)

    def _backward_one(self, with_pose: bool, divide_by: int) -> None:
        """Add the gradient of one usable sample."""
        for sample in self.samples:
            sample = sample.to(self.group.device)
            loss, terms = sample_loss(self.model, sample, self.settings, with_pose, self.generator, self.rng)
            if bool(torch.isfinite(loss)):
                break
        (loss / divide_by).backward()
        for name, value in terms.items():
            self.means[name] = 0.99 * self.means.get(name, value) + 0.01 * value

    def _log(self) -> str:
        """Append a line to the log; the same as a text for the progress bar."""
        effective_points = math.exp(self.model.log_effective_points.item())
        record = {**self.state, "effective_points": effective_points, **self.means}
        with (self.settings.run_dir / "log.jsonl").open("a") as log:
            log.write(json.dumps(record) + "\n")
        return f"{self.state['samples']} samples  " + "  ".join(f"{k} {v:.3f}" for k, v in self.means.items())


def _schedule(done: float, steps: int) -> float:
    warm_up = min(1.0, (steps + 1) / 100)
    return warm_up * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0))))


def _start_from(name_or_path: str, model: CalibrationModel) -> None:
    loaded = load_model(name_or_path)
    parameters = model.network.state_dict()
    known = {k: v for k, v in loaded.network.state_dict().items() if k in parameters and v.shape == parameters[k].shape}
    if not known:
        raise CalibrationInputError(f"no part of the network of model '{name_or_path}' fits the one to be trained")
    model.network.load_state_dict(known, strict=False)
    likelihood = loaded.card.likelihood
    with torch.no_grad():
        model.log_effective_points.fill_(math.log(likelihood.effective_points))
        if model.log_fine_effective_points is not None and likelihood.fine_effective_points is not None:
            model.log_fine_effective_points.fill_(math.log(likelihood.fine_effective_points))


def _resume(
    settings: TrainingSettings, model: torch.nn.Module, optimizer: MatrixOptimizer
) -> dict[str, Any]:
    path = settings.run_dir / "checkpoint.pt"
    if not path.is_file():
        return {"steps": 0, "samples": 0, "seconds": 0.0}
    checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    if checkpoint["network"] != settings.network.model_dump(mode="json"):
        raise CalibrationInputError(
            f"{path} was trained with another network configuration; give another --run folder or the same settings"
        )
    try:
        optimizer.load_state_dict(checkpoint["optimizer"])
    except (KeyError, ValueError) as error:
        raise CalibrationInputError(
            f"{path} was written by another version: export it, and begin a new run from that model with --start-from"
        ) from error
    model.load_state_dict(checkpoint["model"])
    state: dict[str, Any] = checkpoint["state"]
    return state


def _save(
    settings: TrainingSettings,
    model: torch.nn.Module,
    optimizer: MatrixOptimizer,
    state: dict[str, Any],
) -> None:
    path = settings.run_dir / "checkpoint.pt"
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "state": dict(state),
            "network": settings.network.model_dump(mode="json"),
            "hold_out": list(settings.hold_out),
        },
        partial,
    )
    partial.replace(path)
