"""The convolution core, a group per workload, dtype and direction: our choice, our engines, JAX and PyTorch."""

from typing import Any

import pytest

from benchmarks.contenders import DIRECTIONS, DTYPES, POLICIES, TORCH, Field, contest
from benchmarks.convolution_errors import of_workload
from benchmarks.workloads import WORKLOADS
from manual import kernels


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function is test_convolution:
        metafunc.parametrize("workload", WORKLOADS)
        metafunc.parametrize("dtype", DTYPES)
        metafunc.parametrize("direction", DIRECTIONS)
        engines: Any = metafunc.config.getoption("engine", None)  # unknown where benchmarks/ is not named
        metafunc.parametrize("contender", [*POLICIES, *(engines or ()), "jax", TORCH])


@pytest.fixture
def field(validated, request: pytest.FixtureRequest, workload: str, dtype: str, direction: str) -> Field:
    timed = WORKLOADS[workload]
    untimed = request.config.getoption("benchmark_disable")
    return validated(lambda names: contest(timed.small() if untimed else timed, direction, dtype, names))


def test_convolution(field: Field, in_turns) -> None:
    in_turns()


@pytest.mark.parametrize("contender", [name for name in kernels.ENGINES if name != "definition"])  # whose time is long
@pytest.mark.parametrize("direction", ["forward"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("workload", ["resnet56", "large"])
def test_engines(field: Field, in_turns, workload: str, dtype: str, contender: str) -> None:
    """Every engine that can, with its error."""
    field.about[contender] |= of_workload(contender, WORKLOADS[workload], dtype)
    in_turns()
