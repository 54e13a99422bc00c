"""How the time of forward and backward together grows over the batch and the area: one engine, its sizes in turns."""

import pytest

from benchmarks.contenders import Field, contest
from benchmarks.workloads import GROWING

FACTORS = ("1", "4", "16", "64")


@pytest.fixture
def field(validated, engine: str, along: str) -> Field:
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
