"""A reference makes arrays of its own: float32 for its author, float64 where the judge has 64 bits on."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray


def forward(x: Array) -> Array:
    z, s = x[0], x.dtype.type(0)
    for v in x:
        s = s + v * v
        z = np.tanh(z + s)
    return np.asarray(z)


def backward(g: Array, x: Array) -> dict[str, Array]:
    z, s = [x[0]], x.dtype.type(0)
    for v in x:
        s = s + v * v
        z.append(np.tanh(z[-1] + s))
    grad_s, grad_x = x.dtype.type(0), np.zeros_like(x)
    for t in reversed(range(len(x))):
        g = g * (1 - z[t + 1] ** 2)
        grad_s = grad_s + g
        grad_x[t] = 2 * x[t] * grad_s
    grad_x[0] += g
    return {"x": grad_x}


def reference(x: Any) -> Any:
    def turn(state: Any, v: Any) -> Any:
        z, s = state
        s = s + v * v
        return (jnp.tanh(z + s), s), None

    return jax.lax.scan(turn, (x[0], jnp.zeros(())), x)[0][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_of_its_own_beside_float32_inputs(dtype: Any) -> None:
    x = np.random.default_rng(0).normal(size=5).astype(dtype)
    assert crosscheck.check(forward, backward, {"x": x}, reference=reference, diagnose=False).verdict == "agree"


def test_a_reference_that_is_wrong_in_itself_still_says_so() -> None:
    def mistaken(x: Any) -> Any:
        return jax.lax.scan(lambda z, v: ((z, v), None), x[0], x)[0]

    with pytest.raises(TypeError, match="carry"):
        crosscheck.check(forward, backward, {"x": np.ones(3, np.float32)}, reference=mistaken)
