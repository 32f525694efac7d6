"""Parameters: every one described, defaults valid, wrong values refused with name, value and what is expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.ros.parameters import Settings, all_parameters, markdown_table, problem_with


def test_defaults_are_valid_settings() -> None:
    settings = Settings.of({parameter.name: parameter.default for parameter in all_parameters()})

    assert settings.publish_mode == "accepted"


def test_names_are_those_of_ros_and_numbers_have_a_range() -> None:
    for parameter in all_parameters():
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", parameter.name)
        if isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool):
            assert parameter.minimum <= parameter.default <= parameter.maximum


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("publish_mode", "always", "'monitor', 'accepted' or 'continuous'"),
        ("initial.rotation_sigma_deg", 99.0, "less than or equal to 10"),
        ("initial.translation_m", (1.0, 2.0), "at least 3 items"),
        ("overlay.width_px", 10, "greater than or equal to 160"),
    ],
)
def test_wrong_value_is_refused_with_its_name_and_what_is_expected(name: str, value: object, expected: str) -> None:
    problem = problem_with(name, value)

    assert problem is not None
    assert name in problem
    assert expected in problem


def test_right_value_has_no_problem() -> None:
    assert problem_with("publish_mode", "monitor") is None
    assert problem_with("initial.translation_m", (1.0, 2.0, 3.0)) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"initial.source": "file"}, "not a file"),
        ({"initial.source": "file", "initial.file": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"initial.source": "parameters"}, "initial.rotation_xyzw is not set"),
        ({"initial.rotation_xyzw": (0.0, 0.0, 0.0, 2.0)}, "unit quaternion"),
        ({"publish_mode": "always", "sync_slop_s": -1.0}, "sync_slop_s"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(values: dict[str, object], expected: str) -> None:
    with pytest.raises(CalibrationInputError, match=re.escape(expected)):
        Settings.of(values)


def test_extrinsic_file_that_exists_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "extrinsic.yaml"
    file.touch()

    assert Settings.of({"initial.source": "file", "initial.file": str(file)}).initial_file == str(file)


def test_table_has_a_row_for_every_parameter() -> None:
    table = markdown_table(all_parameters()).splitlines()

    assert len(table) == 2 + len(all_parameters())
    assert all(row.count("|") == 6 for row in table)
