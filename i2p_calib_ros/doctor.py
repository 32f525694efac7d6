"""What is installed, what would run, and what a recording holds."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import torch

from i2p_calib_ros import __version__
from i2p_calib_ros.engines.model_file import default_device, find_model, load_model
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.bag_file import BagFile
from i2p_calib_ros.frames.source import open_source
from i2p_calib_ros.share import share_folders

Rows = list[tuple[str, str]]

_PACKAGES = ("torch", "numpy", "scipy", "opencv-python-headless", "rosbags", "safetensors", "small_gicp")


def describe_installation() -> list[tuple[str, Rows]]:
    """Tables (title, rows) about versions, the engine and the models."""
    versions: Rows = [("i2p_calib_ros", __version__), ("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            versions.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            versions.append((package, "not installed"))
    device = default_device()
    name = torch.cuda.get_device_name() if device == "cuda" else f"{os.cpu_count()} cores"
    engine: Rows = [("PyTorch", f"{device} ({name})")]
    models: Rows = []
    for folder in share_folders():
        for card in sorted((folder / "models").glob("*.yaml")):
            if card == find_model(card.stem):
                models.append((card.stem, _state_of(card)))
    return [
        ("Versions", versions),
        ("Engine", engine),
        ("Models", models or [("none", "no models folder found")]),
    ]


def describe_recording(path: Path) -> list[tuple[str, Rows]]:
    """Tables (title, rows) about the topics of a recording."""
    rows: Rows = []
    if not (path / "sequence.json").is_file():
        rows = [(topic.name, f"{topic.type}  x{topic.count}") for topic in BagFile(path).topics]
    try:
        source = open_source(path)
        camera = source.camera
        found = source.T_camera_lidar_initial is not None
        usable: Rows = [
            ("camera", f"{camera.width} x {camera.height}, {camera.model}, fx {camera.K[0, 0]:.1f}"),
            ("pairs, about", str(len(source))),
            ("initial extrinsic on tf", "yes" if found else "no: give --initial FILE"),
        ]
    except CalibrationInputError as error:
        usable = [("not usable as it is", str(error))]
    return [(f"Topics of {path}", rows), ("For calibration", usable)]


def _state_of(card: Path) -> str:
    try:
        model = load_model(str(card))
    except CalibrationInputError as error:
        return f"damaged: {error}"
    return f"ok, {sum(p.numel() for p in model.network.parameters()) / 1e6:.1f} M parameters"
