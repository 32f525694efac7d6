"""docs/node.md says what the node has; its table of parameters is generated."""

from __future__ import annotations

import re
from pathlib import Path

from i2p_calib_ros.ros.diagnostics import STATE_LEVELS
from i2p_calib_ros.ros.parameters import all_parameters, markdown_table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "node.md").read_text()
SOURCES = "\n".join(path.read_text() for path in (ROOT / "i2p_calib_ros" / "ros").glob("*.py"))


def test_the_table_of_parameters_is_the_generated_one() -> None:
    # To renew it: python -m i2p_calib_ros.ros.parameters
    assert markdown_table(all_parameters()) in PAGE


def test_every_topic_and_service_of_the_node_is_documented_and_the_reverse() -> None:
    tables = PAGE[PAGE.index("## Publications") : PAGE.index("## States")]
    documented = set(re.findall(r"`~/([\w/]+)`", tables)) - {"change_state"}
    assert documented == set(re.findall(r'"~/([\w/]+)"', SOURCES))


def test_every_state_is_explained() -> None:
    for state in STATE_LEVELS:
        assert f"\n| `{state}` |" in PAGE


def test_every_launch_argument_is_listed() -> None:
    for file in (ROOT / "launch").glob("*.launch.py"):
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{file.name}` |"))
        listed = row if file.name != "replay.launch.py" else row + PAGE
        for name in re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', file.read_text()):
            assert f"`{name}`" in listed, f"{file.name}: {name}"


def test_every_file_that_is_named_exists() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)\)", PAGE))
    assert all((ROOT / "docs" / link).exists() for link in linked)
    assert all((ROOT / name).is_file() for name in re.findall(r"`(config/[\w.]+)`", PAGE))
