"""Arithmetic on arrays with one short vector a row. NumPy's own functions take five to ten times as long for these."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def dot(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Inner products (n,) of the rows of a (n, k) and b (n, k) or (k,)."""
    products = a * b
    return products @ np.ones(products.shape[-1], dtype=products.dtype)


def length(a: NDArray[Any]) -> NDArray[Any]:
    """Lengths (n,) of the rows of a (n, k)."""
    return np.sqrt(dot(a, a))


def unit(a: NDArray[Any]) -> NDArray[Any]:
    """The rows of a (n, k) with length 1; zero where they are."""
    return a / np.maximum(length(a), 1e-12)[..., None]
