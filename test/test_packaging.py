"""The files that describe the package agree with each other."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import i2p_calib_ros

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ElementTree.parse(ROOT / "package.xml")


def test_the_version_is_the_one_of_the_manifest() -> None:
    assert MANIFEST.findtext("version") == i2p_calib_ros.__version__


def test_the_name_is_the_one_ament_looks_for() -> None:
    assert MANIFEST.findtext("name") == "i2p_calib_ros"
    assert (ROOT / "resource" / "i2p_calib_ros").is_file()


def test_every_requirement_is_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            requirement = line.split("#")[0].strip()
            if requirement and not requirement.startswith("-r "):
                assert re.match(r"^[\w.-]+==[\w.]+(; python_version (<|>=) \"3\.\d+\")?$", requirement), (
                    requirement
                )


def test_make_installs_the_pinned_torch() -> None:
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    made = re.search(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert pinned and made and pinned.group(1) == made.group(1)
