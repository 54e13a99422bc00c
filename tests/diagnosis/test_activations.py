"""Masks and derivatives."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.diagnosis.activations import DERIVATIVES
from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import (
    RELU,
    TANH,
    Array,
    Arrays,
)
from tests.diagnosis.harness import (
    Planted,
    named,
    reasons,
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


SMOOTH = from_functions(
    lambda x: np.tanh(x) * 2, lambda g, x: {"x": g}, {"x": np.linspace(0.3, 1.1, 5)}, lambda x: jnp.tanh(x) * 2
)


@pytest.mark.parametrize("text", [t for t in DERIVATIVES if t not in ("1 - y²", "1 - tanh²(x)", "1 - y", "1 + y")])
def test_every_row_of_the_table_of_derivatives_is_named(text: str) -> None:
    """tanh with another derivative; some rows are the same function, and each is true."""

    def backward(g: Array, x: Array) -> Arrays:
        return {"x": 2 * g * DERIVATIVES[text](x, np.tanh(x))}

    operation = replace(SMOOTH, backward=lambda g, values: backward(g, **values))
    found = reasons(operation, np.array([1.0, -2.0, 0.5, 1.5, -0.7]))["x"]
    told = " ".join([found[0].explanation, *found[0].evidence.get("the same here", [])])
    if text == "1[x > 0]":
        assert found[0].kind == "missing-terms"  # x is positive: it is as if there were no derivative
    else:
        assert f"to be {text}" in told or "derivative of tanh" in told
