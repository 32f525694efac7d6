"""A training run's checkpoint as a model file: the card and the weights."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch
import yaml
from pydantic import TypeAdapter
from safetensors.torch import save

from i2p_calib_ros.engines.model_file import LikelihoodConfig, ModelCard, WeightsFile
from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.network.config import AnyNetworkConfig, NetworkConfig, Vp2pConfig
from i2p_calib_ros.posterior.dense import VOTE_FLOOR

_NETWORK = "network."


def export_model(run: Path, name: str, out_dir: Path, *, description: str, licence: str) -> Path:
    """Write `models/NAME.yaml` and `weights/NAME.safetensors` (float16) below `out_dir`; returns the card's path."""
    checkpoint_path = run / "checkpoint.pt"
    if not checkpoint_path.is_file():
        raise CalibrationInputError(
            f"no checkpoint at {checkpoint_path}; start one with `i2p-calib train --data FOLDERS --run {run}`"
        )
    checkpoint = torch.load(checkpoint_path, weights_only=True)
    state = checkpoint["model"]
    tensors = {
        k.removeprefix(_NETWORK): v.half().contiguous() for k, v in state.items() if k.startswith(_NETWORK)
    }
    weights = out_dir / "weights" / f"{name}.safetensors"
    card_path = out_dir / "models" / f"{name}.yaml"
    for folder in (weights.parent, card_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    data = save(tensors)
    weights.write_bytes(data)
    progress = checkpoint["state"]
    network: NetworkConfig | Vp2pConfig = TypeAdapter(AnyNetworkConfig).validate_python(checkpoint["network"])
    log_fine = state.get("log_fine_effective_points")
    card = ModelCard(
        name=name,
        description=description,
        licence=licence,
        network=network,
        likelihood=LikelihoodConfig(
            kind="reprojection" if isinstance(network, Vp2pConfig) else "dense",
            effective_points=_exp(state["log_effective_points"]),
            fine_effective_points=None if log_fine is None else _exp(log_fine),
            floor=VOTE_FLOOR,
        ),
        weights=WeightsFile(file=weights.name, sha256=hashlib.sha256(data).hexdigest()),
        training={
            "samples": progress["samples"],
            "steps": progress["steps"],
            "hours": round(progress["seconds"] / 3600.0, 2),
            "held_out": checkpoint["hold_out"],
        },
    )
    card_path.write_text(yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, width=110))
    return card_path


def _exp(logarithm: torch.Tensor) -> float:
    return round(math.exp(float(logarithm)), 2)
