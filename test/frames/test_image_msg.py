from __future__ import annotations

from array import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.frames.image_msg import (
    SUPPORTED_ENCODINGS,
    UnsupportedEncoding,
    decode_compressed,
    decode_compressed_image,
    decode_image,
)

HEIGHT, WIDTH = 12, 16
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
ALPHA = np.full((HEIGHT, WIDTH, 1), 9, np.uint8)


def message(pixels: np.ndarray, encoding: str, *, padding: int = 0, big: bool = False) -> SimpleNamespace:
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        height=len(pixels),
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=rows.shape[1],
        data=rows.reshape(-1),
    )


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("8UC3", RGB[..., ::-1]),
        ("rgba8", np.concatenate([RGB, ALPHA], 2)),
        ("bgra8", np.concatenate([RGB[..., ::-1], ALPHA], 2)),
    ],
)
def test_colour_encodings_are_exact(encoding: str, pixels: np.ndarray, padding: int):
    decoded = decode_image(message(pixels, encoding, padding=padding))
    np.testing.assert_array_equal(decoded, RGB)
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey_fills_the_three_channels(encoding: str, padding: int):
    grey = RGB[..., 0]
    np.testing.assert_array_equal(
        decode_image(message(grey, encoding, padding=padding)), np.repeat(grey[..., None], 3, axis=2)
    )


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(("bits", "encoding"), [(8, "mono16"), (10, "mono16"), (12, "16UC1"), (16, "mono16")])
def test_sixteen_bit_grey_keeps_its_significant_bits(bits: int, encoding: str, padding: int, big: bool):
    grey = RGB[..., 0].astype(np.uint16) << (bits - 8)
    grey[0, 0] = 255 << (bits - 8)
    stored = grey.astype(">u2" if big else "<u2")
    decoded = decode_image(message(stored, encoding, padding=padding, big=big))
    np.testing.assert_array_equal(decoded[..., 0], grey >> (bits - 8))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_give_the_colour_back(pattern: str, bits: int):
    colour = {"r": 200, "g": 120, "b": 40}
    tile = np.array([[colour[pattern[0]], colour[pattern[1]]], [colour[pattern[2]], colour[pattern[3]]]])
    mosaic = np.tile(tile, (HEIGHT // 2, WIDTH // 2)).astype(np.uint8 if bits == 8 else np.uint16)
    if bits == 16:
        mosaic <<= 8
    decoded = decode_image(message(mosaic, f"bayer_{pattern}{bits}"))
    np.testing.assert_array_equal(decoded[4, 4], [200, 120, 40])


@pytest.mark.parametrize(
    ("encoding", "luma_first"),
    [("yuv422", False), ("uyvy", False), ("yuv422_yuy2", True), ("yuyv", True)],
)
def test_yuv_422(encoding: str, luma_first: bool):
    # BT.601 studio range of pure red: Y 81, U 90, V 240.
    luma = np.full((HEIGHT, WIDTH), 81, np.uint8)
    chroma = np.tile(np.array([90, 240], np.uint8), (HEIGHT, WIDTH // 2))
    pixels = np.stack([luma, chroma] if luma_first else [chroma, luma], axis=2)
    decoded = decode_image(message(pixels, encoding))
    assert np.abs(decoded.astype(int) - [255, 0, 0]).max() <= 3


def test_messages_of_rclpy_hold_an_array_of_bytes():
    msg = message(RGB, "rgb8")
    msg.data = array("B", msg.data.tobytes())
    np.testing.assert_array_equal(decode_image(msg), RGB)
    msg.data = bytes(msg.data)
    np.testing.assert_array_equal(decode_image(msg), RGB)


def test_unknown_encodings_are_named_with_the_supported_ones():
    with pytest.raises(UnsupportedEncoding) as error:
        decode_image(message(RGB, "nv12"))
    assert isinstance(error.value, CalibrationInputError)
    assert "'nv12'" in str(error.value)
    assert all(encoding in str(error.value) for encoding in SUPPORTED_ENCODINGS)


def test_images_that_do_not_fit_their_data_are_rejected():
    short = message(RGB, "rgb8")
    short.data = short.data[:-1]
    narrow = message(RGB, "rgb8")
    narrow.step -= 1
    empty = message(RGB, "rgb8")
    empty.height = 0
    for msg, reason in ((short, "too short"), (narrow, "row step"), (empty, "empty image")):
        with pytest.raises(FrameRejected, match=reason):
            decode_image(msg)


def test_the_padding_of_the_last_row_may_be_missing():
    msg = message(RGB, "rgb8", padding=10)
    msg.data = msg.data[:-10]
    np.testing.assert_array_equal(decode_image(msg), RGB)


def test_yuv_422_of_odd_width_is_rejected():
    with pytest.raises(FrameRejected, match="impossible size"):
        decode_image(message(np.zeros((4, 5, 2), np.uint8), "yuyv"))


def encode(extension: str, rgb: np.ndarray = RGB) -> bytes:
    return cv2.imencode(extension, rgb[..., ::-1])[1].tobytes()


@pytest.mark.parametrize("format", ["png", "rgb8; png compressed bgr8", ""])
def test_png_is_exact_whatever_the_format_says(format: str):
    decoded, encoded = decode_compressed_image(
        SimpleNamespace(format=format, data=np.frombuffer(encode(".png"), np.uint8))
    )
    np.testing.assert_array_equal(decoded, RGB)
    assert encoded.format == "png" and encoded.data == encode(".png")


def test_jpeg_keeps_the_order_of_the_channels():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    decoded, encoded = decode_compressed(encode(".jpg", red), "bgr8; jpeg compressed bgr8")
    assert np.abs(decoded.astype(int) - red).max() < 6
    assert encoded.format == "jpeg"


def test_jpeg_of_swapped_channels_is_swapped_back():
    swapped = cv2.imencode(".png", RGB)[1].tobytes()
    np.testing.assert_array_equal(decode_compressed(swapped, "rgb8; png compressed rgb8")[0], RGB)


def test_grey_jpeg_becomes_rgb():
    grey = cv2.imencode(".jpg", np.full((16, 16), 128, np.uint8))[1].tobytes()
    assert decode_compressed(grey, "mono8; jpeg compressed mono8")[0].shape == (16, 16, 3)


def test_the_exif_orientation_is_not_applied():
    # APP1 segment: little-endian TIFF header and one tag, orientation (0x0112) = 6, turned by 90 degrees.
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    segment = b"Exif\x00\x00" + tiff
    jpeg = encode(".jpg")
    jpeg = jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (WIDTH, HEIGHT)
    assert decode_compressed(jpeg)[0].shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image at all",
        encode(".jpg", np.tile(RGB, (9, 9, 1)))[:3000],
        encode(".png")[:40],
        b"\xff\xd8\xff" + bytes(50) + b"\xff\xd9",
    ],
    ids=["nothing", "text", "truncated jpeg", "truncated png", "jpeg of zeros"],
)
def test_broken_compressed_images_are_rejected(data: bytes):
    with pytest.raises(FrameRejected) as rejection:
        decode_compressed(data, "jpeg")
    assert rejection.value.reason == "compressed image does not decode"


def test_padding_after_a_jpeg_is_no_truncation():
    assert decode_compressed(encode(".jpg") + bytes(600))[0].shape == RGB.shape


def test_other_compressed_formats_are_named():
    with pytest.raises(UnsupportedEncoding, match="'h264' is not supported; supported: jpeg, png"):
        decode_compressed(b"\x00\x00\x00\x01\x67", "h264")
