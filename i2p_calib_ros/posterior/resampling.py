"""Few of many: samples by their weights, and the points of a frame that tell most."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_UNTOLD_SHARE = 0.2  # drawn alike: none may be missing for seeming to tell nothing


def systematic_resampling(weights: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Indices (count,) of samples by their weights (n,), sum 1; heavy ones several times, each nearly as often as due.

    Kitagawa, Journal of Computational and Graphical Statistics 1996; deterministic, from the middle of each step.
    """
    steps = (np.arange(count) + 0.5) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), steps), len(weights) - 1)


def most_telling(votes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Points that tell most between poses, and how many of all each stands for: indices and counts, both (count,).

    votes (n, m): log likelihoods of n points, in random order, at m likely poses. A point is drawn with a probability
    in proportion to the spread of its votes and counts for the inverse, so that the sum of the votes for any pose is
    expected to be that of all points (Horvitz and Thompson, Journal of the American Statistical Association 1952), and
    with the least variance near these poses.
    """
    spread = votes.std(dim=1).double().cpu().numpy() + 1e-9
    n = len(spread)
    share = (1.0 - _UNTOLD_SHARE) * spread / spread.sum() + _UNTOLD_SHARE / n
    index = torch.from_numpy(systematic_resampling(share, count)).to(votes.device)
    counts = torch.from_numpy(1.0 / (count * share)).to(votes)
    return index, counts[index]
