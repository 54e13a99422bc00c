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
UNTIMED_CALLS = 2
LEAST_CALLS = 3
SIDE = 2048  # of the matrix product
UNDISTURBED = 0.85
TRIES = 3


class Contender(NamedTuple):
    call: Callable[[], Any]  # returns what it computed, complete
    setup: Callable[[], object] | None = None  # before every call, untimed; then no call goes untimed


class Timed(NamedTuple):
    """Of the rounds that count."""

    seconds: dict[str, list[float]]  # per call, in each round, by contender
    product: list[float]  # flops per second of the matrix product around each round
    dropped: int  # rounds that did not count

    def over(self, name: str, peer: str) -> dict[str, float]:
        """The quartiles of the rounds' ratios, time of `name` over time of `peer`."""
        return quartiles([mine / other for mine, other in zip(self.seconds[name], self.seconds[peer], strict=True)])

    def share(self, name: str, flops: float) -> dict[str, float]:
        """The quartiles of the rate over the product's in the same round."""
        pairs = zip(self.seconds[name], self.product, strict=True)
        return quartiles([flops / seconds / rate for seconds, rate in pairs])


def quartiles(values: list[float]) -> dict[str, float]:
    return dict(zip(("q1", "median", "q3"), np.quantile(values, (0.25, 0.5, 0.75)).tolist(), strict=True))


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


def time_in_turns(contenders: Mapping[str, Contender], product: Product, *, rounds: int, seconds: float) -> Timed:
    """Time every contender in `rounds` undisturbed rounds, in fewer if the machine has none; a turn takes `seconds`."""
    order = list(contenders)
    kept: list[tuple[float, dict[str, float]]] = []  # (slower product of the two, seconds by contender)
    while len(kept) < TRIES * rounds:
        before = product.rate()
        turns = {name: burst(contenders[name], seconds) for name in order}
        kept.append((min(before, product.rate()), turns))
        order.append(order.pop(0))
        if sum(rate >= UNDISTURBED * product.best for rate, _ in kept) == rounds:
            break
    counting = [one for one in kept if one[0] >= UNDISTURBED * product.best] or kept
    by_name = {name: [turns[name] for _, turns in counting] for name in contenders}
    return Timed(by_name, [rate for rate, _ in counting], len(kept) - len(counting))


def burst(contender: Contender, seconds: float) -> float:
    """The median time of a call, over at least so many seconds of calls, after a rest."""
    time.sleep(REST)
    for _ in range(0 if contender.setup else UNTIMED_CALLS):
        contender.call()
    found: list[float] = []
    while len(found) < LEAST_CALLS or sum(found) < seconds:
        if contender.setup:
            contender.setup()
        start = time.perf_counter()
        contender.call()
        found.append(time.perf_counter() - start)
    return median(found)


class Clock:
    """A clock for pytest-benchmark that goes by rounds already measured: the plugin reads it around each of its."""

    __name__ = "rounds_in_turns"

    def __init__(self) -> None:
        self.readings: list[float] = []

    def show(self, seconds: list[float]) -> None:
        self.readings = [reading for round_ in seconds for reading in (0.0, round_)]

    def __call__(self) -> float:
        return self.readings.pop(0)


CLOCK = Clock()
