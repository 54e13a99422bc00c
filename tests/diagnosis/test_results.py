"""The right gradient, rearranged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck
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


def passed(name: str, forward: Any, backward: Any, shape: tuple[int, ...], rng: np.random.Generator) -> str:
    result = crosscheck.check(forward, backward, {"x": rng.normal(size=shape)}, name=name)
    assert result.verdict == "disagree"
    return result.gradients["x"].diagnoses[0].explanation


@pytest.mark.proof
def test_what_arrives_in_the_place_of_a_gradient_is_named(rng: np.random.Generator) -> None:
    """Where no step of the forward is what was left out: a rounding, a gate, a bend, the largest of several."""
    assert "as it is" in passed(
        "rounded", lambda x: np.round(x), lambda grad_output, x: grad_output.copy(), (3, 4), rng
    )

    def bent(x: Any) -> Any:
        return 1.05 * np.where(x > 0, x, 1.67 * np.expm1(np.minimum(x, 0)))

    assert "as of a ReLU" in passed("bent", bent, lambda grad_output, x: grad_output * (x > 0), (3, 4), rng)

    def largest(x: Any) -> Any:
        return x.reshape(len(x), -1, 2).max(2)

    said = passed("largest", largest, lambda grad_output, x: np.repeat(grad_output, 2, 1) / 2, (3, 6), rng)
    assert "equal parts" in said
