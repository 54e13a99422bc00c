"""A program laid out as steps gives what JAX gives: the same values, dtypes and exceptional numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from crosscheck.rounding import straight
from crosscheck.traces.precision import double_precision

RNG = np.random.default_rng(3)
A, B = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5))


def unrolled(a: Any, b: Any) -> Any:
    for _ in range(40):
        a = jnp.tanh(a @ (b @ b.T)) + 0.1 * a[::-1]
    return a


def with_calls(a: Any, b: Any) -> Any:
    shifted = jax.jit(lambda x, y: jax.nn.relu(x) - y)
    return jax.nn.softmax(shifted(a, a.mean()), axis=1) @ b, jax.nn.logsumexp(b)


def with_loops(a: Any, b: Any) -> Any:
    carried, seen = jax.lax.scan(lambda c, row: (c + row, c * row), a[0], a)
    halved = jax.lax.while_loop(lambda x: x > 1, lambda x: x / 2, 100.0)
    return carried, seen, jax.lax.cond(a[0, 0] > 0, jnp.sin, jnp.cos, b), halved


def with_integers(a: Any, b: Any) -> Any:
    order = jnp.argsort(b, axis=1)
    return jnp.take_along_axis(b, order, 1), order, a > 0, jnp.where(a > 0, jnp.arange(12).reshape(4, 3) % 5, -1)


def with_exceptions(a: Any, b: Any) -> Any:
    return jnp.log(a), 1 / (a - a), jnp.sqrt(b), jnp.exp(1e3 * b)


def of_no_use(a: Any, b: Any) -> Any:
    """An output that is an input, one that is written down, one that is had twice."""
    c = a + 1
    return a, jnp.float64(2), c, c


def through_a_decomposition(a: Any, b: Any) -> Any:
    return jnp.linalg.cholesky(b @ b.T + jnp.eye(3)), jnp.linalg.solve(b @ b.T + jnp.eye(3), a.T)


PROGRAMS = [unrolled, with_calls, with_loops, with_integers, with_exceptions, of_no_use, through_a_decomposition]


def ran(function: Callable[..., Any], *arguments: Any) -> list[Any]:
    with double_precision():
        closed = jax.make_jaxpr(function)(*arguments)
        flat = jax.tree.leaves(arguments)
        return straight.straight(closed.jaxpr, closed.consts, flat)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("few", [0, 2**16], ids=["compiled", "by NumPy"])
def test_the_values_are_jaxs(program: Callable[..., Any], few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight, "FEW", few)
    with double_precision():
        wanted = jax.tree.leaves(jax.jit(program)(A, B))
    found = ran(program, A, B)
    assert [(np.shape(a), np.asarray(a).dtype) for a in found] == [(a.shape, a.dtype) for a in wanted]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2.0**-44, atol=2.0**-44)


@pytest.mark.parametrize("program", [unrolled, with_calls, through_a_decomposition])
def test_so_are_the_derivatives(program: Callable[..., Any]) -> None:
    def gradients(a: Any, b: Any) -> Any:
        y, pull = jax.vjp(program, a, b)
        return pull(jax.tree.map(lambda x: 1 + jnp.arange(x.size, dtype=x.dtype).reshape(x.shape), y))

    with double_precision():
        wanted = jax.tree.leaves(jax.jit(gradients)(A, B))
    for a, b in zip(ran(gradients, A, B), wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2.0**-40 * np.abs(b).max())


def test_a_layout_remembers_nothing_of_its_last_run() -> None:
    with double_precision():
        closed: core.ClosedJaxpr = jax.make_jaxpr(unrolled)(A, B)
        first = straight.straight(closed.jaxpr, closed.consts, [A, B])
        other = straight.straight(closed.jaxpr, closed.consts, [2 * A, B])
        again = straight.straight(closed.jaxpr, closed.consts, [A, B])
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(first[0], again[0])
    layout = straight.LAID_OUT[closed.jaxpr]
    freed = [i for _, _, _, last in layout.steps for i in last]
    assert len(freed) == len(set(freed))
    assert len(freed) > 40
