"""What is small to an entry: arrays may reach over hundreds of decades.

An entry that is smaller than the array by √u or more would be thrown across everything by a step that is small to the
array. It has an order of magnitude of its own, k below the array's, and what is near is near on that scale,

    2^(-k · ORDER) of the array's size, which is at least the entry, and less than the entry / √u                   (1)

so that √u of it changes no entry's sign. Who takes steps of u^¼ parts orders at u^¼, too: `digits` = ORDER / 2. A zero
has no size: its scale is the array's, or beside numbers above 1/√u that of 1, at which exp and tanh turn.
"""

from __future__ import annotations

import numpy as np

from crosscheck.floats import root_mean_square

Array = np.ndarray

ORDER = 53 / 2  # binary digits, of 1/√u


def size_of(x: Array) -> float:
    """The power of two below the typical size; 1 for zeros."""
    return float(2.0 ** np.floor(np.log2(root_mean_square(x) or 1.0)))


def orders_of(x: Array, size: float, digits: float = ORDER) -> Array:
    """k of (1), from 0; an integer where x is not 0. `size`: that of the array."""
    own = np.where(x == 0, min(size, 1.0), np.abs(x))
    below = np.maximum(0, (np.log2(size) - np.log2(own)) / digits)
    return np.where((x == 0) & (below >= 1), below, np.floor(below))


def scale_at(order: Array | float, size: float, digits: float = ORDER) -> Array:
    """(1)."""
    return size * 2.0 ** (-np.asarray(order, np.float64) * digits)
