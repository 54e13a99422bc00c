"""Paths left out, and contributions to an entry lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.terms import columns, diagonal, kept_terms
from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import (
    CONV,
    ENTROPY,
    NORM,
    SOFTMAX,
    Array,
    Arrays,
    softmax,
)
from tests.diagnosis.harness import (
    Planted,
    drawn,
    judged,
    kept,
    named,
    of,
    planted_operation,
    reasons,
)

ROWS = [
    Planted(
        "contributions of the last channel",
        CONV,
        "x",
        lambda r, g, **i: CONV.backward(kept(g, np.s_[:, -1:]), **i)["x"],
        "overwritten",
        "output channels",
    ),
    Planted("no labels", ENTROPY, "x", lambda r, g, x, labels: g * softmax(x) / len(x), "missing-terms"),
    Planted("softmax without its sum", SOFTMAX, "x", lambda r, g, x: g * softmax(x), "missing-terms"),
    Planted(
        "softmax's diagonal",
        SOFTMAX,
        "x",
        lambda r, g, x: g * softmax(x) * (1 - softmax(x)),
        "missing-terms",
        "diagonal",
    ),
    Planted(
        "twice softmax's diagonal, negative",
        SOFTMAX,
        "x",
        lambda r, g, x: -2 * g * softmax(x) * (1 - softmax(x)),
        "missing-terms",
        "diagonal",
    ),
    Planted("statistics constant", NORM, "x", of(NORM, "x", mean=0, variance=0), "missing-terms"),
    Planted("mean path", NORM, "x", of(NORM, "x", mean=0), "missing-terms"),
    Planted("variance path", NORM, "x", of(NORM, "x", variance=0), "missing-terms"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


# ---------------------------------------------------------------------- the terms of one entry


def test_the_terms_of_an_entry_add_up_to_its_gradient(rng: np.random.Generator) -> None:
    operation = planted_operation(SOFTMAX, "x", lambda r, g, x: g, drawn(SOFTMAX, rng))
    v = rng.normal(size=(4, 6))
    problem = Problem(operation, v, *judged(operation, v), seed=0, budget=Budget())
    entries = np.array([[0, 0], [3, 5], [1, 2]])
    found = columns(problem.given, "x", entries)
    for entry, column in zip(entries, found, strict=True):
        assert column.shape == (4, 6)
        assert column.sum() == pytest.approx(problem.given.truth["x"][tuple(entry)])
    # A sample's softmax depends on its own row only.
    assert not found[0][1:].any()
    y = softmax(operation.inputs["x"])
    assert diagonal(problem.given, "x").shape == (0,)  # which is not what is handed over: v is
    problem.given.wrong["x"] = v * y * (1 - y)
    np.testing.assert_allclose(diagonal(problem.given, "x"), v * y * (1 - y), rtol=1e-12)


def test_the_ways_to_keep_some_of_the_terms() -> None:
    column = np.array([[1.0, 0.0, 2.0], [-4.0, 0.0, 8.0]])
    found = dict(kept_terms(column))
    assert found["mean",] == 7 / 4
    assert found["absolute",] == 15
    assert found["largest",] == 8
    assert found["last", (0,), (1,)] == 4
    assert found["last", (0,), (-1,)] == 3
    assert found["last", (1,), (1,)] == 10
    assert found["last", (0, 1), (1, -1)] == -4
    assert not list(kept_terms(np.array([0.0, 3.0])))


@pytest.mark.parametrize(
    ("keep", "kind", "words"),
    [
        (lambda t: t.mean(0), "scaled", "averages the contributions"),
        (lambda t: np.abs(t).sum(0), "sign", "absolute values"),
        (lambda t: np.take_along_axis(t, np.abs(t).argmax(0)[None], 0)[0], "overwritten", "largest"),
        (lambda t: t[0], "overwritten", "first of several"),
    ],
)
def test_what_was_kept_of_the_contributions(keep: Any, kind: str, words: str, rng: np.random.Generator) -> None:
    """An embedding whose repeated rows get some of what they should."""
    index, weights = np.array([0, 1, 2, 0, 1, 2, 0, 1, 0]), rng.normal(size=(9, 4))
    inputs = {"table": rng.normal(size=(3, 4)), "index": index}

    def forward(table: Any, index: Any) -> Any:
        return table[index] * weights

    def backward(g: Array, table: Array, index: Array) -> Arrays:
        terms = g * weights
        return {"table": np.stack([keep(terms[index == row]) for row in range(3)])}

    operation = from_functions(forward, backward, inputs, forward)
    found = reasons(operation, rng.normal(size=(9, 4)))["table"][0]
    assert found.kind == kind
    assert words in found.explanation
