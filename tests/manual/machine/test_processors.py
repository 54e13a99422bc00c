"""A thread of the pool that is woken on its caller's processor goes to another one, and nobody else is moved."""

import os
import threading
from collections.abc import Callable

import numpy as np
import pytest

from manual.machine import threads

pytestmark = pytest.mark.skipif(
    threads.processor() is None or len(os.sched_getaffinity(0)) < 2,
    reason="needs two processors that can be told apart",
)


def in_a_thread(work: Callable[[], object]) -> None:
    """Run it in a thread of its own, whose affinity goes with it, and raise what it raises."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def test_a_thread_leaves_the_processor_that_is_taken() -> None:
    def work() -> None:
        allowed = os.sched_getaffinity(0)
        for _ in range(3):  # from one to another and back: only the last one is excluded
            taken = threads.processor()
            assert taken is not None
            threads.leave(taken)
            assert threads.processor() != taken
            assert os.sched_getaffinity(0) == allowed - {taken}

    in_a_thread(work)


def test_a_thread_elsewhere_stays_as_it_is() -> None:
    def work() -> None:
        allowed = os.sched_getaffinity(0)
        threads.leave(None)
        here = min(allowed)
        os.sched_setaffinity(0, {here})
        threads.leave(max(allowed))
        assert os.sched_getaffinity(0) == {here}

    in_a_thread(work)


def test_what_somebody_else_allows_holds() -> None:
    def work() -> None:
        first, second, *_ = allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {first})
        threads.leave(first)
        assert os.sched_getaffinity(0) == {first}  # it may run nowhere else
        os.sched_setaffinity(0, allowed)
        threads.leave(threads.processor())
        os.sched_setaffinity(0, {first, second})
        taken = threads.processor()
        assert taken is not None
        threads.leave(taken)
        assert os.sched_getaffinity(0) == {first, second} - {taken}

    in_a_thread(work)


def test_the_caller_is_not_moved() -> None:
    before, found = os.sched_getaffinity(0), []

    def work(part: int) -> None:
        found.append((part, threading.get_ident(), np.ones((200, 200)) @ np.ones((200, 200))))

    for _ in range(5):
        threads.run(work, 2)
    assert os.sched_getaffinity(0) == before
    assert sorted(part for part, *_ in found) == [0] * 5 + [1] * 5
