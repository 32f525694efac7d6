"""Build i2p_calib_ros with colcon (ament_python) or with pip."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

PACKAGE = "i2p_calib_ros"
ROOT = Path(__file__).resolve().parent
MANIFEST = ElementTree.parse(ROOT / "package.xml")


def share_files(folder: str) -> list[tuple[str, list[str]]]:
    """Every file below `folder` as (destination below the prefix, [source]) pairs, keeping sub-folders."""
    files = sorted(p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file())
    return [(f"share/{PACKAGE}/{p.parent.as_posix()}", [p.as_posix()]) for p in files]


setup(
    name=PACKAGE,
    version=MANIFEST.findtext("version"),
    description=MANIFEST.findtext("description"),
    license=MANIFEST.findtext("license"),
    maintainer=MANIFEST.findtext("maintainer"),
    maintainer_email=MANIFEST.find("maintainer").get("email"),
    python_requires=">=3.10",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed", "evaluation/*.css"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *(pair for folder in ("launch", "config", "models", "weights") for pair in share_files(folder)),
    ],
    # Lower bounds for a foreign environment; requirements.txt pins what is tested.
    install_requires=[
        "matplotlib>=3.5",
        "numpy>=1.23",
        "opencv-python-headless>=4.8",
        "pydantic>=2.5",
        "PyYAML>=5.4",
        "rich>=12",
        "rosbags>=0.10.4",
        "safetensors>=0.4",
        "scipy>=1.10",
        "small_gicp>=1.0",
        "torch>=2.2",
        "typer>=0.9",
    ],
    # The synthetic world; embreex has no wheels for ARM.
    extras_require={"world": ["embreex>=2.17.7", "shapely>=2.1"]},
    entry_points={
        "console_scripts": [
            "i2p-calib = i2p_calib_ros.cli:main",
            "i2p_calib_node = i2p_calib_ros.ros.node:main",
            "i2p_calib_player = i2p_calib_ros.ros.player:main",
        ]
    },
    zip_safe=False,
)
