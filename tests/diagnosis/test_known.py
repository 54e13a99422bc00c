"""Functions that are known by name: what is taken for their derivative is none."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis.known import ALONG_AN_AXIS, ELEMENTWISE, GELU, SIGMOID, given_back
from crosscheck.traces.precision import double_precision

X = np.random.default_rng(0).normal(size=(3, 4))
THEIRS = {
    "the exact GELU": lambda x: jax.nn.gelu(x, approximate=False),
    "GELU by tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "SiLU": jax.nn.silu,
    "the sigmoid": jax.nn.sigmoid,
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_functions_are_those_of_the_library(name: str) -> None:
    with double_precision():
        np.testing.assert_allclose(ELEMENTWISE[name][0](X), THEIRS[name](X), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "row"), [("the exact GELU", "of the exact GELU"), ("GELU by tanh", "of the tanh approximation")]
)
def test_a_variant_of_gelu_is_the_other_one(name: str, row: str) -> None:
    with double_precision():
        slope = jax.vmap(jax.vmap(jax.grad(THEIRS[name])))(jnp.asarray(X))
    np.testing.assert_allclose(GELU[row](X), slope, rtol=1e-12)


@pytest.mark.parametrize("name", ALONG_AN_AXIS)
def test_every_row_is_another_backward(name: str) -> None:
    g = np.random.default_rng(1).normal(size=X.shape)
    function, rows = ALONG_AN_AXIS[name]
    y = function(X, 1)
    with double_precision():
        theirs = jax.nn.softmax if name == "softmax" else jax.nn.log_softmax
        right = jax.vjp(lambda x: theirs(x, axis=1), jnp.asarray(X))[1](jnp.asarray(g))[0]
    for n in range(len(rows)):
        assert not np.allclose(given_back(name, n, g, y, 1, 0), right)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))


def layer(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return sigmoid(x @ w)


@pytest.mark.parametrize("row", SIGMOID)
def test_a_sigmoid_that_is_written_out(row: str) -> None:
    """Of several steps, and with a clip that does nothing."""
    slope = SIGMOID[row]

    def backward(g: np.ndarray, x: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
        z = g * slope(x @ w)
        return {"x": z @ w.T, "w": x.T @ z}

    result = crosscheck.check(layer, backward, {"x": X, "w": X.T[:, :2].copy()})
    for name, gradient in result.gradients.items():
        assert gradient.verdict == "disagree"
        said = f"the gradient of {name} takes the derivative of the sigmoid {row}"
        assert gradient.diagnoses[0].explanation.startswith(said), gradient.diagnoses
