"""What is trained, the network and the confidence of its likelihoods, and what for: the loss of a sample."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_calib_ros.engines.match_fields import FrameMatches
from i2p_calib_ros.network.architectures import build_network
from i2p_calib_ros.network.config import AnyNetworkConfig, NetworkConfig, Vp2pConfig
from i2p_calib_ros.network.network import NetworkOutputs
from i2p_calib_ros.posterior.dense import DenseLikelihood
from i2p_calib_ros.posterior.likelihood import effective_points_of
from i2p_calib_ros.posterior.match_field import MatchField
from i2p_calib_ros.posterior.prior import PosePrior
from i2p_calib_ros.posterior.reprojection import GaussianMatches, ReprojectionLikelihood
from i2p_calib_ros.training import losses
from i2p_calib_ros.training.samples import TrainingSample
from i2p_calib_ros.training.settings import TrainingSettings

_REVERSE_PIXELS = 256
_ADAPTIVE_PAIRS = 512
_KL_POSES = 153  # nine for each of the 17 components of the proposal


class CalibrationModel(torch.nn.Module):
    """The network and the effective number of points of its likelihoods, which the pose KL calibrates."""

    def __init__(self, config: AnyNetworkConfig, effective_points: float) -> None:
        super().__init__()
        self.network = build_network(config)
        self.log_effective_points = torch.nn.Parameter(torch.tensor(math.log(effective_points)))
        fine = isinstance(config, NetworkConfig) and config.fine_descriptor > 0
        self.log_fine_effective_points = (
            torch.nn.Parameter(torch.tensor(math.log(effective_points))) if fine else None
        )


def sample_loss(
    model: CalibrationModel,
    sample: TrainingSample,
    settings: TrainingSettings,
    with_pose: bool,
    generator: torch.Generator,
    rng: np.random.Generator,
) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of all losses of one sample, and each loss by name: the published ones for the published network."""
    inputs = sample.inputs
    device = sample.true_cell.device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bf16(device)):
        outputs = model.network(inputs)
    matches = FrameMatches.of(outputs, inputs, inputs.query_xyz, settings.network.stride)
    terms_of = _vp2p_terms if isinstance(settings.network, Vp2pConfig) else _vpp_terms
    terms = terms_of(model, outputs, matches, sample, settings, with_pose, generator, rng)
    total = torch.stack([weight * term.cpu() for weight, term in terms.values()]).sum()
    return total, {name: float(term.detach()) for name, (_, term) in terms.items()}


def _vpp_terms(
    model: CalibrationModel,
    outputs: NetworkOutputs,
    matches: FrameMatches,
    sample: TrainingSample,
    settings: TrainingSettings,
    with_pose: bool,
    generator: torch.Generator,
    rng: np.random.Generator,
) -> dict[str, tuple[float, Tensor]]:
    """Ours: cross entropy of the matches, and the KL of the dense likelihood.

    A lost sample teaches only that nothing matches.
    """
    terms = {"match": (1.0, losses.point_to_pixel(matches.coarse, outputs, sample))}
    if sample.lost:
        return terms
    stride = settings.network.stride
    terms |= {
        "reverse": (
            settings.pixel_to_point_weight,
            losses.pixel_to_point(outputs, sample, stride, _REVERSE_PIXELS, generator),
        ),
        "overlap": (settings.overlap_weight, losses.overlap(outputs, sample)),
        "depth": (settings.depth_weight, losses.depth(outputs, sample)),
    }
    if with_pose:
        start = PosePrior(np.eye(4), sample.spread.sigma)
        kl = _dense_kl(matches.coarse, model.log_effective_points, start, sample.T_true_prior, rng)
        terms["pose"] = (settings.pose_weight, kl)
    if outputs.fine is not None:
        assert model.log_fine_effective_points is not None
        fine = matches.fine(sample.T_near_prior, sample.near_spread)
        terms["fine"] = (settings.fine_weight, losses.fine_point_to_pixel(fine, outputs.fine, sample))
        if with_pose:
            near = PosePrior(sample.T_near_prior, sample.near_spread.sigma)
            kl = _dense_kl(fine, model.log_fine_effective_points, near, sample.T_true_prior, rng)
            terms["fine_pose"] = (settings.pose_weight, kl)
    return terms


def _dense_kl(
    field: MatchField,
    log_effective_points: Tensor,
    prior: PosePrior,
    T_true_prior: NDArray[np.float64],
    rng: np.random.Generator,
) -> Tensor:
    likelihood = DenseLikelihood(field, effective_points_of(field, log_effective_points.exp()))
    return losses.pose_kl(likelihood, T_true_prior, prior, _KL_POSES, rng)


def _vp2p_terms(
    model: CalibrationModel,
    outputs: NetworkOutputs,
    matches: FrameMatches,
    sample: TrainingSample,
    settings: TrainingSettings,
    with_pose: bool,
    generator: torch.Generator,
    rng: np.random.Generator,
) -> dict[str, tuple[float, Tensor]]:
    """VP2P-Match: adaptive-weighted matching, overlap, and the poses of drawn matches by their reprojection."""
    terms = {
        "match": (settings.adaptive_weight, losses.adaptive_weighted(outputs, sample, _ADAPTIVE_PAIRS, generator)),
        "overlap": (settings.overlap_weight, losses.overlap(outputs, sample)),
        "point_overlap": (settings.overlap_weight, losses.point_overlap(matches.coarse, sample)),
    }
    if with_pose:
        drawn = GaussianMatches.drawn_from_field(matches.coarse, generator)
        points = effective_points_of(matches.coarse, model.log_effective_points.exp())
        likelihood = ReprojectionLikelihood(drawn, points)
        start = PosePrior(np.eye(4), sample.spread.sigma)
        kl = losses.pose_kl(likelihood, sample.T_true_prior, start, _KL_POSES, rng, losses.GLOBAL_KL_SCALES)
        terms["pose"] = (settings.pose_weight, kl)
        terms["solved_pose"] = (settings.solved_pose_weight, losses.solved_pose(likelihood, sample.T_true_prior))
    return terms


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 pays on this device: a processor that only emulates it is several times slower with it."""
    if device.type == "cpu":
        return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True
