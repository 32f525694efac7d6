"""The newest transform of every frame to its parent."""

from __future__ import annotations

import threading

import numpy as np
import yaml
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from numpy.typing import NDArray
from rclpy.time import Time
from scipy.spatial.transform import Rotation

from tf2_ros.exceptions import ConnectivityException, LookupException


class Buffer:
    """Transforms as a forest: every child frame has one parent, the one that was set last.

    The real buffer keeps ten seconds and interpolates; this one keeps the newest and answers only for time 0, which
    asks for that. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._static: dict[str, TransformStamped] = {}
        self._moving: dict[str, TransformStamped] = {}
        self._lock = threading.Lock()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Keep a transform of /tf, unless a newer one of its child frame is known."""
        child = transform.child_frame_id.lstrip("/")
        with self._lock:
            known = self._moving.get(child)
            if known is None or _stamp(known) <= _stamp(transform):
                self._moving[child] = transform
                self._static.pop(child, None)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Keep a transform of /tf_static."""
        child = transform.child_frame_id.lstrip("/")
        with self._lock:
            self._static[child] = transform
            self._moving.pop(child, None)

    def clear(self) -> None:
        """Forget what came on /tf, as after a jump back in time; static transforms stay."""
        with self._lock:
            self._moving.clear()

    def lookup_transform(self, target_frame: str, source_frame: str, time: Time) -> TransformStamped:
        """The transform that maps points of `source_frame` to `target_frame`, newest known (`time` must be 0).

        Raises LookupException for an unknown frame, ConnectivityException for frames of different trees.
        """
        if time.nanoseconds != 0:
            raise NotImplementedError("the stand-in of tf2_ros keeps the newest transforms only: ask for time 0")
        with self._lock:
            transforms = self._transforms()
        for frame in (target_frame, source_frame):
            if frame not in transforms and all(frame != _parent(t) for t in transforms.values()):
                raise LookupException(f'"{frame}" passed to lookupTransform does not exist.')
        target_root, T_root_target = _to_root(transforms, target_frame)
        source_root, T_root_source = _to_root(transforms, source_frame)
        if target_root != source_root:
            raise ConnectivityException(
                f"Could not find a connection between '{target_frame}' and '{source_frame}' because they are not "
                "part of the same tree. Tf has two or more unconnected trees."
            )
        found = TransformStamped()
        found.header.frame_id, found.child_frame_id = target_frame, source_frame
        found.transform = _message(np.linalg.inv(T_root_target) @ T_root_source)
        return found

    def all_frames_as_yaml(self) -> str:
        """Every child frame with its parent, as YAML; `{}` when there are none."""
        with self._lock:
            return yaml.safe_dump({child: {"parent": _parent(t)} for child, t in self._transforms().items()})

    def _transforms(self) -> dict[str, TransformStamped]:
        return {**self._static, **self._moving}


def _stamp(transform: TransformStamped) -> int:
    return Time.from_msg(transform.header.stamp).nanoseconds


def _parent(transform: TransformStamped) -> str:
    parent: str = transform.header.frame_id.lstrip("/")
    return parent


def _to_root(transforms: dict[str, TransformStamped], frame: str) -> tuple[str, NDArray[np.float64]]:
    """The root of the tree that `frame` is in, and T_root_frame (4, 4)."""
    T_root_frame = np.eye(4)
    seen = {frame}
    while frame in transforms:
        T_root_frame = _matrix(transforms[frame].transform) @ T_root_frame
        frame = _parent(transforms[frame])
        if frame in seen:
            raise ConnectivityException(f"the tf tree has a loop through '{frame}'")
        seen.add(frame)
    return frame, T_root_frame


def _matrix(transform: Transform) -> NDArray[np.float64]:
    q, t = transform.rotation, transform.translation
    T = np.eye(4)
    T[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    T[:3, 3] = t.x, t.y, t.z
    return T


def _message(T: NDArray[np.float64]) -> Transform:
    x, y, z, w = Rotation.from_matrix(T[:3, :3]).as_quat().tolist()
    tx, ty, tz = T[:3, 3].tolist()
    return Transform(translation=Vector3(x=tx, y=ty, z=tz), rotation=Quaternion(x=x, y=y, z=z, w=w))
