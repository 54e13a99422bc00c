"""forward and backward as a user calls them: what is saved, two callers at once, scratch."""

import pickle
import threading
import tracemalloc

import numpy as np
import pytest

from manual import (
    kernels,
)
from manual.kernels import ENGINES, gemm, transform, winograd
from manual.machine import threads
from tests.manual.kernels.arguments import arrays
from tests.refusals import refused


def test_a_gradient_of_another_shape() -> None:
    y, saved = kernels.forward(*arrays())
    refused(lambda: kernels.backward(y[..., 0], saved), ValueError, "grad_output", "(2, 6, 7)", "(2, 6, 7, 6)")


def test_saved_can_be_pickled() -> None:
    y, saved = kernels.forward(*arrays())
    again = pickle.loads(pickle.dumps(saved))
    for mine, theirs in zip(kernels.backward(y, again), kernels.backward(y, saved), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("engine", "calls", "pool"),
    [
        pytest.param("small", 2500, False, id="small"),
        pytest.param("gemm", 2500, False, id="gemm"),
        *(pytest.param(name, 200, True, id=f"{name}, pool") for name in ("gemm", "winograd4x2", "transform")),
    ],
)
def test_two_callers_at_one_shape(engine: str, calls: int, pool: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 calls of one shape, two at a time with different data: always the same results, no growth."""
    if pool:
        for module in (gemm, transform, winograd):
            monkeypatch.setattr(module, "PARALLEL", 0)
    failures: list[int] = []

    def call(seed: int, times: int) -> None:
        rng = np.random.default_rng(seed)
        data = [rng.standard_normal(array.shape) for array in arrays((2, 2, 6, 5), (3, 2, 3, 3))]
        y, saved = kernels.forward(*data, engine=engine)
        results = (y, *kernels.backward(y, saved))
        for _ in range(times):
            y_again, saved = kernels.forward(*data, engine=engine)
            again = (y_again, *kernels.backward(y_again, saved))
            if not all(map(np.array_equal, again, results)):
                failures.append(seed)
                return

    def both(times: int) -> None:
        callers = [threading.Thread(target=call, args=(seed, times)) for seed in range(2)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    with threads.threads(2):
        both(50)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        both(calls)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert not failures
    assert grown < 400_000  # a second plan, if the two never met before; 100 bytes a call would be a million


def test_scratch_stays_small_whatever_the_batch() -> None:
    """Beyond inputs and outputs a call holds what its plan holds, and that does not grow with the batch."""
    for engine in ENGINES:
        if engine == "definition":
            continue
        for batch in (4, 64):
            windows = {"pointwise": (8, 8, 1, 1), "dense": (8, 8, 24, 24), "depthwise": (8, 1, 3, 3)}
            windows["banded"] = windows["depthwise"]
            x, filters, biases = arrays((batch, 8, 24, 24), windows.get(engine, (8, 8, 3, 3)))
            kernels.cache.clear()
            tracemalloc.start()
            y, saved = kernels.forward(x, filters, biases, groups=8 // filters.shape[1], engine=engine)
            gradients = kernels.backward(y, saved)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            results = y.nbytes + sum(gradient.nbytes for gradient in gradients)
            assert peak - results < 48 * 2**20, (engine, batch, peak - results)


def test_columns_of_many_groups_stay_small() -> None:
    geometry = kernels.describe((16, 64, 56, 56), (64, 1, 3, 3), (64,), (1, 1), ((1, 1), (1, 1)), (1, 1), 64)
    for plan in (gemm.Forward, gemm.BackwardByColumns, gemm.BackwardByCorrelation):
        assert plan(geometry, np.float64, 2).nbytes < 16 * 2**20
