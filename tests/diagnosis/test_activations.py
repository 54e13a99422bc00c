"""Masks and derivatives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
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


def shared_keys(q: Any, k: Any) -> Any:
    """Causal scores of two heads (r) in each of two groups (g) that share their keys."""
    s = jnp.einsum("grtd,gsd->grts", q.reshape(2, 2, *q.shape[1:]), k) / jnp.sqrt(q.shape[-1])
    s = jnp.where(jnp.tri(q.shape[1], dtype=bool), s, -jnp.inf)
    return jax.nn.softmax(s, -1).reshape(4, *s.shape[2:])


def shared_by_hand(q: Array, k: Array) -> Array:
    e = np.exp(q @ np.repeat(k, 2, 0).transpose(0, 2, 1) / np.sqrt(q.shape[-1])) * np.tri(q.shape[1])
    return e / e.sum(-1, keepdims=True)


def test_a_mask_that_is_the_same_for_all_is_not_said_to_be_moved(rng: np.random.Generator) -> None:
    """Keys that gather the gradient of the first head only: as if the heads' one mask had moved, and zeros come in."""

    def of_the_first(g: Array, q: Array, k: Array) -> Arrays:
        y = shared_by_hand(q, k)
        s = y * (g - (g * y).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
        return {"q": s @ np.repeat(k, 2, 0), "k": (s.transpose(0, 2, 1) @ q)[::2]}

    inputs = {"q": rng.normal(size=(4, 5, 3)), "k": rng.normal(size=(2, 5, 3))}
    operation = from_functions(shared_by_hand, of_the_first, inputs, shared_keys)
    found = reasons(operation, rng.normal(size=(4, 5, 5)))
    assert "only the first of several contributions" in found["k"][0].explanation


KEPT = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]) > 0


def attended(x: Any, v: Any) -> Any:
    """The mean of the rows x[b, t], weighted by the softmax of v · tanh x over those that are kept."""
    weights = jax.nn.softmax(jnp.where(KEPT, jnp.tanh(x) @ v, -1e30), -1)
    return (weights[:, :, None] * x).sum(1)


def test_a_mask_that_lets_nothing_through_is_a_path_left_out(rng: np.random.Generator) -> None:
    """Only kept rows have scores that count: with the mask inverted nothing comes through the scores."""

    def without_scores(g: Array, x: Array, v: Array) -> Arrays:
        u = np.tanh(x)
        e = np.exp(np.where(KEPT, u @ v, -np.inf))
        a = e / e.sum(-1, keepdims=True)
        da = (g[:, None, :] * x).sum(-1)
        ds = a * (da - (a * da).sum(-1, keepdims=True))
        return {"x": a[:, :, None] * g[:, None, :], "v": (ds[:, :, None] * u).sum((0, 1))}

    inputs = {"x": rng.normal(size=(3, 4, 3)), "v": rng.normal(size=3)}
    operation = from_functions(attended, without_scores, inputs, attended)
    found = reasons(operation, rng.normal(size=(3, 3)))
    assert list(found) == ["x"]
    assert found["x"][0].kind == "missing-terms", found["x"][0]
    assert "leaves out the path" in found["x"][0].explanation


def test_no_factor_is_said_to_lack_that_the_derivative_does_not_have(rng: np.random.Generator) -> None:
    """σ(1 - σ) for σ, in the gradient of log(1 + eˣ): eˣ / (1 + eˣ) for the derivative of eˣ, which has no 1 + y."""
    operation = from_functions(
        lambda x: np.log(1 + np.exp(x)),
        lambda g, x: {"x": g * np.exp(x) / (1 + np.exp(x)) ** 2},
        {"x": rng.normal(size=5)},
        lambda x: jnp.log(1 + jnp.exp(x)),
    )
    found = reasons(operation, rng.normal(size=5))["x"][0]
    assert found.kind != "missing-terms", found
    assert "the factor 1 + y" not in found.explanation


def test_a_function_with_a_rule_of_its_own_is_called_by_its_name(rng: np.random.Generator) -> None:
    """The sigmoid of x for that of -x, in the gradient of log(1 + e⁻ˣ)."""
    operation = from_functions(
        lambda x: np.logaddexp(0, -x),
        lambda g, x: {"x": -g / (1 + np.exp(-x))},
        {"x": rng.normal(size=5)},
        lambda x: jnp.logaddexp(0, -x),
    )
    found = reasons(operation, rng.normal(size=5))["x"][0]
    assert "the derivative of logaddexp at its operand negated" in found.explanation


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
