"""What the elementwise layers share: numbers selected by a mask, and functions in blocks, at the speed of memory."""

from collections.abc import Callable

import numpy as np

from manual.machine import threads

Array = np.ndarray

BITS = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}
BLOCK = 2**17  # numbers: what a function has in hand at a time stays in a cache, and its calls are long
PARALLEL = 2**19  # numbers from which several threads pay


def where(mask: Array, a: Array, out: Array | None = None) -> Array:
    """a where mask, else 0: `np.where(mask, a, 0)`, whose branches cost ten times as much if the mask has no pattern.

    The bits of a number times 1 or 0: the number, whatever it is, or 0. (The number times 0 would be NaN if it is
    infinite or NaN.)

    Args:
        mask: boolean, the shape of a.
        a: any dtype; fast for float32 and float64.
        out: where to put it, of a's dtype.
    """
    if out is None:
        out = np.empty_like(a)  # in the layout of a
    bits = BITS.get(a.dtype)
    if bits is None:
        out[...] = 0
        np.copyto(out, a, where=mask)
    else:
        np.multiply(a.view(bits), mask, out=out.view(bits))
    return out


def one_of(mask: Array, yes: float, no: float, dtype: np.dtype) -> Array:
    """yes where mask, else no: `np.where(mask, yes, no)`, looked up in a table of two, again without a branch."""
    return np.take(np.array([no, yes], dtype), mask.view(np.int8))


def in_blocks(function: Callable[..., Array], *arrays: Array) -> Array:
    """function(*arrays), some numbers at a time, on several threads if there are many.

    Each result comes from the numbers at its place alone; arrays of one shape, the result of the last one's dtype.
    """
    last = arrays[-1]
    if last.size <= BLOCK:
        return function(*arrays)
    numbers, y = [a.reshape(-1) for a in arrays], np.empty(last.shape, last.dtype)
    to = y.reshape(-1)
    shares = threads.share(last.size, threads.num_threads() if last.size >= PARALLEL else 1)

    def part(some: int) -> None:
        for first in range(shares[some].start, shares[some].stop, BLOCK):
            at = slice(first, min(first + BLOCK, shares[some].stop))
            to[at] = function(*(a[at] for a in numbers))

    threads.run(part, len(shares), guarded=False)
    return y
