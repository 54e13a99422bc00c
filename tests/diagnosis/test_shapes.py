"""Which step is missing where the shape is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis.shapes import wrong_shape
from tests.diagnosis.derivations import (
    CONV,
)
from tests.diagnosis.harness import (
    Planted,
    named,
)

ROWS = [
    Planted(
        "db over too few axes", CONV, "biases", lambda r, g, **_: g.sum((2, 3)), "shape", "not summed over its batch"
    ),
    Planted(
        "not cropped at all",
        CONV,
        "x",
        lambda r, g, **_: np.pad(r["x"], ((0, 0), (0, 0), (1, 1), (1, 1))),
        "shape",
        "padding",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (lambda a: a.T, "it is transposed"),
        (lambda a: a.ravel(), "it is only not reshaped"),
        (lambda a: np.stack([a / 4, a * 3 / 4]), "not summed over its batch"),
        (lambda a: a[:, :1] * 0 + 7.0, None),
    ],
)
def test_the_step_that_is_missing(spoil: Any, hint: str | None) -> None:
    truth = np.arange(1.0, 7.0).reshape(2, 3)
    found = wrong_shape("x", spoil(truth), truth, 1e-12)
    assert found.kind == "shape"
    assert (hint is None) == ("repair" not in found.evidence)
    assert hint is None or hint in found.explanation


def test_a_number_that_is_not_spread_out() -> None:
    found = wrong_shape("x", np.array(2.0), np.full((2, 3), 2.0), 1e-12)
    assert "not spread out" in found.explanation


def test_a_check_says_which_step_is_missing() -> None:
    inputs = {"x": np.arange(1.0, 13.0).reshape(4, 3), "w": np.arange(1.0, 7.0).reshape(3, 2)}

    def backward(grad_output: Any, x: Any, w: Any) -> dict[str, Any]:
        return {"x": grad_output @ w.T, "w": grad_output.T @ x}

    result = crosscheck.check(lambda x, w: x @ w, backward, inputs)
    assert result.gradients["w"].diagnoses[0].explanation.endswith("w has shape (3, 2): it is transposed")
    assert result.gradients["x"].passed


def test_gradients_that_are_returned_in_another_order_are_told_so() -> None:
    inputs = {"x": np.arange(1.0, 13.0).reshape(4, 3), "w": np.arange(1.0, 7.0).reshape(3, 2)}

    def forward(x: Any, w: Any) -> Any:
        return x @ w, (x, w)

    def backward(grad_output: Any, saved: Any) -> Any:
        x, w = saved
        return x.T @ grad_output, grad_output @ w.T

    result = crosscheck.check_operation((forward, backward), inputs)
    told = {name: g.diagnoses[0].explanation for name, g in result.gradients.items()}
    assert "it is that of w; are they returned in another order?" in told["x"]
    assert "it is that of x; are they returned in another order?" in told["w"]
