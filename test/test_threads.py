"""What importing the package sets for PyTorch's threads: they soon leave the cores to others when they wait."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys, time
if sys.argv[1] == "package":
    import i2p_calib_ros
import torch

x = torch.ones(200, 2000)
x + x
started = time.process_time()
for _ in range(30):
    x + x
    time.sleep(0.02)
print(time.process_time() - started)
"""


def cpu_seconds(imports: str) -> float:
    """Processor time of 30 small parallel additions with a pause after each."""
    unset = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | {"OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", SCRIPT, imports]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs libgomp and two cores"
)
def test_waiting_threads_soon_leave_the_cores_to_others() -> None:
    assert cpu_seconds("package") < 0.6 * cpu_seconds("torch alone")
