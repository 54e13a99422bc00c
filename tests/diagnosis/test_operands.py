"""An operand of a product flipped, transposed or left out; what is passed on."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import (
    CHAIN,
    NORM,
    SQUARE_CONV,
    SQUARE_DENSE,
    Array,
    Arrays,
    conv_backward,
    conv_forward,
    pool_backward,
    pool_forward,
)
from tests.diagnosis.harness import (
    Planted,
    drawn,
    named,
    of,
    reasons,
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


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (lambda back: back[:, :, ::-1], "flipped", "passes back is flipped along its rows"),
        (lambda back: back.swapaxes(2, 3), "permuted", "with its rows and columns swapped"),
    ],
)
def test_what_a_layer_passes_back(spoil: Any, kind: str, words: str, rng: np.random.Generator) -> None:
    """Between the pool and the dense layer of a chain, where neither a weight nor the cotangent can do it."""

    def backward(g: Array, x: Array, filters: Array, biases: Array, weights: Array) -> Arrays:
        z = conv_forward(x, filters, biases, stride=1, padding=1)
        a = np.maximum(z, 0)
        pooled = pool_forward(a, size=2, stride=2)
        back = pool_backward(spoil((g @ weights.T).reshape(pooled.shape)), a, size=2, stride=2)["x"]
        gradients = conv_backward(back * (z > 0), x, filters, biases, stride=1, padding=1)
        return {**gradients, "weights": pooled.reshape(len(x), -1).T @ g}

    operation = from_functions(CHAIN.forward, backward, drawn(CHAIN, rng), CHAIN.reference)
    found = reasons(operation, rng.normal(size=(2, 4)))
    assert set(found) == {"x", "filters", "biases"}
    assert found["x"][0].kind == kind
    texts = [found["x"][0].explanation, *found["x"][0].evidence.get("the same here", [])]
    assert any(words in text for text in texts), texts


def test_another_array_of_the_same_shape(rng: np.random.Generator) -> None:
    inputs = {k: rng.normal(size=(3, 4)) for k in ("x", "w", "u")}

    def backward(g: Array, x: Array, w: Array, u: Array) -> Arrays:
        outer = g * np.cos(x * w) * u
        return {"x": outer * u, "w": outer * x, "u": g * np.sin(x * w)}  # u where w belongs

    operation = from_functions(lambda x, w, u: np.sin(x * w) * u, backward, inputs, lambda x, w, u: jnp.sin(x * w) * u)
    found = reasons(operation, rng.normal(size=(3, 4)))["x"][0]
    assert found.kind == "wrong-operand"
    assert "reads u where" in found.explanation
    assert "needs w (" in found.explanation


def test_a_comparison_in_a_loop_is_no_operand(rng: np.random.Generator) -> None:
    """What is true or false has the shape of what exp gives, and is not read in its place."""

    def forward(x: Any, w: Any) -> Any:
        for _ in range(3):
            x = jnp.exp(jnp.where(x > 0, -x, 0.5 * x)) * w
        return x

    def backward(g: Array, x: Array, w: Array) -> Arrays:
        return {"x": g * np.cos(x), "w": g}

    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(4, 3))}
    reasons(from_functions(forward, backward, inputs, forward), rng.normal(size=(4, 3)))


def test_a_mask_of_numbers_that_is_forgotten(rng: np.random.Generator) -> None:
    mask = (rng.random((4, 3)) < 0.5).astype(float)

    def forward(x: Any) -> Any:
        return jnp.tanh(x) * mask

    for spoiled, kind in ((np.ones_like(mask), "missing-mask"), (1 - mask, "wrong-mask")):

        def backward(g: Array, x: Array, spoiled: Array = spoiled) -> Arrays:
            return {"x": g * spoiled * (1 - np.tanh(x) ** 2)}

        operation = from_functions(forward, backward, {"x": rng.normal(size=(4, 3))}, forward)
        (found, *_) = reasons(operation, rng.normal(size=(4, 3)))["x"]
        assert found.kind == kind
        assert "the mask (zeros and ones)" in found.explanation


def test_a_mask_in_a_loop_beside_an_exponential_breaks_nothing(rng: np.random.Generator) -> None:
    """Every array of a turn is tried where the exponential's result is needed, a mask among them."""

    def forward(x: Any) -> Any:
        for _ in range(3):
            mask = x < 1
            x = jnp.where(mask, jnp.exp(-x), x) + 0.5
        return x

    operation = from_functions(forward, lambda g, x: {"x": g * np.sin(x)}, {"x": rng.normal(size=5)}, forward)
    reasons(operation, rng.normal(size=5))  # fails where a part of the search did
