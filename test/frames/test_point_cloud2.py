from __future__ import annotations

from array import array
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.frames.point_cloud2 import POINT_FIELD_DTYPES, decode_point_cloud2, scale_intensity

DATATYPES = {dtype: number for number, dtype in POINT_FIELD_DTYPES.items()}
NOW_S = 1_700_000_000.25


def cloud(
    columns: dict[str, np.ndarray],
    *,
    big: bool = False,
    gaps: tuple[int, ...] = (),
    row_padding: int = 0,
    height: int = 1,
) -> SimpleNamespace:
    """A PointCloud2 with these fields in order, `gaps[i]` unused bytes before field i (the last: after)."""
    gaps = gaps or (0,) * (len(columns) + 1)
    fields, offset = [], 0
    for (name, values), gap in zip(columns.items(), gaps):
        offset += gap
        fields.append(SimpleNamespace(name=name, offset=offset, datatype=DATATYPES[values.dtype.str[1:]], count=1))
        offset += values.dtype.itemsize
    point_step = offset + gaps[len(columns)]

    count = len(next(iter(columns.values())))
    data = np.full((count, point_step), 0xA5, np.uint8)
    for field, values in zip(fields, columns.values()):
        stored = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(">" if big else "<")))
        data[:, field.offset : field.offset + values.dtype.itemsize] = stored.view(np.uint8).reshape(count, -1)
    rows = data.reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, row_padding)), constant_values=0x5A)
    sec, nanosec = divmod(int(NOW_S * 1e9), 10**9)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id="lidar"),
        height=height,
        width=count // height,
        fields=fields,
        is_bigendian=big,
        point_step=point_step,
        row_step=rows.shape[1],
        data=rows.reshape(-1),
        is_dense=True,
    )


def xyz_columns(count: int, dtype: str = "f4") -> dict[str, np.ndarray]:
    xyz = np.random.default_rng(count).uniform(-50, 50, (count, 3)).astype(dtype)
    return {name: xyz[:, i] for i, name in enumerate("xyz")}


@st.composite
def layouts(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], dict]:
    height = draw(st.integers(1, 4))
    count = height * draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = {name: rng.uniform(-100, 100, count).astype(draw(st.sampled_from(["f4", "f8"]))) for name in "xyz"}
    if draw(st.booleans()):
        columns["intensity"] = rng.integers(2, 128, count).astype(draw(st.sampled_from(list(DATATYPES))))
    if draw(st.booleans()):
        columns["ring"] = rng.integers(0, 128, count).astype(draw(st.sampled_from(["u1", "u2", "i4"])))
    if draw(st.booleans()):
        columns["t"] = rng.integers(0, 10**8, count).astype("u4")
    if draw(st.booleans()):
        columns["something_else"] = rng.integers(0, 9, count).astype("i2")
    columns = {name: columns[name] for name in draw(st.permutations(sorted(columns)))}
    gaps = tuple(draw(st.lists(st.integers(0, 5), min_size=len(columns) + 1, max_size=len(columns) + 1)))
    layout = {
        "big": draw(st.booleans()),
        "gaps": gaps,
        "row_padding": draw(st.integers(0, 7)),
        "height": height,
    }
    return columns, layout


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_any_layout_gives_the_same_points(case: tuple[dict[str, np.ndarray], dict]):
    columns, layout = case
    decoded = decode_point_cloud2(cloud(columns, **layout))
    np.testing.assert_array_equal(decoded.xyz, np.stack([columns[name].astype(np.float32) for name in "xyz"], axis=1))
    assert decoded.xyz.dtype == np.float32
    if "intensity" in columns:
        np.testing.assert_allclose(decoded.intensity, columns["intensity"] / 255, rtol=1e-6)
    else:
        assert decoded.intensity is None
    if "ring" in columns:
        np.testing.assert_array_equal(decoded.ring, columns["ring"])
    else:
        assert decoded.ring is None
    if "t" in columns:
        np.testing.assert_allclose(decoded.time_offset_s, columns["t"] * 1e-9, rtol=1e-6)
    else:
        assert decoded.time_offset_s is None


def test_messages_of_rclpy_hold_an_array_of_bytes():
    msg = cloud(xyz_columns(20))
    expected = decode_point_cloud2(msg).xyz
    msg.data = array("B", msg.data.tobytes())
    np.testing.assert_array_equal(decode_point_cloud2(msg).xyz, expected)


@pytest.mark.parametrize("row_step", [0, 7])
def test_the_row_step_of_a_single_row_does_not_matter(row_step: int):
    msg = cloud(xyz_columns(20))
    msg.row_step = row_step
    assert len(decode_point_cloud2(msg).xyz) == 20


def test_an_organised_cloud_without_row_step_is_packed():
    msg = cloud(xyz_columns(20), height=4)
    msg.row_step = 0
    np.testing.assert_array_equal(decode_point_cloud2(msg).xyz[:, 0], xyz_columns(20)["x"])


def test_the_padding_of_the_last_row_may_be_missing():
    msg = cloud(xyz_columns(20), height=4, row_padding=6)
    msg.data = msg.data[:-6]
    np.testing.assert_array_equal(decode_point_cloud2(msg).xyz[:, 2], xyz_columns(20)["z"])


