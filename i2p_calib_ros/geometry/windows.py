"""Windows of a map of cells, one for every point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def window_cells(origin: Tensor, window: Sequence[int], shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Rows (n, a, 1) and columns (n, 1, b) of the cells in windows of (a, b) cells of a map of `shape` (h, w).

    origin (n, 2): column and row of each window's first cell (long). Beyond the map its border goes on.
    """
    a, b = (torch.arange(size, device=origin.device) for size in window)
    rows = (origin[:, 1:2] + a).clamp(0, shape[0] - 1)
    columns = (origin[:, 0:1] + b).clamp(0, shape[1] - 1)
    return rows[:, :, None], columns[:, None, :]
