"""Functions that are known by name: what is taken for their derivative is none."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.diagnosis.known import ALONG_AN_AXIS, ELEMENTWISE, GELU, given_back
from crosscheck.traces.precision import double_precision

X = np.random.default_rng(0).normal(size=(3, 4))
THEIRS = {
    "the exact GELU": lambda x: jax.nn.gelu(x, approximate=False),
    "GELU by tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "SiLU": jax.nn.silu,
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
