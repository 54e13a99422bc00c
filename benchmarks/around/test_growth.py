"""How the time of forward and backward together grows over the batch and the area: one engine, its sizes in turns."""

import pytest

from benchmarks.contenders import Field, contest
from benchmarks.workloads import GROWING

FACTORS = ("1", "2", "4", "8", "16", "32", "64")
UNTIMED = 4  # the largest factor that is validated where nothing is timed


@pytest.fixture
def field(validated, request: pytest.FixtureRequest, engine: str, along: str, contender: str) -> Field:
    if request.config.getoption("benchmark_disable") and int(contender) > UNTIMED:
        pytest.skip("untimed, and like the smaller ones")

    def make(names: list[str]) -> Field:
        found = Field("float32")
        for name in names:
            workload = GROWING[engine].grown(along, int(name))
            one = contest(workload, "both", found.dtype, [engine])
            found.enter(name, one.contenders[engine].call, one.flops[engine], engine=engine)
        return found

    return validated(make)


@pytest.mark.parametrize("contender", FACTORS)
@pytest.mark.parametrize("along", ["batch", "area"])
@pytest.mark.parametrize("engine", GROWING)
def test_growth(field: Field, in_turns) -> None:
    in_turns()
