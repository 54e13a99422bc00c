"""The right backward pass for another incoming gradient."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.derivations import (
    CONV,
    ENTROPY,
)
from tests.diagnosis.harness import (
    INNER,
    Planted,
    kept,
    named,
)

ROWS = [
    Planted(
        "border of the cotangent dropped",
        CONV,
        "filters",
        lambda r, g, **i: CONV.backward(kept(g, INNER), **i)["filters"],
        "border",
    ),
    Planted("first sample only", CONV, "biases", lambda r, g, **_: g[0].sum((1, 2)), "batch", "first sample"),
    Planted(
        "last sample lost",
        CONV,
        "filters",
        lambda r, g, **i: CONV.backward(kept(g, np.s_[:-1]), **i)["filters"],
        "batch",
    ),
    Planted(
        "cotangent as ones",
        CONV,
        "filters",
        lambda r, g, **i: CONV.backward(0 * g + 1, **i)["filters"],
        "ignores-upstream",
    ),
    Planted("loss ignores upstream", ENTROPY, "x", lambda r, g, **_: r["x"] / g, "ignores-upstream"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)
