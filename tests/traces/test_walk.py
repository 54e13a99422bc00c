"""The walk: the values of the traced function, calls inlined, everything else handed to the algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from crosscheck.traces.walk import evaluate, primitives, walk

X = np.array([0.5, -1.0, 2.0], np.float32)


class Depth:
    """An algebra whose note is the number of equations on the longest way to a value."""

    def __init__(self) -> None:
        self.met: list[str] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> int:
        self.constants.append(value)
        return 0

    def equation(self, eqn: core.JaxprEqn, values: list[Any], notes: list[int]) -> tuple[list[Any], list[int]]:
        self.met.append(eqn.primitive.name)
        outs = evaluate(eqn, values)
        return outs, [1 + max(notes, default=0)] * len(outs)


def walked(function: Callable[..., Any], *inputs: Any) -> tuple[list[Any], list[int], Depth]:
    closed = jax.make_jaxpr(function)(*inputs)
    algebra = Depth()
    values, notes = walk(closed.jaxpr, closed.consts, inputs, [0] * len(inputs), algebra)
    return values, notes, algebra


def plain(x: Any) -> Any:
    return jnp.sin(x) * 2.0 + x


@jax.custom_jvp
def own_forward_rule(x: Any) -> Any:
    return plain(x)


own_forward_rule.defjvp(lambda x, u: (plain(*x), u[0]))


@jax.custom_vjp
def own_backward_rule(x: Any) -> Any:
    return plain(x)


own_backward_rule.defvjp(lambda x: (plain(x), None), lambda _, g: (g,))

CALLS: dict[str, Callable[[Any], Any]] = {
    "jit": jax.jit(plain),
    "jit within jit": jax.jit(lambda x: jax.jit(plain)(x)),
    "checkpoint": jax.checkpoint(plain),  # pyright: ignore[reportPrivateImportUsage]
    "custom_jvp": own_forward_rule,
    "custom_vjp": own_backward_rule,
    "all of them": jax.jit(lambda x: jax.checkpoint(own_backward_rule)(x)),  # pyright: ignore[reportPrivateImportUsage]
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_walked_like_the_function_that_it_calls(name: str) -> None:
    values, notes, algebra = walked(CALLS[name], X)
    expected, expected_notes, expected_algebra = walked(plain, X)
    np.testing.assert_array_equal(values[0], expected[0])
    assert notes == expected_notes == [3]
    assert algebra.met == expected_algebra.met == ["sin", "mul", "add"]
    assert [float(c) for c in algebra.constants] == [2.0]


@pytest.mark.parametrize("name", CALLS)
def test_the_primitives_are_those_that_a_walk_meets(name: str) -> None:
    assert primitives(jax.make_jaxpr(CALLS[name])(X).jaxpr) == {"sin", "mul", "add"}


LOOPS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "scan": (lambda x: lax.scan(lambda c, row: (c + row, c * row), jnp.float32(0), x)[1], "scan"),
    "while": (lambda x: lax.while_loop(lambda c: c[0] < 9, lambda c: c + 1, x), "while"),
    "cond": (lambda x: lax.cond(x[0] > 0, lambda y: y + 1, lambda y: y, x), "cond"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_and_branches_are_the_algebras_own_affair(name: str) -> None:
    function, primitive = LOOPS[name]
    values, _, algebra = walked(function, X)
    np.testing.assert_array_equal(values[0], function(X))
    assert algebra.met.count(primitive) == 1


def test_what_is_closed_over_is_a_constant() -> None:
    held = np.array([4.0, 5.0, 6.0], np.float32)
    values, notes, algebra = walked(lambda x: x + jnp.asarray(held), X)
    np.testing.assert_array_equal(values[0], X + held)
    assert any(np.array_equal(c, held) for c in algebra.constants)
    assert notes == [1]


def test_an_output_may_be_an_input_or_a_literal() -> None:
    values, notes, _ = walked(lambda x: (x, 3.0), X)
    assert values[0] is X
    assert (float(values[1]), notes) == (3.0, [0, 0])


def test_several_outputs_of_one_equation_each_have_a_note() -> None:
    values, notes, _ = walked(lambda x: tuple(jnp.split(x, 3)), X)
    assert [float(v[0]) for v in values] == X.tolist()
    assert notes == [1, 1, 1]


def test_too_few_inputs_are_refused() -> None:
    closed = jax.make_jaxpr(plain)(X)
    with pytest.raises(ValueError, match="zip"):
        walk(closed.jaxpr, closed.consts, [], [], Depth())
