"""Looks at arrays: copies of every layout, and shared memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray
Arrays = dict[str, Array]

# Whether two arrays share an element is a problem in integers that can take for ever. NumPy tries this many candidates
# in about 3 ms; what is not settled by then counts as apart, so the number can only keep a finding back.
OVERLAP_WORK = 10**5


def fresh(a: Array) -> Array:
    """A contiguous private copy."""
    return np.array(a, copy=True, order="C")


def copied(arrays: Mapping[str, Any]) -> Arrays:
    return {k: np.array(a, copy=True) for k, a in arrays.items()}


def refill(buffers: Arrays, values: Arrays) -> None:
    for k, a in buffers.items():
        np.copyto(a, values[k])


def locked(a: Array) -> Array:
    """The same array, read-only from now on."""
    a.flags.writeable = False
    return a


def strided(a: Array) -> Array:
    """The same values, in the same order of axes, as every second element of a larger array, with poison between."""
    if a.ndim == 0 or a.size == 0:
        return fresh(a)
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        return strided(a.T).T
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


def overlap(a: Array, b: Array) -> bool:
    """Whether the two share an element."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=OVERLAP_WORK)  # pyright: ignore[reportArgumentType]
    except np.exceptions.TooHardError:
        return False


def touches(a: Array, others: Iterable[Array]) -> bool:
    return any(overlap(a, other) for other in others)
