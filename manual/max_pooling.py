"""Max pooling: every window keeps its largest entry.

    Y[b,c,h,w] = max_{0≤i<p, 0≤j<q} X[b,c,s·h+i,t·w+j]                                        (1)

pool_size (p, q), stride (s, t). Let (i*, j*)[b,c,h,w] be the offset of the maximum; of equal maxima the first in
row-major order. Nudge X by Ẋ. Away from ties the winner stays the winner if the nudge is small, so

    Ẏ[b,c,h,w] = Ẋ[b,c,s·h+i*,t·w+j*]                                                        (2)

With G = ∂L/∂Y from the next layer, Σ_{b,c,h,w} G[b,c,h,w] · Ẏ[b,c,h,w] collects, at every entry of X, the gradients of
all the windows that it wins:

    ∂L/∂X[b,c,m,n] = Σ_{h,w: s·h+i*=m, t·w+j*=n} G[b,c,h,w]                                  (3)

Where windows overlap an entry may win several: the sum matters (the lecture's formula, without a sum, is the case of
windows that do not overlap). Both (1) and (3) are done offset by offset: for a fixed (i, j) the entries
X[b,c,s·h+i,t·w+j] of all windows are one run of memory (`machine/sheets.py`). Images are independent; a few at a time
stay in cache, and several threads share them out.

Source: the lecture, "Max Pooling Layer Gradients".
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine import threads
from manual.machine.elementwise import where
from manual.machine.plans import Plan, cache
from manual.machine.sheets import Sheets

Array = np.ndarray
Size2 = tuple[int, int]
Size = int | Size2

AT_ONCE = 2**21  # bytes of X that a thread has in hand: enough for long calls, few enough for a cache
PARALLEL = 2**20  # bytes of X from which several threads pay


class Saved(NamedTuple):
    """What the backward pass needs: who won is read off X and Y."""

    x: Array  # (B, C, H, W)
    y: Array  # (B, C, H_out, W_out), a copy of the output: the caller may write to his
    pool_size: tuple[int, int]
    stride: tuple[int, int]


def forward(x: Array, *, pool_size: tuple[int, int], stride: tuple[int, int] | None = None) -> tuple[Array, Saved]:
    """The largest entry of every window (1); of complex numbers the one with the largest real part. NaN wins.

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        pool_size, stride: (rows, columns); without a stride the windows lie side by side.

    Returns:
        y (B, C, H_out, W_out) with H_out = (H - p) // s + 1: rows and columns that no whole window reaches are left
        out; and what `backward` needs.

    Raises:
        ValueError: a rank or a size that does not fit.
    """
    stride = pool_size if stride is None else stride
    checks.rank(x, "x", "B C H W")
    checks.hyperparameter_pairs(pool_size=(pool_size, 1), stride=(stride, 1))
    size = checks.output_size((x.shape[2], x.shape[3]), pool_size, stride, "pool_size")
    y = np.empty((*x.shape[:2], *size), x.dtype)
    each_part(Forward, x.shape[2:], pool_size, stride, x, y)
    return y, Saved(x, y.copy(), (pool_size[0], pool_size[1]), (stride[0], stride[1]))


class Forward(Plan):
    """(1) for up to `planes` images at a time; the arguments are those of `Sheets`."""

    def __init__(self, planes: int, size: Size2, pool_size: Size2, stride: Size2, dtype: Any) -> None:
        super().__init__(dtype)
        self.sheets = Sheets(self, planes, size, pool_size, stride)
        self.best = self.empty(planes, *self.sheets.places)

    def run(self, x: Array, y: Array) -> None:
        """(1) of images x (n, H, W) into y."""
        self.sheets.load(x)
        winner, *entries = self.sheets.runs(len(x))
        best = self.best.reshape(-1)[: len(winner)]
        np.copyto(best, winner)
        for entry in entries:
            if np.iscomplexobj(best):
                np.copyto(best, entry, where=np.real(entry) > np.real(best))
            else:
                np.maximum(best, entry, out=best)  # (1)
        y[...] = self.best[: len(x), : y.shape[1], : y.shape[2]]


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    g, (x, y, pool_size, stride) = grad_output, saved
    checks.same_shape(g, y.shape, "grad_output", "the output")
    x, y, g = (a.astype(np.result_type(x, g), copy=False) for a in (x, y, g))
    covered = stride[0] <= pool_size[0] and stride[1] <= pool_size[1]  # otherwise some entries are in no window
    grad_x = (np.empty if covered else np.zeros)(x.shape, x.dtype)
    each_part(Backward, x.shape[2:], pool_size, stride, x, y, g, grad_x)
    return (grad_x,)


class Backward(Plan):
    """(3) for up to `planes` images at a time; the arguments are those of `Sheets`."""

    def __init__(self, planes: int, size: Size2, pool_size: Size2, stride: Size2, dtype: Any) -> None:
        super().__init__(dtype)
        self.overlap = pool_size[0] > stride[0] or pool_size[1] > stride[1]
        self.sheets, self.sums = (Sheets(self, planes, size, pool_size, stride) for _ in range(2))
        shape = (planes, *self.sheets.places)
        self.y, self.g, self.share = self.zeros(*shape), self.zeros(*shape), self.empty(*shape)
        self.waiting, self.won = self.empty(*shape, dtype=bool), self.empty(*shape, dtype=bool)

    def run(self, x: Array, y: Array, g: Array, grad_x: Array) -> None:
        """(3) of images x (n, H, W), their y and g, into grad_x."""
        n, length = len(x), self.sheets.length(len(x))
        self.sheets.load(x)
        if self.overlap:
            self.sums.sheets[...] = 0
        best, g_run = self.sheets.run_of(y, self.y), self.sheets.run_of(g, self.g)
        share, waiting, won = (a.reshape(-1)[:length] for a in (self.share, self.waiting, self.won))
        waiting[...] = True  # windows whose winner has not come yet
        with np.errstate(over="ignore", invalid="ignore"):  # one pass: a sum is finite only if every term is
            nans = np.isnan(best) if np.isnan(best.sum()) else None

        def give(gradient: Array, winners: Array) -> None:
            if self.overlap:
                gradient += where(winners, g_run, out=share)  # (3)
            else:
                where(winners, g_run, out=gradient)  # (3), a sum of one

        (*gradients, last_gradient), (*entries, _) = self.sums.runs(n), self.sheets.runs(n)
        for entry, gradient in zip(entries, gradients, strict=True):
            np.equal(entry, best, out=won)
            if nans is not None:
                won |= nans & np.isnan(entry)  # NaN equals nothing, and still won
            won &= waiting
            waiting ^= won
            give(gradient, won)
        give(last_gradient, waiting)  # whoever still waits has the last entry for a winner
        self.sums.unload(grad_x)


def each_part(
    plan: type[Forward | Backward], size: Any, pool_size: Size2, stride: Size2, x: Array, *others: Array
) -> None:
    """plan.run on some images at a time, one channel of one sample each; several threads share them out."""
    images = [a.reshape(-1, *a.shape[2:]) for a in (x, *others)]  # (B·C, H, W)
    number = len(images[0])
    shares = threads.share(number, threads.num_threads() if x.nbytes >= PARALLEL else 1)
    planes = max(1, min(AT_ONCE * number // max(x.nbytes, 1), -(-number // len(shares))))
    key = (plan, planes, size, pool_size, stride, x.dtype)

    def part(some: int) -> None:
        scratch = cache.take(key, lambda: plan(planes, size, pool_size, stride, x.dtype))
        for first in range(shares[some].start, shares[some].stop, planes):
            at = slice(first, min(first + planes, shares[some].stop))
            scratch.run(*(a[at] for a in images))
        cache.give(key, scratch)

    threads.run(part, len(shares), guarded=False)


class MaxPoolingLayer(Layer):
    """The lecture's max pooling.

    Args:
        pool_size: an int or a (rows, columns) pair.
        stride: the same; None: the pool size, so that windows lie side by side. Smaller: they overlap.
        dtype: float64 or float32.

    Raises:
        TypeError: a size that is not an integer, or another dtype.
        ValueError: a size below 1.
    """

    def __init__(self, pool_size: Size, stride: Size | None = None, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.pool_size = checks.pair(pool_size, "pool_size", 1)
        self.stride = self.pool_size if stride is None else checks.pair(stride, "stride", 1)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {"pool_size": self.pool_size, "stride": self.stride}
        return (Stage("max_pooling", (), hyper),)
