"""A few threads that share the parts of one call, and BLAS held to one thread meanwhile.

NumPy releases the interpreter lock inside long calls, so two Python threads, each on its own blocks
with a single-threaded BLAS, use two cores for the copies and transforms as well as for the
products; a multi-threaded BLAS under one Python thread uses two cores for the products only.

The number of threads is `MANUAL_NUM_THREADS` or `set_num_threads(n)`, else the cores that this
process may run on; in a worker process of `multiprocessing` it is 1 unless set, since its siblings
have the other cores.

A call is cut into `count` parts by that number alone, not by who is free, and every part has
scratch of its own: the result does not depend on which thread ran which part. The calling thread
takes parts too, so a call ends even when the pool is busy with another one. Idle threads wait on a
queue; none spins. After a fork the child starts with an empty pool.
"""

import ctypes
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from queue import SimpleQueue
from typing import Any

import numpy as np
import threadpoolctl

from manual import checks

Work = Callable[[int], object]
ENVIRONMENT = "MANUAL_NUM_THREADS"


# ---------------------------------------------------------------------- how many

_chosen: int | None = None
_default: int | None = None


def set_num_threads(number: int | None) -> None:
    """How many threads a call may use from now on; None: back to the environment's number.

    Raises:
        ValueError: less than 1. TypeError: not an integer.
    """
    global _chosen
    _chosen = None if number is None else checks.integer(number, "number of threads", 1)


def num_threads() -> int:
    """How many threads a call may use.

    Raises:
        ValueError: MANUAL_NUM_THREADS is not a positive integer.
    """
    global _default
    if _chosen is not None:
        return _chosen
    if _default is None:
        _default = number_from_environment()
    return _default


def number_from_environment() -> int:
    text = os.environ.get(ENVIRONMENT, "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"{ENVIRONMENT} is {text!r}; it must be a positive integer")
        return int(text)
    if multiprocessing.parent_process() is not None:
        return 1
    if hasattr(os, "sched_getaffinity"):  # not on every platform
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# ---------------------------------------------------------------------- BLAS at one thread


def blas() -> list[dict[str, Any]]:
    """The BLAS libraries of this process: what each is, in which version, with which kernels."""
    _ = np.ones((2, 2)) @ np.ones((2, 2))  # which loads it
    about = ("internal_api", "version", "architecture")
    libraries = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    return [{name: library.get(name) for name in about} for library in libraries]


class BlasGuard:
    """BLAS held to one thread while anyone is inside.

    One counter for the process: the first in saves BLAS's number of threads and the last out
    restores it. (Two overlapping limits that each save and restore leave BLAS at one thread for
    good.)
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.libraries: list[Any] | None = None
        self.saved: list[int] = []

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside > 1:
                return
            if self.libraries is None:
                found = threadpoolctl.ThreadpoolController().lib_controllers
                self.libraries = [library for library in found if library.user_api == "blas"]
            self.saved = [library.get_num_threads() for library in self.libraries]
            self.set([1] * len(self.saved))

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.set(self.saved)

    def set(self, numbers: list[int]) -> None:
        for library, number in zip(self.libraries or (), numbers, strict=True):
            # Newer versions of threadpoolctl heed one thread only, whichever came first, and let the others do nothing.
            # Here the lock keeps order, and whoever is last out must be heard; then the place is free for others.
            release = getattr(type(library), "clear_controlling_thread", None)
            if release is not None:
                release(force=True)
            library.set_num_threads(number)
            if release is not None:
                release(force=True)


blas_at_one_thread = BlasGuard()


# ---------------------------------------------------------------------- a core of one's own


def processor_of_libc() -> Callable[[], int] | None:
    """The C library's `sched_getcpu`, if there is one; called without giving up the interpreter lock."""
    try:
        return ctypes.PyDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):  # no such function; no such library; not on Windows
        return None


_processor = processor_of_libc() if hasattr(os, "sched_setaffinity") else None


def processor() -> int | None:
    """Which one this thread runs on, where that can be asked."""
    return None if _processor is None else _processor()


