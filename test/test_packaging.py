"""The files that describe the package agree with each other."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import i2p_calib_ros

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ElementTree.parse(ROOT / "package.xml")

MODULES = sorted((ROOT / "i2p_calib_ros").rglob("*.py"))
PYTHON_PACKAGES = {"cv2", "numpy", "pydantic", "rich", "torch", "yaml"}
"""What the node and the launch files import that is not of ROS."""
PACKAGE_OF_MODULE = {"tf2_ros": "tf2_ros_py"}


def imported(files: Iterable[Path]) -> set[str]:
    """Top-level names of the modules that these files import, the standard library and this package left out."""
    names: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"i2p_calib_ros"}


def test_the_manifest_names_every_ros_package_that_is_imported() -> None:
    ros_files = [m for m in MODULES if "ros" in m.relative_to(ROOT / "i2p_calib_ros").parts]
    needed = imported([*ros_files, *(ROOT / "launch").glob("*.py")]) - PYTHON_PACKAGES
    named = {dependency.text for dependency in MANIFEST.findall("exec_depend")}
    assert needed and {PACKAGE_OF_MODULE.get(name, name) for name in needed} <= named


def test_nothing_outside_of_ros_imports_ros() -> None:
    elsewhere = imported(m for m in MODULES if "ros" not in m.relative_to(ROOT / "i2p_calib_ros").parts)
    named = {dependency.text for dependency in MANIFEST.findall("exec_depend")}
    assert not {PACKAGE_OF_MODULE.get(name, name) for name in elsewhere} & named


def test_every_folder_of_modules_is_a_package_that_is_installed() -> None:
    assert {module.parent for module in MODULES} == {m.parent for m in MODULES if m.name == "__init__.py"}


def test_the_version_is_the_one_of_the_manifest() -> None:
    assert MANIFEST.findtext("version") == i2p_calib_ros.__version__


def test_the_name_is_the_one_ament_looks_for() -> None:
    assert MANIFEST.findtext("name") == "i2p_calib_ros"
    assert (ROOT / "resource" / "i2p_calib_ros").is_file()


def test_every_requirement_is_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-ros.txt"):
        for line in (ROOT / name).read_text().splitlines():
            requirement = line.split("#")[0].strip()
            if requirement and not requirement.startswith("-r "):
                assert re.match(r"^[\w.-]+==[\w.]+(; (python_version|platform_machine) .*)?$", requirement), (
                    requirement
                )


def test_make_installs_the_pinned_torch() -> None:
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    made = re.search(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert pinned and made and pinned.group(1) == made.group(1)
