"""The trainer: one single-threaded process a core, averaged gradients, a time budget, and a checkpoint to go on from.

The learning rate follows the share of the time budget that is spent, over all runs of one checkpoint: a training that
is stopped and resumed ends where an uninterrupted one would.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from i2p_calib_ros.engines.model_file import load_model
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.sequence import SequenceFolder, iter_sequences
from i2p_calib_ros.network.inputs import TooFewPoints
from i2p_calib_ros.training.objective import CalibrationModel, sample_loss
from i2p_calib_ros.training.optimizer import MatrixOptimizer
from i2p_calib_ros.training.samples import make_sample
from i2p_calib_ros.training.settings import TrainingSettings

_LEAST_VISIBLE = 32
_LOG_EVERY = 25


class FramePool:
    """Random frames of the training sequences, from each folder equally often.

    In a folder, sequences are drawn by the cube root of their length: many frames of one drive are worth less than a
    new scene.
    """

    def __init__(self, data: Sequence[Path], hold_out: tuple[str, ...]) -> None:
        self.sequences: list[SequenceFolder] = []
        shares = []
        for folder in data:
            found = [s for s in iter_sequences(folder) if not s.name.startswith(hold_out)]
            if not found:
                raise CalibrationInputError(
                    f"no training sequence under {folder}: expected folders with a sequence.json"
                )
            weight = np.cbrt([len(s) for s in found])
            shares.append(weight / weight.sum() / len(data))
            self.sequences += found
        self._share = np.concatenate(shares)

    def draw(self, rng: np.random.Generator) -> tuple[SequenceFolder, Frame]:
        while True:
            sequence = self.sequences[int(rng.choice(len(self.sequences), p=self._share))]
            try:
                return sequence, sequence.load(int(rng.integers(len(sequence))))
            except FrameRejected:
                continue


def train(settings: TrainingSettings) -> Path:
    """Run (or go on with) the training in `settings.run_dir`; returns the checkpoint's path."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    if settings.processes == 1:
        _worker(0, settings, None)
    else:
        store = settings.run_dir / f"rendezvous_{os.getpid()}"
        mp.spawn(_worker, args=(settings, store), nprocs=settings.processes)
        store.unlink(missing_ok=True)
    return settings.run_dir / "checkpoint.pt"


def _worker(rank: int, settings: TrainingSettings, store: Path | None) -> None:
    torch.set_num_threads(1)
    if store is not None:
        dist.init_process_group(
            "gloo", init_method=f"file://{store.resolve()}", rank=rank, world_size=settings.processes
        )
    _Trainer(rank, settings).run()
    if store is not None:
        dist.barrier()
        dist.destroy_process_group()


class _Trainer:
    """One process of a training run: its model, its random frames, and the state that a checkpoint keeps."""

    def __init__(self, rank: int, settings: TrainingSettings) -> None:
        torch.manual_seed(settings.seed)
        self.rank = rank
        self.settings = settings
        self.model = CalibrationModel(settings.network, settings.effective_points)
        self.optimizer = MatrixOptimizer(self.model, settings.learning_rate, settings.weight_decay)
        if settings.start_from is not None:
            _start_from(settings.start_from, self.model)
        self.state = _resume(settings, self.model, self.optimizer)
        self.rng = np.random.default_rng([settings.seed, rank, self.state["steps"]])
        self.generator = torch.Generator().manual_seed(int(self.rng.integers(2**62)))
        self.pool = FramePool(settings.data, settings.hold_out)
        self.means: dict[str, float] = {}
        self.parent = os.getppid()
        self.stopped = False

    def run(self) -> None:
        """Step until the time budget is spent; the first process logs, shows progress and saves."""
        budget_s = self.settings.hours * 3600.0
        columns = (TextColumn("[bold]train"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        last_save = time.monotonic()
        with Progress(*columns, disable=self.rank != 0) as progress:
            bar = progress.add_task("starting", total=budget_s, completed=self.state["seconds"])
            while self.state["seconds"] < budget_s and not self.stopped:
                self._step(self.state["seconds"] / budget_s)
                if self.rank != 0:
                    continue
                if self.state["steps"] % _LOG_EVERY == 0:
                    progress.update(bar, completed=self.state["seconds"], description=self._log())
                if time.monotonic() - last_save > self.settings.checkpoint_every_s:
                    _save(self.settings, self.model, self.optimizer, self.state)
                    last_save = time.monotonic()
        if self.rank == 0:
            _save(self.settings, self.model, self.optimizer, self.state)

    def _step(self, done: float) -> None:
        """One update; `done` is the share of the time budget that is spent."""
        settings = self.settings
        started = time.monotonic()
        samples = max(1, settings.samples_per_step // settings.processes)
        for _ in range(samples):
            self._backward_one(with_pose=done >= settings.pose_loss_from, divide_by=samples)
        _average_gradients(self.model, settings.processes)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step(settings.learning_rate * _schedule(done, self.state["steps"]))
        self.state["steps"] += 1
        self.state["samples"] += samples * settings.processes
        seconds = self.state["seconds"] + time.monotonic() - started
        # A training that is stopped must not go on in processes without a parent.
        orphaned = settings.processes > 1 and os.getppid() != self.parent
        self.state["seconds"], self.stopped = _shared(seconds, orphaned, settings.processes)

    def _backward_one(self, with_pose: bool, divide_by: int) -> None:
        """Add the gradient of one usable sample."""
        sampling = self.settings.network.model_copy(update={"query_points": self.settings.query_points})
        while True:
            sequence, frame = self.pool.draw(self.rng)
            try:
                sample = make_sample(frame, sequence.initial_extrinsic(), sampling, self.rng)
            except TooFewPoints:
                continue
            if int(sample.visible.sum()) < _LEAST_VISIBLE:
                continue
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


def _average_gradients(model: torch.nn.Module, processes: int) -> None:
    if processes == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= processes
    for p, part in zip(model.parameters(), flat.split([g.numel() for g in gradients]), strict=True):
        p.grad = part.view_as(p)


def _shared(seconds: float, stopped: bool, processes: int) -> tuple[float, bool]:
    """The first process's clock and whether it stops: every process must leave the loop at the same step."""
    if processes == 1:
        return seconds, stopped
    state = torch.tensor([seconds, float(stopped)], dtype=torch.float64)
    dist.broadcast(state, 0)
    return float(state[0]), bool(state[1])


def _start_from(name_or_path: str, model: CalibrationModel) -> None:
    loaded = load_model(name_or_path)
    parameters = model.network.state_dict()
    known = {k: v for k, v in loaded.network.state_dict().items() if k in parameters and v.shape == parameters[k].shape}
    if not known:
        raise CalibrationInputError(f"no part of the network of model '{name_or_path}' fits the one to be trained")
    model.network.load_state_dict(known, strict=False)
    with torch.no_grad():
        model.log_effective_points.fill_(math.log(loaded.card.likelihood.effective_points))


def _resume(
    settings: TrainingSettings, model: torch.nn.Module, optimizer: MatrixOptimizer
) -> dict[str, Any]:
    path = settings.run_dir / "checkpoint.pt"
    if not path.is_file():
        return {"steps": 0, "samples": 0, "seconds": 0.0}
    checkpoint = torch.load(path, weights_only=True)
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
