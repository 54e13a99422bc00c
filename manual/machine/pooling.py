"""Max pooling at the speed of memory, for float32 and float64: the definition's numbers, tap by tap.

For one tap (i, j) of the windows, the entries of all windows at once are one flat run of memory (`sheets.py`); call it
run[i,j]. Then, tap after tap in row-major order,

    best = max_{i,j} run[i,j]                                                  (1)
    won[i,j] = (run[i,j] = best) and not won by an earlier tap                 (2)
    gradient of run[i,j] += G where won[i,j], else 0                           (3)

(2) gives every window to the first of its largest entries; the last tap takes what no other has won. Where windows do
not overlap every run has memory of its own and (3) is a sum of one. NaN equals nothing, and wins nevertheless: (1)
hands it on, and in (2) the first NaN of a window whose best is NaN has won.

Where samples are innermost in memory (`layout`), every tap's entries lie in runs of samples already, and none is moved;
Y and ∂L/∂X keep that layout.

Letters: G = ∂L/∂Y; i, j position in the window.

Images are independent: a few at a time stay in a cache, and several threads share them out.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import gt, mul
from typing import Any

import numpy as np

from manual.machine import threads
from manual.machine.elementwise import BITS
from manual.machine.layout import samples_first, samples_innermost, samples_last
from manual.machine.plans import Plan, cache
from manual.machine.sheets import Sheets

Array = np.ndarray
Sizes = tuple[int, ...]

AT_ONCE = 2**21  # bytes of X that a thread has in hand: enough for long calls, few enough for a cache
PARALLEL = 2**20  # bytes of X from which several threads pay


class Forward(Plan):
    """(1) for up to `planes` images at a time; the arguments are those of `Sheets`."""

    def __init__(self, planes: int, size: Sizes, pool_size: Sizes, stride: Sizes, dtype: Any) -> None:
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
            np.maximum(entry, best, out=best)  # (1)
        y[...] = self.best[tuple(map(slice, y.shape))]


class Backward(Plan):
    """(2) and (3) for up to `planes` images at a time; the arguments are those of `Sheets`."""

    def __init__(self, planes: int, size: Sizes, pool_size: Sizes, stride: Sizes, dtype: Any) -> None:
        super().__init__(dtype)
        self.overlap = any(k > step for k, step in zip(pool_size, stride, strict=True))
        self.sheets, self.sums = (Sheets(self, planes, size, pool_size, stride) for _ in range(2))
        shape = (planes, *self.sheets.places)
        self.y, self.g, self.share = self.zeros(*shape), self.zeros(*shape), self.empty(*shape)
        self.waiting, self.won = self.empty(*shape, dtype=bool), self.empty(*shape, dtype=bool)

    def run(self, x: Array, y: Array, g: Array, grad_x: Array) -> None:
        """(2) and (3) of images x (n, H, W), their y and g, into grad_x."""
        n, length = len(x), self.sheets.length(len(x))
        self.sheets.load(x)
        if self.overlap:
            self.sums.sheets[...] = 0
        best, g_run = self.sheets.run_of(y, self.y), self.sheets.run_of(g, self.g)
        share, waiting, won = (a.reshape(-1)[:length] for a in (self.share, self.waiting, self.won))
        gradients = self.sums.runs(n)
        give_to_winners(self.sheets.runs(n), best, g_run, gradients, waiting, won, share if self.overlap else None)
        self.sums.unload(grad_x)


def give_to_winners(
    entries: Sequence[Array],
    best: Array,
    g: Array,
    gradients: Sequence[Array],
    waiting: Array,
    won: Array,
    share: Array | None,
) -> None:
    """(2) and (3), for one array per tap of entries and of their gradients.

    Args:
        waiting, won: boolean scratch of best's shape.
        share: scratch of g's dtype where windows overlap, whose gradients are then added up; None where (3) is a sum of
            one.
    """
    top = best.max(initial=-np.inf)
    nans = np.isnan(best) if top != top else None
    bits = BITS[g.dtype]  # times 1 or 0, as in `where`
    given, part = g.view(bits), None if share is None else share.view(bits)
    if len(entries) == 1:
        waiting[...] = True
    for number, (entry, gradient) in enumerate(zip(entries, gradients, strict=True)):
        if number == len(entries) - 1:
            winners = waiting  # whoever still waits has the last entry for a winner
        else:
            winners = np.equal(entry, best, out=won)
            if nans is not None:
                won |= nans & np.isnan(entry)  # NaN equals nothing, and still won
            if number:
                won &= waiting  # (2)
                waiting ^= won
            else:
                np.logical_not(won, out=waiting)  # windows whose winner has not come yet
        if part is None or share is None:
            np.multiply(given, winners, out=gradient.view(bits))  # (3), a sum of one
        else:
            np.multiply(given, winners, out=part)
            gradient += share  # (3)


def forward(x: Array, size: Sizes, pool_size: Sizes, stride: Sizes) -> Array:
    """The largest entry of every window of x (B, C, H, W), or of any number of axes; `size` is (H_out, W_out)."""
    if samples_innermost(x):
        return forward_by_taps(x, size, pool_size, stride)
    y = np.empty((*x.shape[:2], *size), x.dtype)
    each_part(Forward, pool_size, stride, x, y)
    return y


def backward(g: Array, x: Array, y: Array, pool_size: Sizes, stride: Sizes) -> Array:
    """The gradient of x from g = ∂L/∂y, all of one dtype."""
    if samples_innermost(x):
        return backward_by_taps(g, x, y, pool_size, stride)
    covered = all(step <= k for k, step in zip(pool_size, stride, strict=True))  # else some entries are in no window
    grad_x = (np.empty if covered else np.zeros)(x.shape, x.dtype)
    each_part(Backward, pool_size, stride, x, y, g, grad_x)
    return grad_x


def each_part(plan: type[Forward | Backward], pool_size: Sizes, stride: Sizes, x: Array, *others: Array) -> None:
    """plan.run on some images at a time, one channel of one sample each; several threads share them out."""
    images = [a.reshape(-1, *a.shape[2:]) for a in (x, *others)]  # (B·C, H, W)
    number, size = len(images[0]), x.shape[2:]
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


# ---------------------------------------------------------------------- samples innermost


@lru_cache(maxsize=256)
def taps(size: Sizes, pool_size: Sizes, stride: Sizes) -> list[tuple[slice, ...]]:
    """For every tap, in row-major order, the entries of all windows of (C, H, W, B)."""
    found = []
    for tap in np.ndindex(*pool_size):
        along = zip(tap, stride, size, strict=True)
        found.append((slice(None), *(slice(i, i + step * (count - 1) + 1, step) for i, step, count in along)))
    return found


def channels_at_once(x: Array) -> list[slice]:
    """Channels whose images stay in a cache; x (C, H, W, B)."""
    some = max(1, AT_ONCE * len(x) // max(4 * x.nbytes, 1))
    return [slice(first, first + some) for first in range(0, len(x), some)]


def forward_by_taps(x: Array, size: Sizes, pool_size: Sizes, stride: Sizes) -> Array:
    """As `forward`, samples innermost."""
    x = samples_last(x)
    y = np.empty((len(x), *size, x.shape[-1]), x.dtype)
    for some in channels_at_once(x):
        first, *entries = [x[some][tap] for tap in taps(size, pool_size, stride)]
        best = y[some]
        if not entries:
            np.copyto(best, first)
        for entry in entries:
            np.maximum(entry, first, out=best)  # (1)
            first = best
    return samples_first(y)


def backward_by_taps(g: Array, x: Array, y: Array, pool_size: Sizes, stride: Sizes) -> Array:
    """As `backward`, samples innermost."""
    x, y, g = samples_last(x), samples_last(y), np.ascontiguousarray(samples_last(g))
    at, whole = taps(y.shape[1:-1], pool_size, stride), tuple(map(mul, pool_size, y.shape[1:-1]))
    alone = pool_size == stride and whole == x.shape[1:-1]  # every entry is in one window, and written once
    overlap = any(map(gt, pool_size, stride))
    grad_x = (np.empty if alone else np.zeros)(x.shape, x.dtype)
    for some in channels_at_once(x):
        best = y[some]
        waiting, won = np.empty(best.shape, bool), np.empty(best.shape, bool)
        share = np.empty(best.shape, x.dtype) if overlap else None
        entries, gradients = ([a[some][tap] for tap in at] for a in (x, grad_x))
        give_to_winners(entries, best, g[some], gradients, waiting, won, share)
    return samples_first(grad_x)
