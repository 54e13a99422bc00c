"""Time several functions that do the same, in turns, and keep the rounds in which the machine was undisturbed.

A machine's speed drifts, so times taken minutes apart make no ratio. A round times each contender once, one after the
other, and a ratio is taken within its round. Before its turn every contender rests, which lets the threads of the one
before go idle, and makes a few untimed calls; its turn is the median of a burst of calls. Their order turns from round
to round.

Shared machines lose a core now and then. So every round begins and ends with a matrix product, whose rate is known: a
round with less than `UNDISTURBED` of the best rate seen is repeated, up to `TRIES` times as many rounds as asked for.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple

import numpy as np

REST = 0.06  # seconds; OpenBLAS's workers spin for about half of that after a call
BURST = 0.04  # seconds, at least, of timed calls
UNTIMED_CALLS = 2
LEAST_CALLS = 3
SIDE = 2048  # of the matrix product
UNDISTURBED = 0.85
TRIES = 3

Contender = Callable[[], Any]


class Timed(NamedTuple):
    """Of the rounds that count."""

    seconds: dict[str, list[float]]  # per call, in each round, by contender
    product: list[float]  # flops per second of the matrix product around each round
    dropped: int  # rounds that did not count

    def median(self, name: str) -> float:
        return median(self.seconds[name])

    def ratio(self, name: str, peer: str) -> float:
        """The median of the rounds' ratios, time of `name` over time of `peer`."""
        return median(mine / other for mine, other in zip(self.seconds[name], self.seconds[peer], strict=True))


class Product:
    """A 2048×2048 product in one dtype, by whatever BLAS NumPy has, with all its threads."""

    def __init__(self, dtype: Any) -> None:
        rng = np.random.default_rng(0)
        self.left, self.right = (rng.standard_normal((SIDE, SIDE)).astype(dtype) for _ in range(2))
        self.best = 0.0
        for _ in range(5):
            self.rate()

    def rate(self) -> float:
        """Flops per second, now."""
        time.sleep(REST)
        np.matmul(self.left[: SIDE // 8], self.right)
        start = time.perf_counter()
        np.matmul(self.left, self.right)
        rate = 2 * SIDE**3 / (time.perf_counter() - start)
        self.best = max(self.best, rate)
        return rate


def time_in_turns(contenders: Mapping[str, Contender], product: Product, *, rounds: int) -> Timed:
    """Time every contender in `rounds` undisturbed rounds; in fewer if the machine has none."""
    order = list(contenders)
    kept: list[tuple[float, dict[str, float]]] = []  # (slower product of the two, seconds by contender)
    tried = 0
    while tried < TRIES * rounds:
        before = product.rate()
        turns = {name: burst(contenders[name]) for name in order}
        kept.append((min(before, product.rate()), turns))
        order.append(order.pop(0))
        tried += 1
        if sum(rate >= UNDISTURBED * product.best for rate, _ in kept) == rounds:
            break
    counting = [one for one in kept if one[0] >= UNDISTURBED * product.best] or kept
    seconds = {name: [turns[name] for _, turns in counting] for name in contenders}
    return Timed(seconds, [rate for rate, _ in counting], len(kept) - len(counting))


def burst(contender: Contender) -> float:
    """The median seconds of a call, after a rest."""
    time.sleep(REST)
    for _ in range(UNTIMED_CALLS):
        contender()
    seconds: list[float] = []
    spent = 0.0
    while len(seconds) < LEAST_CALLS or spent < BURST:
        start = time.perf_counter()
        contender()
        seconds.append(time.perf_counter() - start)
        spent += seconds[-1]
    return median(seconds)
