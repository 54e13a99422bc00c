"""Masks and derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.derivations import (
    RELU,
    TANH,
)
from tests.diagnosis.harness import (
    Planted,
    named,
)

ROWS = [
    Planted("no mask", RELU, "x", lambda r, g, **_: g, "missing-mask", "relu"),
    Planted("inverted mask", RELU, "x", lambda r, g, x: g * (x <= 0), "wrong-mask", "inverts"),
    Planted("mask of the cotangent", RELU, "x", lambda r, g, x: g * (g > 0), "wrong-mask", "incoming gradient"),
    Planted("no derivative", TANH, "x", lambda r, g, x: g, "missing-terms", "tanh"),
    Planted("derivative twice", TANH, "x", lambda r, g, x: g * (1 - np.tanh(x) ** 2) ** 2, "wrong-derivative", "twice"),
    Planted(
        "derivative at the result",
        TANH,
        "x",
        lambda r, g, x: g * (1 - np.tanh(np.tanh(x)) ** 2),
        "wrong-derivative",
        "at its result",
    ),
    Planted("a factor of the derivative", TANH, "x", lambda r, g, x: g * (1 - np.tanh(x)), "missing-terms", "1 + y"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)
