"""What a call costs beside its time: the scratch memory that it allocates, and the first call at a new shape."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.contenders import DIRECTIONS, DTYPES, Arrays, Field, bounds, compare, jax_pass
from benchmarks.turns import Contender
from benchmarks.workloads import WORKLOADS
from manual import convolution, kernels
from manual.kernels import small
from manual.kernels.transform_tiles import tiling


def forget() -> None:
    """As if no convolution of this shape had been computed."""
    kernels.cache.clear()
    kernels.resolve.cache_clear()
    small.layout_of.cache_clear()
    tiling.cache_clear()


def peak_of(function: Callable[..., Any], *arguments: Any) -> tuple[int, Any]:
    """The most bytes that were allocated at one time during the call, its results included."""
    forget()
    tracemalloc.start()
    try:
        result = function(*arguments)
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def contest(arrays: Arrays, direction: str, dtype: str, policy: str) -> Field:
    """The "first" call and "later" ones by the engine that a policy takes, and the scratch of the first."""
    peak, (y, saved) = peak_of(arrays.forward, policy)
    kernel = saved.kernel
    if direction == "forward":
        scratch = peak - y.nbytes - (0 if kernel.kept is None else kernel.kept.nbytes)
        results: tuple[Any, ...] = (y,)
    else:
        peak, results = peak_of(convolution.backward, arrays.g, saved)
        scratch = peak - sum(gradient.nbytes for gradient in results)
    compare(policy, results, jax_pass(direction, arrays)(), bounds(direction, arrays.g, saved))
    held = [saved]

    def prepare() -> None:
        forget()
        if direction == "backward":
            held[0] = arrays.forward(policy)[1]

    def call() -> int:
        """No result is kept: the next call's would need new memory, which costs more than small calls."""
        return len(arrays.forward(policy) if direction == "forward" else convolution.backward(arrays.g, held[0]))

    facts = {"engine": kernel.engine, "scratch": scratch}
    contenders = {"first": Contender(call, setup=prepare), "later": Contender(call)}
    return Field(dtype, contenders, dict.fromkeys(contenders, 0), facts=facts, about={"first": {}, "later": {}})


@pytest.fixture
def field(validated, request: pytest.FixtureRequest, workload: str, dtype: str, policy: str, direction: str) -> Field:
    timed = WORKLOADS[workload]
    arrays = Arrays(timed.small() if request.config.getoption("benchmark_disable") else timed, dtype)
    engines = {name: arrays.forward(name)[1].kernel.engine for name in kernels.POLICIES}
    same = [name for name in list(engines)[: list(engines).index(policy)] if engines[name] == engines[policy]]
    if same:
        pytest.skip(f'"{same[0]}" takes the same engine')
    return validated(lambda names: contest(arrays, direction, dtype, policy))


@pytest.mark.parametrize("contender", ["first", "later"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("policy", kernels.POLICIES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_costs(field: Field, in_turns) -> None:
    assert 0 < field.facts["scratch"] <= 64 * 2**20
    in_turns()
