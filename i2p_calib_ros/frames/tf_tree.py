"""Transforms between frames, composed from tf messages (duck-typed tf2_msgs/TFMessage)."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry import se3


class TransformTree:
    """The latest transform of every (parent, child) pair that was added."""

    def __init__(self) -> None:
        self._neighbours: dict[str, dict[str, NDArray[np.float64]]] = {}
        """frame -> other frame -> T_frame_other."""
        self.ignored: list[str] = []
        """Why some transforms were left out, in words."""

    def add(self, message: Any) -> None:
        """Add every transform of a TFMessage; one that is not a rigid transform is left out and noted."""
        for stamped in message.transforms:
            parent, child = normalise(stamped.header.frame_id), normalise(stamped.child_frame_id)
            translation, rotation = stamped.transform.translation, stamped.transform.rotation
            xyz = np.array([translation.x, translation.y, translation.z], np.float64)
            xyzw = np.array([rotation.x, rotation.y, rotation.z, rotation.w], np.float64)
            if not np.isfinite(xyz).all() or not abs(np.linalg.norm(xyzw) - 1) < 0.01:
                self.ignored.append(f"{parent} -> {child}: translation {xyz}, quaternion {xyzw}")
                continue
            T_parent_child = se3.from_quaternion(xyz, xyzw / np.linalg.norm(xyzw))
            self._neighbours.setdefault(parent, {})[child] = T_parent_child
            self._neighbours.setdefault(child, {})[parent] = se3.inverse(T_parent_child)

    def connected(self, target: str, source: str) -> bool:
        """Whether a chain of transforms leads from one frame to the other."""
        return self._path(normalise(target), normalise(source)) is not None

    def lookup(self, target: str, source: str) -> NDArray[np.float64]:
        """T_target_source (4, 4), mapping points of the source frame to the target frame.

        Raises `CalibrationInputError` naming both frames and what tf has, when no chain connects them.
        """
        target, source = normalise(target), normalise(source)
        path = self._path(target, source)
        if path is None:
            raise CalibrationInputError(self._not_connected(target, source))
        T = np.eye(4)
        for frame, following in itertools.pairwise(path):
            T = T @ self._neighbours[frame][following]
        return T

    def _path(self, start: str, goal: str) -> list[str] | None:
        """Frames of the shortest chain, ends included."""
        if start == goal:
            return [start]
        came_from: dict[str, str] = {start: start}
        queue = deque([start])
        while queue:
            frame = queue.popleft()
            for neighbour in self._neighbours.get(frame, {}):
                if neighbour in came_from:
                    continue
                came_from[neighbour] = frame
                if neighbour == goal:
                    path = [goal]
                    while path[-1] != start:
                        path.append(came_from[path[-1]])
                    return path[::-1]
                queue.append(neighbour)
        return None

    def _not_connected(self, target: str, source: str) -> str:
        what = f"tf does not connect the camera frame '{target}' with the LiDAR frame '{source}'"
        if not self._neighbours:
            what += ": there are no transforms on /tf or /tf_static"
        for frame, role in ((target, "camera"), (source, "LiDAR")):
            if self._neighbours and frame not in self._neighbours:
                what += f"; the {role} frame '{frame}' is not in tf"
        if self._neighbours:
            what += f"; tf has {', '.join(sorted(self._neighbours))}"
        if self.ignored:
            what += f"; not rigid, left out: {'; '.join(self.ignored[:3])}"
        return (
            f"{what}. Give the extrinsic (replay --initial FILE, convert --truth FILE), or record /tf_static with a "
            "chain between these frames."
        )


def normalise(frame_id: str) -> str:
    """tf2 frame names have no leading slash; older drivers write one."""
    return frame_id.strip().lstrip("/")
