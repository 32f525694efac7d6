"""Model files: one YAML a model (architecture, likelihood, weights with checksum, training data, accuracy card)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.network.architectures import build_network
from i2p_calib_ros.network.config import AnyNetworkConfig
from i2p_calib_ros.network.network import VoxelPointPixelNet
from i2p_calib_ros.network.vp2p.network import Vp2pNet
from i2p_calib_ros.share import share_folders

DEFAULT_MODEL = "vpp_real"

LikelihoodKind = Literal["dense", "reprojection"]


class LikelihoodConfig(BaseModel):
    """The pose likelihood that the weights were trained and calibrated with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: LikelihoodKind = Field(
        "dense", description="dense: whole match distributions; reprojection: their mean and covariance, as published"
    )
    effective_points: float = Field(gt=0, description="independent points that all query points count for")
    fine_effective_points: float | None = Field(None, gt=0, description="the same for the fine stage, if there is one")
    floor: float = Field(
        0.02, gt=0, lt=1, description="share of points whose match field is taken to say nothing"
    )
    covariance_scale: float = Field(
        1.0, gt=0, description="of a single frame's covariance, so that its regions hold on frames not trained on"
    )


class WeightsFile(BaseModel):
    """Name of the weights file, in the folder `weights` beside `models`, and its SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: str


class ModelCard(BaseModel):
    """The content of `models/NAME.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    licence: str
    network: AnyNetworkConfig
    likelihood: LikelihoodConfig
    weights: WeightsFile
    training: dict[str, Any] = Field(default_factory=dict)
    accuracy: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode with the card it came with."""

    card: ModelCard
    network: VoxelPointPixelNet | Vp2pNet

    def with_likelihood(self, kind: LikelihoodKind) -> LoadedModel:
        """The same model with another likelihood, for comparison: `effective_points` stays as it was calibrated."""
        likelihood = self.card.likelihood.model_copy(update={"kind": kind})
        return replace(self, card=self.card.model_copy(update={"likelihood": likelihood}))


def find_model(name_or_path: str) -> Path:
    """The YAML of a model by name (`vpp_real`) or path. Raises CalibrationInputError naming the models there are."""
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise CalibrationInputError(f"no model file at {path}")
        return path
    known: list[str] = []
    for folder in share_folders():
        candidate = folder / "models" / f"{name_or_path}.yaml"
        if candidate.is_file():
            return candidate
        known += [p.stem for p in sorted((folder / "models").glob("*.yaml"))]
    raise CalibrationInputError(
        f"unknown model '{name_or_path}'; installed: {', '.join(dict.fromkeys(known)) or 'none'}. Give one of these "
        "with --model, or the path of a model's .yaml"
    )


def load_model(name_or_path: str = DEFAULT_MODEL) -> LoadedModel:
    """Read a model, verify its checksum and build the network.

    Raises CalibrationInputError for an unknown model, a file that does not parse, and weights that are missing,
    truncated or changed.
    """
    path = find_model(name_or_path)
    try:
        card = ModelCard.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, ValidationError) as error:
        raise CalibrationInputError(f"{path} is not a model file of this version: {error}") from error
    weights_path = path.parent.parent / "weights" / card.weights.file
    try:
        data = weights_path.read_bytes()
    except OSError as error:
        raise CalibrationInputError(
            f"the weights of model '{card.name}' cannot be read at {weights_path} ({error.strerror}); install the "
            "package again, or in a source tree restore the file with `git checkout -- weights`"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != card.weights.sha256:
        raise CalibrationInputError(
            f"{weights_path} is damaged or not the file that {path.name} describes: sha256 {found[:16]}..., expected "
            f"{card.weights.sha256[:16]}... ({len(data)} bytes read). Restore the file (`git checkout -- weights`) or "
            "install the package again"
        )
    try:
        tensors = load_safetensors(data)
        network = build_network(card.network)
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (SafetensorError, RuntimeError) as error:
        raise CalibrationInputError(
            f"{weights_path} does not hold the network that {path.name} describes: {error}"
        ) from error
    return LoadedModel(card, network.eval())


def default_device() -> str:
    """`cuda` where PyTorch finds a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"