@pytest.mark.parametrize("height", [1, 4])
def test_data_shorter_than_the_description_are_rejected(height: int):
    msg = cloud(xyz_columns(20), height=height)
    msg.data = msg.data[:-1]
    with pytest.raises(FrameRejected, match="too short"):
        decode_point_cloud2(msg)


def test_a_row_step_smaller_than_a_row_is_rejected():
    msg = cloud(xyz_columns(20), height=4)
    msg.row_step -= 1
    with pytest.raises(FrameRejected, match="too short"):
        decode_point_cloud2(msg)


def test_an_empty_message_is_rejected_even_without_fields():
    msg = cloud(xyz_columns(20))
    msg.width, msg.fields, msg.data = 0, [], b""
    with pytest.raises(FrameRejected, match="empty point cloud"):
        decode_point_cloud2(msg)


@pytest.mark.parametrize("missing", ["x", "y", "z"])
def test_missing_coordinates_are_an_error_that_lists_the_fields(missing: str):
    columns = {name: values for name, values in xyz_columns(20).items() if name != missing}
    with pytest.raises(CalibrationInputError, match=r"x, y, z .* it has: .*f4 at"):
        decode_point_cloud2(cloud(columns))


def test_integer_coordinates_are_an_error():
    columns = {name: np.arange(20, dtype="i2") for name in "xyz"}
    with pytest.raises(CalibrationInputError, match="float32 or float64"):
        decode_point_cloud2(cloud(columns))


def test_a_field_that_reaches_beyond_the_point_is_not_read():
    msg = cloud(xyz_columns(20) | {"intensity": np.ones(20, "f4")})
    msg.fields[3].offset = msg.point_step - 2
    assert decode_point_cloud2(msg).intensity is None
    msg.fields[2].offset = msg.point_step
    with pytest.raises(CalibrationInputError):
        decode_point_cloud2(msg)


@pytest.mark.parametrize("name", ["intensity", "intensities", "i", "reflectivity"])
def test_names_of_the_intensity(name: str):
    decoded = decode_point_cloud2(cloud(xyz_columns(20) | {name: np.full(20, 51, "u1")}))
    np.testing.assert_allclose(decoded.intensity, 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 51, 255], "u1"), [0, 0.2, 1]),
        (np.array([0, 1], "u1"), [0, 1 / 255]),
        (np.array([0, 1], "u2"), [0, 1 / 255]),
        (np.array([0, 51, 255], "u2"), [0, 0.2, 1]),
        (np.array([0, 0.5, 1], "f4"), [0, 0.5, 1]),
        (np.array([0, 51, 102], "f4"), [0, 0.2, 0.4]),
        (np.array([-3, np.nan, np.inf, 0.5], "f8"), [0, 0, 0, 0.5]),
        (np.array([-3, 51], "i4"), [0, 0.2]),
        (np.r_[np.full(300, 1000.0), 50_000.0].astype("f4"), [1] * 301),
        (np.r_[np.full(300, 500), np.full(300, 2000)].astype("u4"), [0.25] * 300 + [1] * 300),
        (np.empty(0, "f4"), []),
    ],
)
def test_intensities_are_brought_to_0_to_1(values: np.ndarray, expected: list[float]):
    scaled = scale_intensity(values)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=50),
    st.sampled_from(["f4", "f8"]),
)
def test_scaled_intensities_are_always_in_range(values: list[float], dtype: str):
    scaled = scale_intensity(np.array(values, dtype))
    assert ((scaled >= 0) & (scaled <= 1)).all()


OFFSETS = np.linspace(-0.1, 0.09, 20)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time", OFFSETS.astype("f4")),
        ("t", (OFFSETS * 1e9).astype("i4")),
        ("offset_time", ((OFFSETS + 0.1) * 1e9).astype("u4")),
        ("timestamp", NOW_S + OFFSETS),
        ("timestamp", (NOW_S + OFFSETS) * 1e9),
    ],
    ids=["velodyne", "signed ns", "livox offset", "hesai absolute s", "livox absolute ns"],
)
def test_units_of_the_time_field(name: str, values: np.ndarray):
    decoded = decode_point_cloud2(cloud(xyz_columns(20) | {name: values}))
    expected = OFFSETS + 0.1 if values.dtype == np.uint32 else OFFSETS
    np.testing.assert_allclose(decoded.time_offset_s, expected, atol=1e-6)


@pytest.mark.parametrize("values", [np.full(20, 5.0), np.full(20, np.nan), np.full(20, 1e7)])
def test_a_time_field_of_unknown_unit_is_left_out(values: np.ndarray):
    assert decode_point_cloud2(cloud(xyz_columns(20) | {"time": values})).time_offset_s is None


def test_a_ring_given_as_float_becomes_an_integer():
    decoded = decode_point_cloud2(cloud(xyz_columns(20) | {"ring": np.arange(20, dtype="f4")}))
    assert decoded.ring.dtype.kind == "i"
    np.testing.assert_array_equal(decoded.ring, np.arange(20))


def test_coordinates_beyond_float32_become_infinite_without_a_warning():
    columns = xyz_columns(20, "f8")
    columns["x"] = np.full(20, 1e300)
    assert np.isinf(decode_point_cloud2(cloud(columns)).xyz[:, 0]).all()
