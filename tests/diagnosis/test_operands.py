"""An operand of a product flipped, transposed or left out; what is passed on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.derivations import (
    CHAIN,
    NORM,
    SQUARE_CONV,
    SQUARE_DENSE,
)
from tests.diagnosis.harness import (
    Planted,
    named,
    of,
)

ROWS = [
    Planted(
        "channels swapped",
        SQUARE_CONV,
        "x",
        lambda r, g, x, filters, biases: SQUARE_CONV.backward(g, x, filters.swapaxes(0, 1), biases)["x"],
        "transposed",
        "channels",
    ),
    Planted("weights transposed", SQUARE_DENSE, "x", lambda r, g, weights, **_: g @ weights, "transposed", "weights"),
    Planted(
        "no gamma",
        NORM,
        "x",
        lambda r, g, x, gamma, beta: NORM.backward(g, x, 1 + 0 * gamma, beta)["x"],
        "missing-terms",
    ),
    Planted("chain: flatten's order", CHAIN, "x", of(CHAIN, "x", mistake="flatten"), "permuted"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)
