"""What the node says of itself: counters, latencies, present faults and the state, as plain statuses.

Nothing here needs ROS; `conversions.diagnostic_array` makes the message.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from i2p_calib_ros.geometry import se3
from i2p_calib_ros.ros.session import Snapshot
from i2p_calib_ros.ros.state import State

KEPT_LATENCIES = 256
_TOP_REASONS = 5


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


STATE_LEVELS: dict[State, Level] = {
    "waiting": Level.WARN,
    "calibrating": Level.OK,
    "converged": Level.OK,
    "inconclusive": Level.WARN,
    "decalibrated": Level.ERROR,
}


@dataclass(frozen=True)
class Status:
    """One entry of /diagnostics."""

    name: str
    level: Level
    message: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """Something is wrong now: what, and what to do about it."""

    text: str
    level: Level = Level.ERROR


@dataclass(frozen=True)
class Latency:
    """Times of one keyframe, seconds: waiting for the keyframe before it, estimating, and everything else from the
    reception of the pair to the published extrinsic."""

    waiting_s: float
    inference_s: float
    overhead_s: float


class Health:
    """Counters, latencies and faults, written by several threads.

    A fault belongs to a stage of the work; it is present from `report` to `clear` of that stage.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: dict[str, Fault] = {}
        self._counts: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._latencies: deque[Latency] = deque(maxlen=KEPT_LATENCIES)
        self._offsets_s: deque[float] = deque(maxlen=KEPT_LATENCIES)

    def count(self, what: str) -> None:
        """One more of `what`."""
        with self._lock:
            self._counts[what] += 1

    def reject(self, reason: str) -> None:
        """One more pair that could not be used."""
        with self._lock:
            self._rejected[reason] += 1

    def paired(self, offset_s: float) -> None:
        """One more pair; `offset_s` is the stamp of the image less that of the cloud."""
        with self._lock:
            self._counts["pairs"] += 1
            self._offsets_s.append(offset_s)

    def timed(self, latency: Latency) -> None:
        """One more keyframe was published."""
        with self._lock:
            self._latencies.append(latency)

    def report(self, stage: str, text: str, level: Level = Level.ERROR) -> bool:
        """A stage does not work. True when that is news."""
        with self._lock:
            known = self._faults.get(stage)
            self._faults[stage] = Fault(text, level)
            return known is None or known.text != text

    def clear(self, *stages: str) -> None:
        """These stages work."""
        with self._lock:
            for stage in stages:
                self._faults.pop(stage, None)

    def inputs_status(self, topics: dict[str, str], found: list[Fault], dropped: int) -> Status:
        """What comes in: present faults, `found` ones first; `topics` describes each topic in words."""
        with self._lock:
            faults = [*found, *self._faults.values()]
            offsets_ms = 1e3 * np.abs(np.array(self._offsets_s))
            values = {
                **topics,
                **{name: str(count) for name, count in sorted(self._counts.items())},
                "pairs dropped for newer ones": str(dropped),
                "stamp offset in a pair, p50 / p95": _percentiles(offsets_ms, "ms"),
                **{f"rejected: {reason}": str(count) for reason, count in self._rejected.most_common(_TOP_REASONS)},
            }
        level = max((fault.level for fault in faults), default=Level.OK)
        return Status("inputs", level, "; ".join(fault.text for fault in faults) or "receiving pairs", values)

    def performance_status(self, engine: str) -> Status:
        """Latencies of the last keyframes."""
        with self._lock:
            times_ms = 1e3 * np.array([(t.waiting_s, t.inference_s, t.overhead_s) for t in self._latencies])
        columns = times_ms.reshape(-1, 3).T
        names = ("waiting for a free network", "inference", "overhead from pair to published")
        values = {f"{name}, p50 / p95": _percentiles(column, "ms") for name, column in zip(names, columns)}
        return Status("performance", Level.OK, f"{len(times_ms)} latest keyframes", {"engine": engine, **values})


def calibration_status(snapshot: Snapshot, paused: bool) -> Status:
    """State, reason, and the numbers a person asks for first."""
    values = {"state": snapshot.state, "paused": str(paused).lower()}
    if snapshot.last_restart is not None:
        values["last restart"] = snapshot.last_restart
    estimate, initial = snapshot.estimate, snapshot.initial
    if estimate is not None and initial is not None:
        sigma = np.sqrt(np.diag(estimate.covariance))
        off = se3.pose_error(estimate.T_mean, initial.T_camera_lidar)
        values |= {
            "keyframes used": str(estimate.keyframes_used),
            "keyframes that disagree": str(estimate.keyframes_gated),
            "variance widened by disagreement": f"{estimate.disagreement:.1f} times",
            "sigma x y z [cm]": _numbers(100 * sigma[:3]),
            "sigma rx ry rz [deg]": _numbers(np.rad2deg(sigma[3:])),
            "image delay": f"{estimate.image_delay}{', mend the stamps' if estimate.image_delay.certain else ''}",
            "correction [deg]": f"{off.rotation_deg:.2f}",
            "correction [cm]": f"{100 * off.translation_m:.1f}",
        }
    message = f"{snapshot.state}{' (paused)' if paused else ''}: {snapshot.reason}"
    return Status("calibration", STATE_LEVELS[snapshot.state], message, values)


def _percentiles(values: np.ndarray, unit: str) -> str:
    if not len(values):
        return "none yet"
    p50, p95 = np.percentile(values, [50, 95])
    return f"{p50:.1f} / {p95:.1f} {unit}"


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.2f}" for value in values)
