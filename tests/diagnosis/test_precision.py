"""A gradient that is right to fewer digits than it has."""

from __future__ import annotations

import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis.precision import both_signs, brain
from tests.diagnosis.derivations import (
    CONV,
    Array,
    Arrays,
)
from tests.diagnosis.harness import (
    Planted,
    diagnosed,
    named,
)

ROWS = [
    Planted(
        "float32",
        CONV,
        "x",
        lambda r, g, **i: CONV.backward(g.astype("f"), **{k: a.astype("f") for k, a in i.items()})["x"],
        "precision",
        "float32",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


def test_formats_with_fewer_digits() -> None:
    a = np.array([1 + 2.0**-7, -(1 + 2.0**-8), 3.0])
    np.testing.assert_array_equal(brain(a), [1 + 2.0**-7, -1.0, 3.0])


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_a_gradient_stored_in_a_smaller_format(name: str, rng: np.random.Generator) -> None:
    def stored(right: Arrays, g: Array, **_: Array) -> Array:
        return brain(right["x"]) if name == "bfloat16" else right["x"].astype(np.float16).astype(np.float64)

    found = diagnosed(Planted("", CONV, "x", stored, "precision"), rng)[0]
    assert found.kind == "precision"
    assert found.evidence["format"] == name


def test_a_bias_of_the_size_of_float32_is_not_rounding(rng: np.random.Generator) -> None:
    found = diagnosed(Planted("", CONV, "x", lambda r, g, **_: r["x"] + 1e-7 * np.abs(r["x"]), ""), rng)
    assert not [d for d in found if d.kind == "precision"]
    assert both_signs(rng.normal(size=1000))
    assert not both_signs(np.abs(rng.normal(size=1000)))


@pytest.mark.parametrize("size", [1e-9, 1e-11, 1e-13])
def test_errors_that_no_float32_made_are_not_blamed_on_it(size: float, rng: np.random.Generator) -> None:
    """Noise far below a float32's unit, as finite differences in float64 leave it."""
    noise = np.random.default_rng(0)
    row = Planted("", CONV, "x", lambda r, g, **_: r["x"] * (1 + size * noise.normal(size=r["x"].shape)), "")
    assert not [d for d in diagnosed(row, rng) if d.kind == "precision"]


def gated(x: Array, w: Array, u: Array) -> Array:
    return np.tanh(x @ w) * np.tanh(x @ u)


def gated_back(g: Array, x: Array, w: Array, u: Array, eps: float) -> Arrays:
    a, b = np.tanh(x @ w), np.tanh(x @ u)
    da, db = g * b * (1 - a * a + eps), g * a * (1 - b * b + eps)
    return {"x": da @ w.T + db @ u.T, "w": x.T @ da, "u": x.T @ db}


def test_a_small_term_too_many_is_not_rounding() -> None:
    """An ε of 1e-7 beside a derivative: as large as float32's rounding, and to both sides."""
    rng = np.random.default_rng(3)
    inputs = {k: 0.5 * rng.normal(size=s) for k, s in (("x", (6, 5)), ("w", (5, 4)), ("u", (5, 4)))}
    result = crosscheck.check(gated, lambda g, **given: gated_back(g, **given, eps=1e-7), inputs)
    assert result.verdict == "disagree"
    assert not any(d.kind == "precision" for gradient in result.gradients.values() for d in gradient.diagnoses)

    def in_single(g: Array, **given: Array) -> Arrays:
        found = gated_back(g.astype("f"), **{k: a.astype("f") for k, a in given.items()}, eps=0.0)
        return {k: a.astype(float) for k, a in found.items()}

    single = crosscheck.check(gated, in_single, inputs)
    assert all(gradient.passed or gradient.diagnoses[0].kind == "precision" for gradient in single.gradients.values())
