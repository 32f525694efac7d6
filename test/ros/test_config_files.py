"""The files in config/ name what the node has: parameters with their defaults, topics of its publishers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from i2p_calib_ros.ros.environment import process_environment
from i2p_calib_ros.ros.parameters import Parameter, all_parameters

CONFIG = Path(__file__).parents[2] / "config"
PARAMETERS = {parameter.name: parameter for parameter in all_parameters()}


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values


def test_the_parameter_file_has_every_parameter_at_its_default() -> None:
    content = yaml.safe_load((CONFIG / "i2p_calib.yaml").read_text())
    listed = flat(content["/**"]["ros__parameters"])
    assert list(listed) == list(PARAMETERS)
    for name, value in listed.items():
        default = PARAMETERS[name].default
        assert value == (list(default) if isinstance(default, tuple) else default), name


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=lambda p: p.name)
def test_the_parameter_file_says_what_each_is_for(parameter: Parameter) -> None:
    text = re.sub(r"\s*\n\s*# ", " ", (CONFIG / "i2p_calib.yaml").read_text())
    assert f" {parameter.description}\n" in text


def viewed_topics() -> set[str]:
    texts = ((CONFIG / "i2p_calib.rviz").read_text(), (CONFIG / "i2p_calib.foxglove.json").read_text())
    return {topic for text in texts for topic in re.findall(r"/i2p_calib/[\w/]+", text)}


def test_rviz_and_foxglove_show_topics_that_the_node_publishes() -> None:
    outputs = (CONFIG.parent / "i2p_calib_ros" / "ros" / "outputs.py").read_text()
    published = {f"/i2p_calib/{name}" for name in re.findall(r'"~/([\w/]+)"', outputs)}
    assert viewed_topics() == published


def test_the_layouts_are_well_formed() -> None:
    rviz = yaml.safe_load((CONFIG / "i2p_calib.rviz").read_text())
    assert {d["Class"].rpartition("/")[2] for d in rviz["Visualization Manager"]["Displays"]} >= {"TF", "Image"}
    layout = json.loads((CONFIG / "i2p_calib.foxglove.json").read_text())

    def panels(node: Any) -> set[str]:
        return {node} if isinstance(node, str) else panels(node["first"]) | panels(node["second"])

    assert panels(layout["layout"]) == set(layout["configById"])


def test_the_environment_names_the_fast_dds_profile_under_both_names() -> None:
    environment = process_environment()
    profiles = {environment["FASTDDS_DEFAULT_PROFILES_FILE"], environment["FASTRTPS_DEFAULT_PROFILES_FILE"]}
    assert profiles == {str(CONFIG / "fastdds.xml")}
