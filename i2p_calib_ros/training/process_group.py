"""The processes of a training: started by torchrun, or by us, one a core or one a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from i2p_calib_ros.allocator import keep_freed_memory


@dataclass(frozen=True)
class ProcessGroup:
    """What one process knows of all. parent: process that started it, without which it must not go on; or None."""

    rank: int
    size: int
    device: torch.device
    parent: int | None = None

    @property
    def idle_cores(self) -> int:
        """Cores for each process that do not train."""
        return 0 if self.device.type == "cpu" else max(1, _cores() // self.size - 1)

    def average_gradients(self, model: torch.nn.Module) -> None:
        """The mean of all processes' gradients, in each of them."""
        if self.size == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for p, part in zip(model.parameters(), flat.split([g.numel() for g in gradients]), strict=True):
            p.grad = part.view_as(p)

    def of_first(self, seconds: float) -> tuple[float, bool]:
        """The first process's clock, and whether it has to stop: all must leave the loop at the same step."""
        orphaned = self.parent is not None and os.getppid() != self.parent
        if self.size == 1:
            return seconds, orphaned
        state = torch.tensor([seconds, float(orphaned)], dtype=torch.float64, device=self.device)
        dist.broadcast(state, 0)
        return float(state[0]), bool(state[1])


def run_processes(work: Callable[[ProcessGroup], None], processes: int | None, rendezvous: Path) -> None:
    """Run `work` (picklable) in every process of a training.

    Under torchrun this process is one of them. Else `processes` are started, by default one a GPU, or one a core;
    they meet in the file `rendezvous`.
    """
    if dist.is_torchelastic_launched():
        _run(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), work, "env://", None)
        return
    size = processes or torch.cuda.device_count() or _cores()
    if size == 1:
        _run(0, 1, work, None, None)
        return
    rendezvous.unlink(missing_ok=True)
    mp.spawn(_run, args=(size, work, f"file://{rendezvous.resolve()}", os.getpid()), nprocs=size)
    rendezvous.unlink(missing_ok=True)


def _run(
    rank: int, size: int, work: Callable[[ProcessGroup], None], meet_at: str | None, parent: int | None
) -> None:
    keep_freed_memory()
    if torch.cuda.is_available():
        local_rank = int(os.environ.get("LOCAL_RANK", rank))
        device = torch.device("cuda", local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
        torch.set_num_threads(1)
    if meet_at is not None:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, init_method=meet_at, rank=rank, world_size=size)
    work(ProcessGroup(rank, size, device, parent))
    if meet_at is not None:
        dist.barrier()
        dist.destroy_process_group()


def _cores() -> int:
    return len(os.sched_getaffinity(0))
