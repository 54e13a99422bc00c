"""Every engine around the places where another one begins to be the fastest.

Forward and backward together; the engines whose error is at most four times the definition's, which "auto" may take.
"""

import pytest

from benchmarks.contenders import DTYPES, Arrays, Field, contest
from benchmarks.workloads import CHOICES

PRECISE = ("small", "gemm", "pointwise", "winograd2x2", "winograd4x2", "transform")


@pytest.fixture
def field(validated, workload: str, dtype: str) -> Field:
    def make(names: list[str]) -> Field:
        found = contest(CHOICES[workload], "both", dtype, names)
        chosen = Arrays(CHOICES[workload], dtype).forward("auto")[1].kernel.engine
        found.facts = {"chosen": chosen, "multiplications": CHOICES[workload].multiplications}
        return found

    return validated(make)


@pytest.mark.parametrize("contender", PRECISE)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("workload", CHOICES)
def test_choice(field: Field, in_turns) -> None:
    in_turns()
