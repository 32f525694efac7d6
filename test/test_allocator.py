"""What the allocator's setting is for: large blocks that are made again do not fault their pages in again."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from i2p_calib_ros.allocator import keep_freed_memory

def page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_freed_memory()
before = page_faults()
for _ in range(20):
    b"x" * 2**26
print(page_faults() - before)
"""


def page_faults(setting: str) -> int:
    command = [sys.executable, "-c", SCRIPT, setting]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_large_blocks_that_are_made_again_do_not_fault_their_pages_in_again() -> None:
    assert page_faults("keep") < 0.2 * page_faults("leave")
