"""Looks at arrays: copies of every layout, equality bit for bit, shared memory, and distances beyond rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray
Arrays = dict[str, Array]

# A stale answer is far from the right one. This is no agreement threshold: it can only keep an accusation back.
FAR = 1e-3
# Work that an exact test for shared memory may take; beyond it the arrays count as apart.
OVERLAP_WORK = 10**5


def fresh(a: Array) -> Array:
    """A contiguous private copy."""
    return np.array(a, copy=True, order="C")


def copied(gradients: Mapping[str, Any]) -> Arrays:
    return {k: np.array(g, copy=True) for k, g in gradients.items()}


def refill(buffers: Arrays, values: Arrays) -> None:
    for k, a in buffers.items():
        np.copyto(a, values[k])


def locked(a: Array) -> Array:
    """Read-only."""
    a.flags.writeable = False
    return a


def strided(a: Array) -> Array:
    """The same values as every second element of a larger array, with poison between."""
    if a.ndim == 0 or a.size == 0:
        return fresh(a)
    larger = np.empty((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    if a.dtype.kind == "f":
        larger[...] = np.finfo(a.dtype).max ** 0.25  # huge, and its square still a number
    elif a.dtype.kind in "iu":
        larger[...] = np.iinfo(a.dtype).max
    else:
        larger[..., 1::2] = ~a
    larger[..., ::2] = a
    return larger[..., ::2]


def rows(a: Array, n: int) -> Array:
    """n samples: the first ones, the last one repeated if there are too few."""
    return fresh(a[:n]) if n <= len(a) else np.repeat(a, n, axis=0)


def finite(answer: Arrays) -> list[str]:
    """The names whose gradient is finite everywhere; of NaN no comparison says anything."""
    return [k for k, a in answer.items() if np.isfinite(a).all()]


def same_bytes(a: Array, b: Array) -> bool:
    """Bit for bit, NaN and signed zeros included; shapes and dtypes too."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.itemsize not in (1, 2, 4, 8):  # longdouble has bytes that mean nothing
        return np.array_equal(a, b, equal_nan=True)
    unsigned = f"u{a.dtype.itemsize}"
    return np.array_equal(
        np.ascontiguousarray(a).reshape(-1).view(unsigned),
        np.ascontiguousarray(b).reshape(-1).view(unsigned),
    )


def overlap(a: Array, b: Array) -> bool:
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=OVERLAP_WORK)  # pyright: ignore[reportArgumentType]
    except np.exceptions.TooHardError:
        return False


def touches(a: Array, others: Any) -> bool:
    return any(overlap(a, other) for other in others)


def far(a: Array, b: Array) -> bool:
    """Whether two answers have nothing to do with rounding: apart by more than FAR of the larger."""
    if a.shape != b.shape:
        return True
    with np.errstate(all="ignore"):
        gap = np.max(np.abs(a - b), initial=0.0)
        size = max(np.max(np.abs(a), initial=0.0), np.max(np.abs(b), initial=0.0))
    return not gap <= FAR * size
