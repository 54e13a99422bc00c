"""What was compiled, kept while it may be wanted again: one cache for every kind of program.

Several cases may be checked at once, so a cache is entered by one thread at a time; what fills it (tracing, and making
a function that compiles when it is first called) is short, and is done outside, so that nobody waits for it: of two
threads that make the same program at once, the first to be done is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import jax
from platformdirs import user_cache_path

T = TypeVar("T")


class Programs(Generic[T]):
    """A bounded dictionary that forgets what was not asked for the longest.

    Args:
        limit: how many programs are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kept: OrderedDict[Hashable, T] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The program of `key`; made now if it is not there."""
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        made = make()
        with self.lock:
            made = self.kept.setdefault(key, made)
            self.kept.move_to_end(key)
            while len(self.kept) > self.limit:
                self.kept.popitem(last=False)
        return made


def keep_compilations() -> None:
    """Keep what XLA compiles in the user's cache folder: the second run starts warm."""
    folder = user_cache_path("crosscheck") / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only home: then every run compiles
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
