"""What the elementwise layers share: numbers selected by a mask, and functions in blocks, at the speed of memory."""

from collections.abc import Callable, Sequence

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
        out: where to put it, of a's dtype; no memory of a.
    """
    if out is None:
        out = np.empty_like(a)  # in the layout of a
    bits = BITS.get(a.dtype)
    if bits is None:
        out[...] = 0
        np.copyto(out, a, where=mask)
    else:
        to = out.view(bits)
        np.copyto(to, mask)  # 1 or 0 first: NumPy multiplies numbers of one type three times as fast as of two
        np.multiply(to, a.view(bits), out=to)
    return out


def one_of(mask: Array, yes: float, no: float, out: Array) -> Array:
    """yes where mask, else no: `np.where(mask, yes, no)`, again without a branch; into `out`, of any dtype.

    The bits in which the two differ times 1 or 0, in the bits of one: a third to a half of what a table of two takes.
    """
    table = np.array([no, yes], out.dtype)
    bits = BITS.get(out.dtype)
    if bits is None:
        return np.take(table, mask.view(np.int8), out=out)
    no_bits, yes_bits = table.view(bits)
    found = out.view(bits)
    np.copyto(found, mask)
    found *= no_bits ^ yes_bits
    found ^= no_bits
    return out


def in_blocks(function: Callable[..., Array], *arrays: Array) -> Array:
    """function(*arrays), some numbers at a time, on several threads if there are many.

    Each result comes from the numbers at its place alone; arrays of one shape, the result of the last one's dtype, and
    in its layout.
    """
    if arrays[-1].size <= BLOCK:
        return function(*arrays)

    def work(to: Array, *some: Array) -> None:
        to[...] = function(*some)

    return written(work, *arrays)


def written(work: Callable[..., object], *arrays: Array) -> Array:
    """What work(result, *arrays) writes into a result of the last array's shape and layout, as `in_blocks`."""
    result = np.empty_like(arrays[-1], dtype=np.result_type(*arrays))
    each_block(work, (result,), arrays)
    return result


def each_block(work: Callable[..., object], results: Sequence[Array], arrays: Sequence[Array]) -> None:
    """work(*results, *arrays), which fills the results, some numbers at a time, on several threads if there are many.

    Args:
        results: of one shape and layout, in one run of memory, as `empty_like` makes them.
        arrays: of the same shape.
    """
    first = results[0]
    if first.size <= BLOCK:
        work(*results, *arrays)
        return
    numbers = [a.ravel(order="K") for a in (*results, *(laid_out(a, first) for a in arrays))]
    each_slice(lambda at: work(*(a[at] for a in numbers)), first.size)


def each_slice(work: Callable[[slice], object], size: int) -> None:
    """work(slice) for as many numbers, a block at a time, on several threads if there are many."""
    shares = threads.share(size, threads.num_threads() if size >= PARALLEL else 1)

    def part(some: int) -> None:
        for start in range(shares[some].start, shares[some].stop, BLOCK):
            work(slice(start, min(start + BLOCK, shares[some].stop)))

    threads.run(part, len(shares), guarded=False)


def laid_out(a: Array, like: Array) -> Array:
    """a, or a copy of it, whose numbers lie in memory in the order of `like`, one after the other."""
    if all(
        n == 1 or s * like.itemsize == t * a.itemsize for n, s, t in zip(a.shape, a.strides, like.strides, strict=True)
    ):
        return a
    moved = np.empty_like(like, dtype=a.dtype)
    moved[...] = a
    return moved
