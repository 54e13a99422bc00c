"""Loops and branches: copies in the carry, one draw for all steps plus one for each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.rounding.common import rounded

X = np.array([0.3, 0.7])
W = np.array([[0.8, -0.6], [0.6, 0.8]])


def step(h: Any, x: Any, w: Any) -> Any:
    return jnp.tanh(w @ h + x)


def test_a_scan_is_rounded_like_its_unrolled_self() -> None:
    def scanned(x: Any, w: Any) -> Any:
        return lax.scan(lambda h, _: (step(h, x, w), None), jnp.zeros(2), None, 3)[0]

    def unrolled(x: Any, w: Any) -> Any:
        h = jnp.zeros(2)
        for _ in range(3):
            h = step(h, x, w)
        return h

    a, b = (rounded(f, X, W).outputs[0] for f in (scanned, unrolled))
    np.testing.assert_allclose(a.value, b.value, rtol=1e-13)
    assert np.all((a.sigma < 4 * b.sigma) & (b.sigma < 4 * a.sigma))


def test_what_a_scan_stacks_and_reverses_carries_its_copies() -> None:
    def f(x: Any) -> Any:
        return lax.scan(lambda c, v: (c + v * 0.1, c * v), x[0], x, reverse=True)[1]

    out = rounded(f, np.array([0.3, 0.7, 0.9])).outputs[0]
    np.testing.assert_array_equal(out.value, np.asarray(out.value))
    assert out.sigma.shape == (3,)
    assert np.all((out.sigma > 1e-18) & (out.sigma < 1e-15))


def test_equal_terms_round_alike() -> None:
    """100,000 times 0.09 is off by far more than √n of independent roundings."""
    steps = 100_000
    out = rounded(
        lambda h: lax.scan(lambda s, _: (s + h, None), jnp.zeros(()), None, steps)[0], np.array(0.09)
    ).outputs[0]
    error = abs(float(out.value) - float(np.longdouble(0.09) * steps))
    independent = np.sqrt(steps) * 2.0**-53 * float(out.value)
    assert error > 10 * independent
    assert error < 10 * out.sigma


def test_a_while_turns_as_often_as_the_main_run() -> None:
    found = rounded(
        lambda x: lax.while_loop(lambda c: c[0] < 100.0, lambda c: (c[0] * 1.7, c[1] + 1), (x, 0)), np.array(1.0)
    )
    value, turns = found.outputs
    assert turns.value == 9
    assert turns.sigma == 0
    assert value.sigma / value.value == pytest.approx(9 * 2.0**-53, rel=0.9)
    assert not found.flipped


def test_a_branch_is_rounded_like_what_it_does() -> None:
    f = lambda x: lax.cond(x[0] > 0, lambda v: v, lambda v: jnp.exp(v), x)  # noqa: E731
    assert np.all(rounded(f, X).outputs[0].sigma == 0)
    assert np.all(rounded(f, -X).outputs[0].sigma > 0)


def test_loops_in_loops() -> None:
    def inner(c: Any) -> Any:
        return lax.fori_loop(0, 5, lambda i, v: v * 0.9, c)

    out = rounded(lambda x: lax.scan(lambda c, _: (inner(c), None), x, None, 4)[0], X).outputs[0]
    np.testing.assert_allclose(out.value, X * 0.9**20, rtol=1e-13)
    assert np.all(out.sigma > 10 * 2.0**-53 * out.value * 0.5)  # the constant is the same 20 times
    assert np.all(out.sigma < 40 * 2.0**-53 * out.value)


def test_counting_in_floats_is_exact() -> None:
    out = rounded(lambda x: lax.scan(lambda c, _: (c + 1.0, None), x, None, 1000)[0], np.array(3.0)).outputs[0]
    assert (out.value, out.sigma) == (1003.0, 0.0)


def test_a_derivative_through_a_scan() -> None:
    def f(x: Any) -> Any:
        return jax.grad(lambda x: jnp.sum(lax.scan(lambda h, _: (step(h, x, W), h), jnp.zeros(2), None, 5)[1]))(x)

    out = rounded(f, X).outputs[0]
    with jax.enable_x64(True):
        np.testing.assert_allclose(out.value, f(jnp.asarray(X)), rtol=1e-14)
    assert np.all((out.sigma > 1e-17) & (out.sigma < 1e-14))
