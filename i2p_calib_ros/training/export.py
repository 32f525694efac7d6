"""Model files, the card and the weights: of a training run's checkpoint, and of the mean of several models."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import TypeAdapter
from safetensors.torch import save

from i2p_calib_ros.engines.model_file import LikelihoodConfig, ModelCard, WeightsFile, load_model
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
    progress = checkpoint["state"]
    network: NetworkConfig | Vp2pConfig = TypeAdapter(AnyNetworkConfig).validate_python(checkpoint["network"])
    log_fine = state.get("log_fine_effective_points")
    likelihood = LikelihoodConfig(
        kind="reprojection" if isinstance(network, Vp2pConfig) else "dense",
        effective_points=_exp(state["log_effective_points"]),
        fine_effective_points=None if log_fine is None else _exp(log_fine),
        floor=VOTE_FLOOR,
    )
    training = {
        "samples": progress["samples"],
        "steps": progress["steps"],
        "hours": round(progress["seconds"] / 3600.0, 2),
        "held_out": checkpoint["hold_out"],
    }
    about = {"description": description, "licence": licence, "training": training}
    return _write_model(name, out_dir, network, likelihood, tensors, about)


def average_models(
    models: Sequence[str], name: str, out_dir: Path, *, description: str, licence: str
) -> Path:
    """Write the model whose weights are the mean of those of `models`, names or cards; returns the card's path.

    Of networks trained on from one start the mean can err less than each (Wortsman et al., "Model soups", 2022).
    Effective points are averaged by their logarithms; what the card of the first says else of the likelihood stays.
    Raises CalibrationInputError where there is one model only, or networks or likelihoods are of different kinds.
    """
    if len(models) < 2:
        raise CalibrationInputError("a mean needs at least two models, trained on from one start: name another one")
    loaded = [load_model(model) for model in models]
    cards, first = [model.card for model in loaded], loaded[0].card
    for model, card in zip(models, cards):
        if card.network != first.network or card.likelihood.kind != first.likelihood.kind:
            raise CalibrationInputError(
                f"'{model}' has another network or likelihood than '{models[0]}': only trainings of one architecture "
                "from one start (`i2p-calib train --start-from MODEL`) have a mean"
            )
    states = [model.network.state_dict() for model in loaded]
    tensors = {key: (sum(state[key] for state in states) / len(states)).half().contiguous() for key in states[0]}
    points = {
        "effective_points": _log_mean([card.likelihood.effective_points for card in cards]),
        "fine_effective_points": _log_mean([card.likelihood.fine_effective_points for card in cards]),
    }
    likelihood = first.likelihood.model_copy(update=points)
    about = {"description": description, "licence": licence, "training": {"mean_of": [card.name for card in cards]}}
    return _write_model(name, out_dir, first.network, likelihood, tensors, about)


def _write_model(
    name: str,
    out_dir: Path,
    network: AnyNetworkConfig,
    likelihood: LikelihoodConfig,
    tensors: dict[str, torch.Tensor],
    about: dict[str, Any],
) -> Path:
    weights = out_dir / "weights" / f"{name}.safetensors"
    card_path = out_dir / "models" / f"{name}.yaml"
    for folder in (weights.parent, card_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    data = save(tensors)
    weights.write_bytes(data)
    checksum = WeightsFile(file=weights.name, sha256=hashlib.sha256(data).hexdigest())
    card = ModelCard(name=name, network=network, likelihood=likelihood, weights=checksum, **about)
    card_path.write_text(yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, width=110))
    return card_path


def _exp(logarithm: torch.Tensor) -> float:
    return round(math.exp(float(logarithm)), 2)


def _log_mean(counts: Sequence[float | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return round(math.exp(sum(map(math.log, known)) / len(known)), 2) if known else None
