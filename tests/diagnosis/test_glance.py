"""What is seen without a search."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis import diagnose_all
from tests.diagnosis.derivations import (
    CONV,
    DENSE,
)
from tests.diagnosis.harness import (
    Planted,
    diagnosed,
    drawn,
    named,
    planted_operation,
)

ROWS = [
    Planted("zero", CONV, "biases", lambda r, g, **_: 0 * r["biases"], "zero"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


def test_not_finite_and_dtype(rng: np.random.Generator) -> None:
    found = diagnosed(Planted("", DENSE, "weights", lambda r, g, **_: r["weights"] * np.inf, ""), rng)
    assert found[0].kind == "not-finite"
    operation = planted_operation(DENSE, "weights", lambda r, g, **_: r["weights"], drawn(DENSE, rng))
    v = rng.normal(size=operation.output().shape)
    right = operation.gradients(v)["weights"]
    arrays = ({"weights": a} for a in (right.astype(np.float32), right, 0 * right))
    found = diagnose_all(operation, v, *arrays).diagnoses["weights"]
    assert found[0].kind == "dtype"
