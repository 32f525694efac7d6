from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from i2p_calib_ros.network.sparse_conv import SubmanifoldConv
from i2p_calib_ros.training.optimizer import MatrixOptimizer

LEARNING_RATE = 0.01


def small_network() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"image": nn.Conv2d(6, 16, 3), "voxels": SubmanifoldConv(5, 12), "points": nn.Linear(20, 8)})


def give_gradients(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize(
    ("name", "shape"), [("image.weight", (16, 54)), ("voxels.weight", (135, 12)), ("points.weight", (8, 20))]
)
def test_matrices_move_alike_in_all_directions(name: str, shape: tuple[int, int]) -> None:
    network = small_network()
    optimizer = MatrixOptimizer(network, LEARNING_RATE, weight_decay=0.0)
    before = network.get_parameter(name).detach().clone()
    give_gradients(network, 1)
    network.get_parameter(name).grad[0] *= 100.0  # a dominant direction, which AdamW or SGD would follow

    optimizer.step(LEARNING_RATE)

    moved = (network.get_parameter(name).detach() - before).view(shape)
    strength = torch.linalg.svdvals(moved) / (LEARNING_RATE * 0.2 * max(shape) ** 0.5)
    assert float(strength.min()) > 0.4 and float(strength.max()) < 1.4


def test_every_parameter_moves_and_gradients_are_dropped() -> None:
    network = small_network()
    optimizer = MatrixOptimizer(network, LEARNING_RATE, weight_decay=0.0)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    give_gradients(network, 1)

    optimizer.step(LEARNING_RATE)

    for name, parameter in network.named_parameters():
        assert not torch.equal(parameter, before[name]), name
        assert parameter.grad is None


def test_goes_on_from_its_state() -> None:
    networks = small_network(), small_network()
    first, second = (MatrixOptimizer(network, LEARNING_RATE, weight_decay=0.01) for network in networks)
    give_gradients(networks[0], 1)
    first.step(LEARNING_RATE)
    networks[1].load_state_dict(networks[0].state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))

    for network, optimizer in zip(networks, (first, second), strict=True):
        give_gradients(network, 2)
        optimizer.step(LEARNING_RATE)

    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(one, other)
