"""Two processes, started by ourselves and by torchrun, share gradients and a clock."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from i2p_calib_ros.training.process_group import ProcessGroup, run_processes


def work(out: Path, group: ProcessGroup) -> None:
    model = torch.nn.Linear(2, 1)
    model.weight.grad = torch.full((1, 2), float(group.rank))  # the bias has none
    group.average_gradients(model)
    seconds, stopped = group.of_first(10.0 + group.rank)
    torch.save([model.weight.grad, model.bias.grad, seconds, stopped], out / f"{group.rank}.pt")


@pytest.mark.parametrize("launcher", [(), ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")])
def test_processes_share_gradients_and_the_clock(launcher, tmp_path):
    subprocess.run([sys.executable, *launcher, __file__, str(tmp_path)], check=True, timeout=120)
    for rank in (0, 1):
        weight_grad, bias_grad, seconds, stopped = torch.load(tmp_path / f"{rank}.pt")
        assert weight_grad.tolist() == [[0.5, 0.5]] and bias_grad.tolist() == [0.0]
        assert (seconds, stopped) == (10.0, False)
    assert not (tmp_path / "rendezvous").exists()


if __name__ == "__main__":
    results = Path(sys.argv[1])
    run_processes(partial(work, results), 2, results / "rendezvous")
