"""Muon for the matrices of the network, AdamW for its vectors and scalars.

Muon (Jordan et al. 2024) orthogonalises the momentum of a matrix, so that directions with small gradients are learned
as fast as the dominant ones. Updates are scaled to the size of AdamW's (Liu et al., arXiv 2502.16982): one learning
rate serves both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_LEAST_SIDE = 4  # below that there is nothing to orthogonalise


class MatrixOptimizer:
    """Steps all parameters of `model` at one learning rate."""

    def __init__(self, model: nn.Module, learning_rate: float, weight_decay: float) -> None:
        vectors: list[nn.Parameter] = []
        self._matrices: list[tuple[nn.Parameter, Tensor]] = []
        """Each matrix parameter, and the same memory as the two-dimensional tensor that Muon takes."""
        for parameter in model.parameters():
            matrix = _as_matrix(parameter)
            if matrix is None or min(matrix.shape) < _LEAST_SIDE:
                vectors.append(parameter)
            else:
                self._matrices.append((parameter, matrix))
        self._parts = {
            "matrices": torch.optim.Muon(
                [matrix for _, matrix in self._matrices],
                lr=learning_rate,
                weight_decay=weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            "vectors": torch.optim.AdamW(vectors, lr=learning_rate, weight_decay=weight_decay, betas=(0.9, 0.98)),
        }

    def step(self, learning_rate: float) -> None:
        """One update with the parameters' gradients, which are dropped then."""
        for parameter, matrix in self._matrices:
            matrix.grad = None if parameter.grad is None else parameter.grad.reshape(matrix.shape)
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()
            part.zero_grad(set_to_none=True)
        for parameter, _ in self._matrices:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises KeyError or ValueError for the state of another optimizer."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


def _as_matrix(parameter: nn.Parameter) -> Tensor | None:
    """The same memory as a matrix between inputs and outputs; None for vectors and scalars."""
    weight = parameter.detach()
    if weight.ndim == 4:  # convolution: (out, in, height, width)
        return weight.view(weight.shape[0], -1)
    if weight.ndim == 3:  # sparse convolution: (taps, in, out)
        return weight.view(-1, weight.shape[2])
    return weight if weight.ndim == 2 else None
