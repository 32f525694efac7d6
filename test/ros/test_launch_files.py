"""The launch files, executed with a recording stand-in of `launch`, which cannot be had from PyPI.

What they start must exist: executables, parameters, remapped topics, files.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.ros.environment import process_environment
from i2p_calib_ros.ros.parameters import all_parameters

pytest.importorskip("ament_index_python")

ROOT = Path(__file__).parents[2]
MODULES = (
    "launch",
    "launch.actions",
    "launch.conditions",
    "launch.launch_description_sources",
    "launch.substitutions",
    "launch_ros",
    "launch_ros.actions",
)


class Recorded:
    """Any action, substitution or event handler: remembers what it was made with."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.arguments, self.keywords = arguments, keywords


class RecordingModule(ModuleType):
    """A module that has every class it is asked for."""

    def __getattr__(self, name: str) -> type[Recorded]:
        if name.startswith("__"):
            raise AttributeError(name)
        made: type[Recorded] = type(name, (Recorded,), {})
        if name == "LaunchConfiguration":
            made.perform = lambda self, context: context.launch_configurations[self.arguments[0]]
        setattr(self, name, made)
        return made


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call with the name of a launch file and its arguments: what it would start, flat."""
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, RecordingModule(name))
    monkeypatch.setattr("ament_index_python.packages.get_package_share_path", lambda package: ROOT)
    for name in process_environment():  # launch files set only what is not set yet
        monkeypatch.delenv(name, raising=False)

    def load(name: str, **given: str) -> list[Recorded]:
        path = ROOT / "launch" / f"{name}.launch.py"
        spec = importlib.util.spec_from_file_location(f"{name}_launch", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        (entities,) = module.generate_launch_description().arguments
        context = SimpleNamespace(launch_configurations=dict(given))
        started = []
        for entity in entities:
            kind = type(entity).__name__
            if kind == "DeclareLaunchArgument":
                assert entity.keywords["description"]
                if "default_value" in entity.keywords:
                    context.launch_configurations.setdefault(entity.arguments[0], entity.keywords["default_value"])
                assert entity.arguments[0] in context.launch_configurations, "a required argument is missing"
            elif kind == "OpaqueFunction":
                started += entity.keywords["function"](context)
            else:
                started.append(entity)
        return started

    return load


def of_kind(entities: list[Recorded], kind: str) -> list[Recorded]:
    return [entity for entity in entities if type(entity).__name__ == kind]


def executables() -> set[str]:
    return set(re.findall(r'"(i2p_calib_\w+) = ', (ROOT / "setup.py").read_text()))


def test_calibrate_needs_only_the_topics(launch: Any) -> None:
    started = launch("calibrate", image="/cam/image_raw/compressed", points="/lidar")
    (node,) = of_kind(started, "LifecycleNode")
    assert node.keywords["package"] == "i2p_calib_ros" and node.keywords["executable"] in executables()
    assert node.keywords["remappings"] == [
        ("image", "/cam/image_raw/compressed"),
        ("points", "/lidar"),
        ("camera_info", "/cam/camera_info"),
    ]
    params_file, overrides = node.keywords["parameters"]
    assert Path(params_file).is_file()
    assert overrides == {"use_sim_time": False, "autostart": True}
    profiles = {e.arguments[1] for e in of_kind(started, "SetEnvironmentVariable") if "PROFILES" in e.arguments[0]}
    assert profiles == {str(ROOT / "config" / "fastdds.xml")}


def test_calibrate_lays_what_is_given_over_the_parameter_file(launch: Any, tmp_path: Path) -> None:
    given = {"publish_mode": "monitor", "model": "other", "device": "cpu", "initial": str(tmp_path / "start.yaml")}
    started = launch("calibrate", image="/a/image", points="/b", use_sim_time="true", autostart="false", **given)
    (node,) = of_kind(started, "LifecycleNode")
    overrides = node.keywords["parameters"][1]
    assert overrides == {
        "use_sim_time": True,
        "autostart": False,
        "publish_mode": "monitor",
        "model": "other",
        "device": "cpu",
        "initial.source": "file",
        "initial.file": str(tmp_path / "start.yaml"),
    }
    assert overrides.keys() - {"use_sim_time"} <= {parameter.name for parameter in all_parameters()}


def test_rviz_is_given_an_installed_layout(launch: Any) -> None:
    (rviz,) = of_kind(launch("calibrate", image="/a/image", points="/b"), "Node")
    option, layout, *_ = rviz.keywords["arguments"]
    assert option == "-d" and Path(layout).is_file() and rviz.keywords["condition"]


def test_replay_finds_the_topics_and_plays_once_the_node_listens(launch: Any, recording: Any, tmp_path: Path) -> None:
    bag = recording.drive(2).write(tmp_path / "drive")
    started = launch("replay", bag=str(bag), loop="true")
    found = {e.arguments[0]: e.arguments[1] for e in of_kind(started, "SetLaunchConfiguration")}
    assert found == {
        "image": "/cam/image_raw",
        "points": "/points",
        "camera_info": "/cam/camera_info",
        "fixed_frame": "lidar",
    }
    (player,) = of_kind(started, "Node")
    assert player.keywords["executable"] in executables()
    waiting = ["--wait-for", "/cam/image_raw", "/points"]
    assert player.keywords["arguments"] == [str(bag), "--clock", "--rate", "1.0", *waiting, "--loop"]
    (node,) = of_kind(started, "IncludeLaunchDescription")
    assert Path(node.arguments[0].arguments[0]).is_file()
    assert dict(node.keywords["launch_arguments"])["use_sim_time"] == "true"


def test_replay_answers_an_unusable_bag_with_the_reason(launch: Any, recording: Any, tmp_path: Path) -> None:
    bag = recording.drive(2).without("/points").write(tmp_path / "blind")
    with pytest.raises(CalibrationInputError, match="PointCloud2"):
        launch("replay", bag=str(bag))


def test_rig_starts_every_camera_in_a_scope_of_its_own(launch: Any) -> None:
    groups = of_kind(launch("rig", rig=str(ROOT / "config" / "rig.example.yaml")), "GroupAction")
    includes = [group.arguments[0][0] for group in groups]
    assert [dict(include.keywords["launch_arguments"])["namespace"] for include in includes] == ["front", "left"]
    known = {argument.arguments[0] for argument in declared(launch)}
    assert all(dict(include.keywords["launch_arguments"]).keys() <= known for include in includes)


def declared(launch: Any) -> list[Recorded]:
    """The arguments of calibrate.launch.py."""
    spec = importlib.util.spec_from_file_location("calibrate_launch", ROOT / "launch" / "calibrate.launch.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments: list[Recorded] = module.ARGUMENTS
    return arguments
