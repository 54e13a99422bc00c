"""Functions along an axis: what stands out in it, and samples a few at a time, which stay in a cache."""

from collections.abc import Callable
from math import prod
from typing import Any, TypeVar

import numpy as np

from manual.machine import threads

Array = np.ndarray
Results = TypeVar("Results", bound=tuple[Any, ...])

BLOCK = 2**15  # numbers of the first array that a function has in hand at a time, with a few of their kind beside them
PARALLEL = 2**18  # numbers from which several threads pay
SHORT = 1024  # numbers of a row up to which BLAS has no thread of its own for it, nor long sums


def largest(x: Array, axis: int) -> Array:
    """The largest entry along an axis, which keeps length 1; of complex numbers the one with the largest real part.

    NaN is larger than any number.
    """
    if x.dtype.kind == "f":
        return x.max(axis, keepdims=True)
    return np.take_along_axis(x, np.argmax(np.real(x), axis=axis, keepdims=True), axis=axis)


def mean_product(a: Array, b: Array, axes: tuple[int, ...]) -> Array:
    """The mean of a·b over some axes, which keep length 1.

    Short rows are added up by BLAS, in some dozens of partial sums each: a third of the time, and no more rounding than
    NumPy's sum of pairs.
    """
    short = a.shape[-1] <= SHORT and axes in ((a.ndim - 1,), (-1,))
    if short and a.dtype == b.dtype and a.dtype.kind == "f":
        return np.vecdot(a, b)[..., None] / a.dtype.type(a.shape[-1])
    return mean(a * b, axes)


def mean(a: Array, axes: tuple[int, ...]) -> Array:
    """The mean over some axes, which keep length 1."""
    count = prod(a.shape[axis] for axis in axes)
    return np.add.reduce(a, axes, keepdims=True) / np.real(a).dtype.type(count)


def by_samples(function: Callable[..., Results], *arrays: Array, sums: int = 0) -> Results:
    """function(*arrays), some samples at a time, on several threads if there are many numbers.

    How samples are cut does not depend on the threads, and the sums of the parts are added up in their order: neither
    does the result.

    Args:
        arrays: along their first axis as many samples each.
        function: its results are along their first axis the samples', but for the last ones:
        sums: so many results at the end are sums over samples.
    """
    first = arrays[0]
    count = len(first) if first.ndim else 1
    step = max(1, BLOCK * count // max(first.size, 1))
    if step >= count:
        return function(*arrays)
    cuts = [slice(start, min(start + step, count)) for start in range(0, count, step)]
    found = function(*(a[cuts[0]] for a in arrays))
    each = len(found) - sums
    results = [np.empty((count, *one.shape[1:]), one.dtype) for one in found[:each]]
    parts = [np.empty((len(cuts), *one.shape), one.dtype) for one in found[each:]]

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
