"""The right gradient, rearranged."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.derivations import (
    CONV,
    SQUARE_DENSE,
)
from tests.diagnosis.harness import (
    INNER,
    Planted,
    kept,
    named,
)

ROWS = [
    Planted("filters' gradient flipped", CONV, "filters", lambda r, g, **_: r["filters"][:, :, ::-1, ::-1], "flipped"),
    Planted(
        "i and j swapped", CONV, "filters", lambda r, g, **_: r["filters"].swapaxes(2, 3), "transposed", "kernel rows"
    ),
    Planted("rolled", CONV, "x", lambda r, g, **_: np.roll(r["x"], 1, 3), "shifted", "columns"),
    Planted("border dropped", CONV, "x", lambda r, g, **_: kept(r["x"], INNER), "border"),
    Planted("dW transposed", SQUARE_DENSE, "weights", lambda r, g, x, **_: g.T @ x, "transposed"),
    Planted("db over outputs", SQUARE_DENSE, "biases", lambda r, g, **_: g.sum(1), "summed", "outputs"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)
