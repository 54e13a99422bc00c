"""Functions along an axis: what stands out in it, and samples a few at a time, which stay in a cache."""

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any, TypeVar

import numpy as np

from manual.machine import threads

Array = np.ndarray
Results = TypeVar("Results", bound=tuple[Any, ...])

BLOCK = 2**20  # bytes of the first array that a function has in hand at a time, with a few of their kind beside them
PARALLEL = 2**18  # numbers from which several threads pay
SHORT = 1024  # numbers of a row up to which BLAS has no thread of its own for it, nor long sums
WORTH = 32  # numbers of a row from which its call of BLAS pays


def largest(x: Array, axis: int) -> Array:
    """The largest entry along an axis, which keeps length 1; of complex numbers the one with the largest real part.

    NaN is larger than any number.
    """
    if x.dtype.kind == "f":
        return x.max(axis, keepdims=True)
    return np.take_along_axis(x, np.argmax(np.real(x), axis=axis, keepdims=True), axis=axis)


def total(a: Array, axes: tuple[int, ...], times: Array | None = None) -> Array:
    """The sum of a, or of a·times, over some axes from 0 on, which keep length 1.

    Short rows are added up by BLAS, in some dozens of partial sums each: a third of the time, without an array of the
    products, and no more rounding than NumPy's sum of pairs. Longer ones are short ones, one after the other.
    """
    last = a.ndim
    while last - 1 in axes and last > 0:
        last -= 1
    length = prod(a.shape[last:])
    factors = [a] if times is None else [a, times]
    short = short_of(length) if all(plain_from(f, last) and f.dtype == a.dtype for f in factors) else 0
    if not short:
        return np.add.reduce(a if times is None else a * times, axes, keepdims=True)
    rows = (*a.shape[:last], length // short, short)
    by = np.ones(short, a.dtype) if times is None else times.reshape(rows)
    sums = np.vecdot(a.reshape(rows), by)
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(a.shape))
    return np.add.reduce(sums, (*(axis for axis in axes if axis < last), last)).reshape(kept)


def plain_from(a: Array, axis: int) -> bool:
    """Whether the numbers of the axes from `axis` on lie one after the other, and are BLAS's."""
    return a.size > 0 and a.dtype in (np.float32, np.float64) and a[(0,) * axis].flags.c_contiguous


@cache
def short_of(length: int) -> int:
    """The longest row that BLAS adds up well and of which so many numbers are whole rows; 0 if there is none."""
    return next((n for n in range(min(length, SHORT), WORTH - 1, -1) if length % n == 0), 0)


def mean_product(a: Array, b: Array, axes: tuple[int, ...]) -> Array:
    """The mean of a·b over some axes from 0 on, which keep length 1."""
    return averaged(total(a, axes, b), a, axes)


def mean(a: Array, axes: tuple[int, ...]) -> Array:
    """The mean over some axes from 0 on, which keep length 1."""
    return averaged(total(a, axes), a, axes)


def averaged(sums: Array, a: Array, axes: tuple[int, ...]) -> Array:
    """Sums over axes of a as means."""
    return sums / np.real(a).dtype.type(prod(a.shape[axis] for axis in axes))


def in_parts(function: Callable[..., Results], *arrays: Array, axis: int = 0, sums: int = 0) -> Results:
    """function(*arrays), some samples or channels at a time, on several threads if there are many numbers.

    How they are cut does not depend on the threads, and the sums of the parts are added up in their order: neither does
    the result.

    Args:
        arrays: along `axis` as many each.
        function: its results are along that axis those of its arrays, but for the last ones:
        sums: so many results at the end are sums over that axis.
    """
    first = arrays[0]
    count = first.shape[axis] if first.ndim else 1
    step = max(1, BLOCK * count // max(first.nbytes, 1))
    if step >= count:
        return function(*arrays)
    before = (slice(None),) * axis
    cuts = [(*before, slice(start, min(start + step, count))) for start in range(0, count, step)]
    found = function(*(a[cuts[0]] for a in arrays))
    each = len(found) - sums
    results = [np.empty((*a.shape[:axis], count, *a.shape[axis + 1 :]), a.dtype) for a in found[:each]]
    parts = [np.empty((len(cuts), *a.shape), a.dtype) for a in found[each:]]

    def keep(number: int, values: tuple[Array, ...]) -> None:
        for result, value in zip(results, values[:each], strict=True):
            result[cuts[number]] = value
        for part, value in zip(parts, values[each:], strict=True):
            part[number] = value

    keep(0, found)
    shares = threads.share(len(cuts) - 1, threads.num_threads() if first.size >= PARALLEL else 1)

    def share(some: int) -> None:
        for number in shares[some]:
            keep(number + 1, function(*(a[cuts[number + 1]] for a in arrays)))

    threads.run(share, len(shares), guarded=False)
    together: Any = (*results, *(part.sum(axis=0) for part in parts))
    return together