class Place(threading.local):
    """Where a thread may run: as the system says, and what we made of that."""

    allowed: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()


_place = Place()


def leave(taken: int | None) -> None:
    """Keep this thread of the pool off the processor `taken`, where its caller works, if it was woken there.

    A scheduler that does not know of a cache that processors share, as on virtual machines, wakes a thread where it ran
    before or where it is called from, and does not look for one that is idle: two threads on one take turns, and the
    call takes as long as on one thread. Whatever else it may run on, it still may.
    """
    if taken is None or processor() != taken:
        return
    now = frozenset(os.sched_getaffinity(0))  # of this thread
    if now != _place.kept:  # the first time, or somebody else has set it since
        _place.allowed = now
    if others := _place.allowed - {taken}:
        os.sched_setaffinity(0, others)
        _place.kept = others


# ---------------------------------------------------------------------- the pool


class Pool:
    """Threads that take calls from one queue; as many as were ever wanted at once, less the caller."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.size = 0

    def run(self, work: Work, count: int) -> None:
        """work(0), ..., work(count - 1), on up to `count` threads; an exception in any of them is raised here."""
        here = processor()
        parts = itertools.count()  # next() on it is atomic
        done: SimpleQueue[BaseException | None] = SimpleQueue()

        def take_parts() -> None:
            while (part := next(parts)) < count:
                try:
                    work(part)
                except BaseException as error:
                    done.put(error)
                else:
                    done.put(None)

        def help_out() -> None:
            leave(here)
            take_parts()

        self.grow(count - 1)
        for _ in range(count - 1):
            self.calls.put(help_out)
        take_parts()
        errors = [done.get() for _ in range(count)]
        for error in errors:
            if error is not None:
                raise error

    def grow(self, size: int) -> None:
        if self.size < size:
            with self.lock:
                while self.size < size:
                    self.size += 1
                    threading.Thread(target=self.serve, args=(self.calls,), name="manual", daemon=True).start()

    @staticmethod
    def serve(calls: "SimpleQueue[Callable[[], None]]") -> None:
        while True:
            calls.get()()


_pool = Pool()


def run(work: Work, count: int, *, guarded: bool = True) -> None:
    """work(0), ..., work(count - 1), side by side, with BLAS at one thread; `count` is at most `num_threads()`.

    Args:
        guarded: False leaves BLAS alone: for work without matrix products, or with such small ones that BLAS starts no
            threads for them.
    """
    # OpenBLAS's kernels may raise the invalid flag from lanes past the end of a vector, for a result that is right. Of
    # the others a thread is as quiet as its caller.
    state: dict[str, Any] = {"invalid": "ignore"} if count == 1 else {**np.geterr(), "invalid": "ignore"}

    def quietly(part: int) -> None:
        with np.errstate(**state):
            work(part)

    with blas_at_one_thread if guarded else nullcontext():
        if count == 1:
            quietly(0)
        else:
            _pool.run(quietly, count)


def share(total: int, parts: int) -> list[range]:
    """range(total) in at most `parts` contiguous pieces of nearly equal length; none is empty unless all is."""
    parts = max(1, min(parts, total))
    ends = [total * part // parts for part in range(parts + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(ends)]


@contextmanager
def threads(number: int) -> Generator[None]:
    """`set_num_threads` for the length of a `with` block; for the whole process, as that is."""
    global _chosen
    before = _chosen
    set_num_threads(number)
    try:
        yield
    finally:
        _chosen = before


def start_afresh() -> None:
    """In a forked child no thread of the pool lives, a lock may have been held, BLAS may have been at one thread."""
    global _pool, blas_at_one_thread, _default
    before, _default = blas_at_one_thread, None
    _pool, blas_at_one_thread = Pool(), BlasGuard()
    blas_at_one_thread.libraries = before.libraries
    if before.inside:
        before.set(before.saved)


if hasattr(os, "register_at_fork"):  # not on every platform
    os.register_at_fork(after_in_child=start_afresh)
