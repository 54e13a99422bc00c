"""Points beside a point: every entry moved by a share of itself, so that what was equal stays equal.

    a  →  a · (1 + size · s(|a|)),      s a hash of the magnitude with values in -1 … 1                           (1)

Zeros stay, equal magnitudes move alike, and none moves by more than `size`: a ReLU's zero stays masked, a pool's tie
stays a tie, and |a| = |b| stays so.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

QUARTERS = 4  # s takes ±1/4, ±1/2, ±3/4, ±1


def nudged(a: Array, size: float, draw: int) -> Array:
    """(1) of a floating array, another one for every draw; others as they are. `size` is 2^-n times an integer."""
    if a.dtype.kind != "f" or a.size == 0:
        return a
    return a * (1 + size * signs(a, draw).astype(a.dtype))


def signs(a: Array, draw: int) -> Array:
    """s(|a|) of (1): from the bits of |a| in float64, mixed as in SplitMix64."""
    bits = np.abs(a).astype(np.float64, order="K").view(np.uint64)
    with np.errstate(over="ignore"):
        z = bits + np.array(0x9E3779B97F4A7C15, np.uint64) * np.array(draw + 1, np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.array(0xBF58476D1CE4E5B9, np.uint64)
        z = (z ^ (z >> np.uint64(27))) * np.array(0x94D049BB133111EB, np.uint64)
    level = ((z >> np.uint64(40)) % np.uint64(QUARTERS)).astype(np.float64) + 1
    return np.where(z >> np.uint64(63) == 1, level, -level) / QUARTERS
