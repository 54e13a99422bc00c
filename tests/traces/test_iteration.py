"""What iterates is told from what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.traces.iteration import iterates

X, W = np.random.default_rng(0).normal(size=(3, 4)), np.random.default_rng(1).normal(size=(4, 4)) / 4


def fixed_point(x: Any, w: Any) -> Any:
    y = x
    for _ in range(20):
        y = jnp.tanh(y @ w + x)
    return y


def newton(x: Any, w: Any) -> Any:
    y = 1 + x**2
    for _ in range(6):
        y = (y + (1 + x**2) / y) / 2
    return y


def scanned(x: Any, w: Any) -> Any:
    return jax.lax.scan(lambda y, _: (jnp.tanh(y @ w), None), x, None, 3)[0]


def in_a_call(x: Any, w: Any) -> Any:
    return jax.jit(fixed_point)(x, w)


def network(x: Any, w: Any) -> Any:
    for _ in range(3):
        x = jax.nn.relu(x @ w) * jax.nn.sigmoid(x)
    return jax.nn.softmax(x)


def gated(x: Any, w: Any) -> Any:
    y = x * x * x * x * x * x * x
    return y + x[0] + x[1] + x[2] + x[:, :1] + x[:, 1:2]


@pytest.mark.parametrize("reference", [fixed_point, newton, scanned, in_a_call])
def test_it_iterates(reference: Callable[..., Any]) -> None:
    assert iterates(reference, {"x": X, "w": W})


@pytest.mark.parametrize("reference", [network, gated])
def test_it_does_not(reference: Callable[..., Any]) -> None:
    assert not iterates(reference, {"x": X, "w": W})


def test_what_cannot_be_traced_does_not() -> None:
    assert not iterates(lambda x, w: 1 / 0, {"x": X, "w": W})
