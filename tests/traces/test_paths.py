"""What depends on what: read off a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.traces.paths import reached

X = np.ones(3)


def paths(function: Callable[..., Any], given: list[bool]) -> list[bool]:
    return reached(jax.make_jaxpr(function)(*[X] * len(given)).jaxpr, given)


def test_each_result_by_itself() -> None:
    function = lambda a, b, c: (a + b, jnp.sin(c), b * 2, jnp.ones(3))  # noqa: E731
    assert paths(function, [True, False, False]) == [True, False, False, False]
    assert paths(function, [False, True, False]) == [True, False, True, False]


def test_calls_are_looked_into_and_loops_are_not() -> None:
    inner = jax.jit(lambda a, b: (a * 2, b * 3))
    assert paths(lambda a, b: inner(a, b), [True, False]) == [True, False]
    assert paths(lambda a, b: jax.lax.fori_loop(0, 3, lambda i, c: (c[0] + 1, c[1]), (a, b)), [True, False])[0]


@pytest.mark.parametrize(
    ("function", "leads"),
    [(jnp.floor, False), (jnp.sign, False), (lambda x: jnp.maximum(x, 0), True), (jax.jit(jnp.round), False)],
)
def test_a_cotangent_that_no_path_leads_through(function: Callable[..., Any], leads: bool) -> None:
    pulled = lambda x, v: jax.vjp(function, x)[1](v)  # noqa: E731
    assert paths(pulled, [False, True]) == [leads]
