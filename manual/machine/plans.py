"""Plans: the scratch arrays and views of one configuration, made once and used again.

Making the views of a convolution costs more than a small convolution itself, and its scratch has
borders of zeros that stay as they are. So an engine keeps them in a plan. A call takes a plan out
of the cache, or builds one if none is free, and gives it back: no two calls have the same plan at
one time, and every call overwrites whatever it reads. The cache forgets the plans that were used
least recently once all of them hold more than `LIMIT` bytes.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np

Array = np.ndarray

LIMIT = 64 * 2**20  # bytes in the cache


class Plan:
    """Scratch of one configuration; a subclass adds the views and the work."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.nbytes = 0

    def empty(self, *shape: int, dtype: Any = None) -> Array:
        return self.count(np.empty(shape, dtype or self.dtype))

    def zeros(self, *shape: int, dtype: Any = None) -> Array:
        return self.count(np.zeros(shape, dtype or self.dtype))

    def count(self, array: Array) -> Array:
        self.nbytes += array.nbytes
        return array


SomePlan = TypeVar("SomePlan", bound=Plan)


class Cache:
    """Free plans by configuration, the least recently used first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.free: OrderedDict[Hashable, list[tuple[Any, int]]] = OrderedDict()
        self.nbytes = 0

    def take(self, key: Hashable, build: Callable[[], SomePlan]) -> SomePlan:
        """A plan for this configuration, the caller's alone until it is given back (or dropped: after an error)."""
        with self.lock:
            plans = self.free.get(key)
            if plans:  # a judge that puts back what it found may have left an empty list
                plan, nbytes = plans.pop()
                self.nbytes -= nbytes
                if not plans:
                    del self.free[key]
                return plan
        return build()

    def give(self, key: Hashable, plan: Plan) -> None:
        with self.lock:
            self.free.setdefault(key, []).append((plan, plan.nbytes))
            self.free.move_to_end(key)
            self.nbytes += plan.nbytes
            while self.nbytes > self.limit and self.free:
                oldest, plans = next(iter(self.free.items()))
                self.nbytes -= plans.pop(0)[1] if plans else 0
                if not plans:
                    del self.free[oldest]

    def clear(self) -> None:
        with self.lock:
            self.free.clear()
            self.nbytes = 0


cache = Cache(LIMIT)


def start_afresh() -> None:
    """In a forked child a lock may have been held."""
    cache.__init__(LIMIT)


if hasattr(os, "register_at_fork"):  # not on every platform
    os.register_at_fork(after_in_child=start_afresh)
