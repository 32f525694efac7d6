"""sensor_msgs CameraInfo -> Camera, for raw and for rectified image topics."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.geometry import se3
from i2p_calib_ros.geometry.camera import Camera

MAX_RECTIFICATION_DEG = 0.01
"""A rectified image may be turned against the optical frame by no more than the accuracy aimed at."""


def camera_from_info(message: Any, image_topic: str = "") -> Camera:
    """The camera of the images of `image_topic`, given the CameraInfo beside it (duck-typed message).

    A raw image is described by k and d. A topic named `image_rect*` was rectified by image_proc: it is a
    pinhole with the matrix of p. Raises `CalibrationInputError` where the camera is not calibrated, its model
    is unknown, or the rectification turns the camera (stereo): the extrinsic would be that of another frame.
    """
    if not is_rectified(image_topic):
        return Camera.validated(
            message.distortion_model,
            np.asarray(message.k),
            np.asarray(message.d),
            message.width,
            message.height,
        )

    rotation = np.eye(4)
    rotation[:3, :3] = np.asarray(message.r, np.float64).reshape(3, 3)
    if not np.any(rotation[:3, :3]):  # r left unset
        rotation[:3, :3] = np.eye(3)
    angle_deg = float(se3.rotation_angle_deg(rotation))
    if angle_deg > MAX_RECTIFICATION_DEG:
        raise CalibrationInputError(
            f"{image_topic} is rectified for stereo: its camera is turned by {angle_deg:.2f} deg against the "
            "camera's own frame. Use the image topic before rectification (image_raw) with --image."
        )
    P = np.asarray(message.p, np.float64).reshape(3, 4)
    return Camera.validated("plumb_bob", P[:, :3], [], message.width, message.height)


def is_rectified(image_topic: str) -> bool:
    """Whether a topic has the name image_proc gives to rectified images (image_rect, image_rect_color)."""
    return any(part.startswith("image_rect") for part in image_topic.split("/"))
