"""Decode sensor_msgs Image and CompressedImage to RGB, without cv_bridge and without a ROS installation.

The messages are duck-typed: any object with the field names of sensor_msgs will do (rclpy, rosbags).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import EncodedImage, FrameRejected

JPEG_MAGIC = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
JPEG_TRAILER_BYTES = 1024
"""Drivers pad JPEGs; further than this before the end, an end marker is that of a thumbnail."""
PNG_MAGIC = b"\x89PNG"


class _Layout(NamedTuple):
    """How one encoding lies in memory, and the OpenCV code that turns it into RGB (None: already RGB)."""

    channels: int
    dtype: str
    to_rgb: int | None


_LAYOUTS: dict[str, _Layout] = {
    "rgb8": _Layout(3, "u1", None),
    "bgr8": _Layout(3, "u1", cv2.COLOR_BGR2RGB),
    "rgba8": _Layout(4, "u1", cv2.COLOR_RGBA2RGB),
    "bgra8": _Layout(4, "u1", cv2.COLOR_BGRA2RGB),
    "mono8": _Layout(1, "u1", cv2.COLOR_GRAY2RGB),
    "mono16": _Layout(1, "u2", cv2.COLOR_GRAY2RGB),
    # OpenCV's own names; three channels are blue first there.
    "8UC1": _Layout(1, "u1", cv2.COLOR_GRAY2RGB),
    "8UC3": _Layout(3, "u1", cv2.COLOR_BGR2RGB),
    "16UC1": _Layout(1, "u2", cv2.COLOR_GRAY2RGB),
    # ROS 2 calls UYVY "yuv422" and YUYV "yuv422_yuy2"; "uyvy" and "yuyv" are the newer names.
    "yuv422": _Layout(2, "u1", cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _Layout(2, "u1", cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _Layout(2, "u1", cv2.COLOR_YUV2RGB_YUYV),
    "yuyv": _Layout(2, "u1", cv2.COLOR_YUV2RGB_YUYV),
    **{
        f"bayer_{pattern}{bits}": _Layout(1, f"u{bits // 8}", code)
        for bits in (8, 16)
        for pattern, code in (
            ("rggb", cv2.COLOR_BayerRGGB2RGB),
            ("bggr", cv2.COLOR_BayerBGGR2RGB),
            ("gbrg", cv2.COLOR_BayerGBRG2RGB),
            ("grbg", cv2.COLOR_BayerGRBG2RGB),
        )
    },
}

SUPPORTED_ENCODINGS: tuple[str, ...] = tuple(_LAYOUTS)


class UnsupportedEncoding(CalibrationInputError):
    """The encoding of the image topic is not known, so no frame of it can be read."""

    def __init__(self, encoding: str, supported: str) -> None:
        super().__init__(
            f"image encoding '{encoding}' is not supported; supported: {supported}. "
            "Set one of them in the camera driver, or republish the topic with image_proc or image_transport."
        )
        self.encoding = encoding


def decode_image(message: Any) -> NDArray[np.uint8]:
    """sensor_msgs/Image -> (h, w, 3) uint8 RGB, contiguous.

    16-bit images keep their 8 significant bits: they are shifted by the depth (8, 10, 12, 14 or 16 bits)
    that holds the largest value of the image. Raises `UnsupportedEncoding`, or `FrameRejected` when the data
    and the size do not agree.
    """
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise UnsupportedEncoding(message.encoding, ", ".join(SUPPORTED_ENCODINGS))
    pixels = _pixels(message, layout)
    if layout.dtype == "u2":
        pixels = _to_8_bit(pixels)
    if layout.to_rgb is None:
        return np.ascontiguousarray(pixels)
    try:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), layout.to_rgb), dtype=np.uint8)
    except cv2.error as error:  # a Bayer image of one row, YUV 4:2:2 of odd width
        raise FrameRejected(f"{message.encoding} image of an impossible size", f"{pixels.shape[1::-1]}") from error


def decode_compressed_image(message: Any) -> tuple[NDArray[np.uint8], EncodedImage]:
    """sensor_msgs/CompressedImage -> RGB (h, w, 3) uint8 and its bytes; see `decode_compressed`."""
    return decode_compressed(bytes(message.data), message.format)


def decode_compressed(data: bytes, message_format: str = "") -> tuple[NDArray[np.uint8], EncodedImage]:
    """JPEG or PNG bytes -> RGB (h, w, 3) uint8 and the bytes as `EncodedImage`.

    `message_format` is the format field of CompressedImage. Drivers write many things there, so the kind is
    told by the first bytes. Raises `FrameRejected` for bytes that do not decode, `UnsupportedEncoding` for
    another format.
    """
    if data.startswith(JPEG_MAGIC):
        kind = "jpeg"
        # libjpeg fills the missing part of a truncated image with grey and only warns.
        if JPEG_END not in data[-JPEG_TRAILER_BYTES:]:
            raise FrameRejected("compressed image does not decode", "the JPEG is truncated")
    elif data.startswith(PNG_MAGIC):
        kind = "png"
    elif _claims_known_format(message_format) or not data:
        raise FrameRejected("compressed image does not decode", f"format '{message_format}', {len(data)} bytes")
    else:
        raise UnsupportedEncoding(message_format, "jpeg, png")

    try:
        # The EXIF orientation would turn the image away from what the camera intrinsics describe.
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameRejected("compressed image does not decode", str(error)) from error
    if decoded is None:
        raise FrameRejected("compressed image does not decode", f"{kind}, {len(data)} bytes")

    # compressed_image_transport says "; jpeg compressed rgb8" when the encoder was fed RGB as if it were BGR.
    if "compressed rgb" not in message_format:
        decoded = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return np.asarray(decoded, dtype=np.uint8), EncodedImage(kind, data)


def _claims_known_format(message_format: str) -> bool:
    return not message_format or any(name in message_format.lower() for name in ("jpeg", "jpg", "png"))


def _pixels(message: Any, layout: _Layout) -> NDArray[Any]:
    """(h, w[, channels]) view of the data in native byte order, without the padding of the rows."""
    data = np.frombuffer(message.data, np.uint8)
    height, width, step = int(message.height), int(message.width), int(message.step)
    item = np.dtype(layout.dtype).itemsize
    row_bytes = width * layout.channels * item

    if height == 0 or width == 0:
        raise FrameRejected("empty image", f"{width}x{height}")
    if step < row_bytes:
        raise FrameRejected("image row step too small for its width", f"step {step}, a row needs {row_bytes} bytes")
    # Some drivers leave out the padding of the last row.
    if data.size < step * (height - 1) + row_bytes:
        raise FrameRejected("image data too short for its size", f"{data.size} bytes for {height} rows of {step}")

    rows = np.lib.stride_tricks.as_strided(data, (height, row_bytes), (step, 1), writeable=False)
    if item > 1:
        rows = np.ascontiguousarray(rows).view((">" if message.is_bigendian else "<") + layout.dtype)
        rows = rows.astype(layout.dtype)
    return rows.reshape(height, width, layout.channels) if layout.channels > 1 else rows


def _to_8_bit(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    bits = int(pixels.max()).bit_length()
    depth = next(depth for depth in (8, 10, 12, 14, 16) if bits <= depth)
    return (pixels >> (depth - 8)).astype(np.uint8)
