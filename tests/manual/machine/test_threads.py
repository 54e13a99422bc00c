"""Threads: the same result, BLAS's own number back, errors, child processes."""

import multiprocessing
import threading
from typing import Any

import numpy as np
import pytest

from manual import (
    kernels,
)
from manual.machine import threads
from tests.manual.kernels.arguments import LARGE, arrays


def blas_threads() -> list[int]:
    """Of the libraries that the guard knows; others may be loaded later, but NumPy does not use them."""
    with threads.blas_at_one_thread:
        libraries = threads.blas_at_one_thread.libraries
    return [library.get_num_threads() for library in libraries or ()]


def test_threads_give_the_same_result_and_blas_gets_its_own_back() -> None:
    data, before = arrays(*LARGE), blas_threads()
    with threads.threads(3):
        first, saved = kernels.forward(*data, engine="gemm")
        again, _ = kernels.forward(*data, engine="gemm")
    np.testing.assert_array_equal(first, again)
    kernels.backward(first, saved)
    assert blas_threads() == before


def test_overlapping_guards_restore_blas() -> None:
    before = blas_threads()
    inside, outside = threading.Barrier(2), threading.Barrier(2)

    def hold() -> None:
        with threads.blas_at_one_thread:
            inside.wait()
        outside.wait()

    other = threading.Thread(target=hold)
    other.start()
    with threads.blas_at_one_thread:
        inside.wait()
        outside.wait()  # the first out leaves BLAS as it is
        assert set(blas_threads()) == {1}
    other.join()
    assert blas_threads() == before


def test_an_error_in_a_part_reaches_the_caller_and_blas_is_restored() -> None:
    before = blas_threads()

    def work(part: int) -> None:
        if part == 1:
            raise ArithmeticError("part 1")

    with pytest.raises(ArithmeticError, match="part 1"):
        threads.run(work, 3)
    assert blas_threads() == before


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels.set_num_threads(3)
    assert kernels.num_threads() == 3
    kernels.set_num_threads(None)
    for text, number in (("5", 5), (" 1 ", 1)):
        monkeypatch.setenv(threads.ENVIRONMENT, text)
        assert threads.number_from_environment() == number
    monkeypatch.setenv(threads.ENVIRONMENT, "many")
    with pytest.raises(ValueError, match="MANUAL_NUM_THREADS is 'many'; it must be a positive integer"):
        threads.number_from_environment()
    with pytest.raises(ValueError, match="number of threads is 0; it must be at least 1"):
        kernels.set_num_threads(0)


def in_a_child(queue: Any) -> None:
    """Run in a child: how many threads it may use, its result, and whether BLAS got its threads back."""
    y, saved = kernels.forward(*arrays(*LARGE), engine="gemm")
    queue.put((threads.number_from_environment(), y, kernels.backward(y, saved)[0], blas_threads()))


@pytest.mark.filterwarnings("ignore:.*fork")  # by Python 3.12 and later, and by JAX if it is loaded
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_process(method: str) -> None:
    if method == "forkserver":
        pytest.skip("as fork, from another parent")
    data = arrays(*LARGE)
    y, saved = kernels.forward(*data, engine="gemm")  # the parent's pool is in use
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=in_a_child, args=(queue,))
    child.start()
    number, theirs, gradient, blas = queue.get(timeout=60)
    child.join(60)
    assert (number, child.exitcode) == (1, 0)
    np.testing.assert_allclose(theirs, y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, kernels.backward(y, saved)[0], rtol=1e-12, atol=1e-10)
    assert blas == blas_threads()
