"""The laws of the table's rows, on a share of what `python -m tests.rounding.laws` tries."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.traces.primitives import TABLE, Kind, primitive
from tests.rounding.functions import FUNCTIONS
from tests.rounding.laws import ARITHMETIC, PRODUCTS, SUMS, WIDE, outcomes

DOUBLE = "add mul dot_general reduce_sum scatter-add log1p tanh sinh lgamma"
SINGLE = "mul cumsum erfc"


@pytest.mark.parametrize(("dtype", "names"), [(np.float64, DOUBLE), (np.float32, SINGLE)], ids=["float64", "float32"])
def test_no_error_is_outside_and_no_allowance_too_wide(dtype: type, names: str) -> None:
    seen = set()
    for outcome in outcomes(24, (dtype,), tuple(names.split())):
        seen.add(outcome.name)
        assert outcome.worst <= 1, str(outcome)
        assert outcome.width <= WIDE or primitive(outcome.name).note, str(outcome)
        assert outcome.compared >= 20
    assert seen == set(names.split())


def test_every_function_of_the_table_has_a_law_or_says_why_not() -> None:
    tried = {f.name for f in FUNCTIONS} | {name for table in (ARITHMETIC, SUMS, PRODUCTS) for name, *_ in table}
    elsewhere = {"rem", "nextafter", "random_gamma"}  # exact up to its jump; one ulp by definition; a random number
    for row in TABLE.values():
        assert row.kind is not Kind.FUNCTION or row.name in tried | elsewhere or "not measured" in row.note, row.name
