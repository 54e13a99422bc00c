"""Functions that a hand-written backward finds in another module: they make their own buffers."""

from functools import lru_cache

import numpy as np
from numpy import zeros

SCRATCH: dict[str, np.ndarray] = {}


def product_by_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        out[i] = a[i] @ b
    return out


@lru_cache
def ones_column(n: int) -> np.ndarray:
    return np.ones((n, 1))


def kept_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Writes into a buffer that it keeps."""
    key = f"{a.shape} {b.shape}"
    if key not in SCRATCH:
        SCRATCH[key] = np.zeros((a.shape[0], b.shape[1]))
    SCRATCH[key][...] = a @ b
    return SCRATCH[key].copy()
