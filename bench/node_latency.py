"""What the node costs: overhead from a pair to TF beyond the inference, CPU idle and at 10 Hz, growth of its memory.

    python bench/node_latency.py RECORDING [--minutes 10]

RECORDING is a rosbag2 with camera, camera info, point cloud and tf, as `i2p-calib convert` writes. It is played in a
loop to a node in a process of its own (publish_mode continuous, so that every keyframe changes TF).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from i2p_calib_ros.ros.environment import process_environment

os.environ.update(process_environment())  # before the first participant of this process is made

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image

from i2p_calib_ros.frames.bag_writer import CAMERA_INFO_TOPIC, IMAGE_TOPIC, POINTS_TOPIC

IDLE_S = 20.0
PHASE_S = 60.0
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Watcher(Node):
    """Keeps the latest values of the node's diagnostics; looks at the overlay on demand."""

    def __init__(self) -> None:
        super().__init__("bench")
        self.values: dict[str, str] = {}
        self.overlays = 0
        self.create_subscription(DiagnosticArray, "/diagnostics", self._take, 10)

    def look(self) -> None:
        """Subscribe to the overlay from now on."""
        self.create_subscription(Image, "/i2p_calib/overlay", self._count, 1)

    def wait_for(self, key: str) -> None:
        """Until the diagnostics have this value."""
        while key not in self.values:
            rclpy.spin_once(self, timeout_sec=1.0)

    def spin_for(self, seconds: float) -> None:
        """Receive for so long."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left_s)

    def _take(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.values |= {item.key: item.value for item in status.values}

    def _count(self, _: Image) -> None:
        self.overlays += 1


class Usage:
    """CPU and memory of a process, from /proc."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S

    def memory_mb(self) -> float:
        """Resident memory; during an inference up to some 150 MB more than between two."""
        return int((self._folder / "statm").read_text().split()[1]) * _PAGE_MB

    def peak_memory_mb(self) -> float:
        """The most resident memory so far."""
        status = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the replay")
    parser.add_argument("--model", default="vpp_real")
    arguments = parser.parse_args()

    rclpy.init()
    watcher = Watcher()
    topics = (("image", IMAGE_TOPIC), ("camera_info", CAMERA_INFO_TOPIC), ("points", POINTS_TOPIC))
    with tempfile.TemporaryDirectory() as folder:
        parameters = {"publish_mode": "continuous", "state_dir": folder, "model": arguments.model}
        node = subprocess.Popen(
            [sys.executable, "-m", "i2p_calib_ros.ros.node", "--ros-args"]
            + [item for name, value in parameters.items() for item in ("-p", f"{name}:={value}")]
            + [item for name, topic in topics for item in ("-r", f"{name}:={topic}")]
        )
        usage = Usage(node.pid)
        watcher.wait_for("state")

        def cpu_percent(seconds: float) -> float:
            before_s = usage.cpu_s()
            watcher.spin_for(seconds)
            return 100 * (usage.cpu_s() - before_s) / seconds

        def memory_between_inferences_mb() -> float:
            samples_mb = []
            for _ in range(50):
                watcher.spin_for(0.1)
                samples_mb.append(usage.memory_mb())
            return min(samples_mb)

        rows = [("CPU idle", f"{cpu_percent(IDLE_S):.1f} % of a core")]
        player = subprocess.Popen(
            [sys.executable, "-m", "i2p_calib_ros.ros.player", str(arguments.recording), "--loop"],
            stderr=subprocess.DEVNULL,
        )
        watcher.wait_for("keyframes")
        started_s = time.monotonic()
        rows.append(("CPU at 10 Hz", f"{cpu_percent(PHASE_S):.0f} % of a core"))
        memory_after_1_min = memory_between_inferences_mb()
        rows += _latencies(watcher, "")
        watcher.look()
        rows.append(("CPU at 10 Hz with overlay", f"{cpu_percent(PHASE_S):.0f} % of a core"))
        rows.append(("overlays", f"{watcher.overlays / PHASE_S:.1f} Hz"))
        watcher.spin_for(60 * arguments.minutes - (time.monotonic() - started_s))
        rows += _latencies(watcher, " with overlay")
        rows += [(key, watcher.values[key]) for key in ("engine", "pairs", "frames used", "keyframes")]
        rows += [
            ("memory after 1 min", f"{memory_after_1_min:.0f} MB"),
            (f"memory after {arguments.minutes:g} min", f"{memory_between_inferences_mb():.0f} MB"),
            ("most memory", f"{usage.peak_memory_mb():.0f} MB"),
        ]
        for process in (player, node):
            process.send_signal(signal.SIGINT)
            process.wait()
    rclpy.try_shutdown()
    for name, value in rows:
        print(f"{name:58s} {value}")


def _latencies(watcher: Watcher, suffix: str) -> list[tuple[str, str]]:
    return [(f"{key}{suffix}", value) for key, value in watcher.values.items() if key.endswith("p50 / p95")]


if __name__ == "__main__":
    main()
