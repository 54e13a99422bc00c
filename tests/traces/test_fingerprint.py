"""Keys of traces: equal for one program, different for two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.traces.fingerprint import fingerprint, key_of, key_with_constants
from crosscheck.traces.precision import double_precision

X = np.ones(3)


def traced(function: Callable[..., Any], x: Any = X) -> core.ClosedJaxpr:
    with double_precision():
        return jax.make_jaxpr(function)(x)


def times(factor: float) -> Callable[[Any], Any]:
    return lambda x: jnp.sin(x) * factor


def test_one_program_has_one_key_whoever_wrote_it() -> None:
    first, again = traced(times(0.1)), traced(lambda other: jnp.sin(other) * 0.1)
    assert fingerprint(first.jaxpr) == fingerprint(again.jaxpr)
    assert key_of(first) == key_of(again)
    assert key_with_constants(first) == key_with_constants(again)
    assert hash(key_of(first)) == hash(key_of(again))


def test_literals_that_print_alike_are_told_apart() -> None:
    close = 0.1 * (1 + 2.0**-52)
    assert fingerprint(traced(times(0.1)).jaxpr) != fingerprint(traced(times(close)).jaxpr)
    # Zero and minus zero are equal, and not the same number.
    assert fingerprint(traced(times(0.0)).jaxpr) != fingerprint(traced(times(-0.0)).jaxpr)


def with_array(closed: core.ClosedJaxpr, value: list[float]) -> core.Jaxpr:
    """The trace of sin(x) · factor with an array in the factor's place: the text shows arrays as [...]."""
    *before, product = closed.jaxpr.eqns
    literal = core.Literal(np.array(value), product.outvars[0].aval)
    return closed.jaxpr.replace(eqns=[*before, product.replace(invars=[product.invars[0], literal])])


def test_literals_that_the_text_leaves_out_count() -> None:
    first, other = (with_array(traced(times(0.1)), [1.0, 2.0, last]) for last in (3.0, 4.0))
    assert str(first) == str(other), "the text says it all: the test says nothing"
    assert fingerprint(first) != fingerprint(other)


def test_literals_inside_of_calls_count() -> None:
    def called(last: float) -> core.Jaxpr:
        outer = traced(jax.jit(times(0.1))).jaxpr
        (call,) = outer.eqns
        inner = call.params["jaxpr"]
        inside = inner.replace(jaxpr=with_array(inner, [1.0, 2.0, last]))
        return outer.replace(eqns=[call.replace(params={**call.params, "jaxpr": inside})])

    assert str(called(3.0)) == str(called(4.0))
    assert fingerprint(called(3.0)) != fingerprint(called(4.0))
    assert fingerprint(called(3.0)) == fingerprint(called(3.0))


def test_what_a_function_inside_closes_over_counts() -> None:
    """A jitted function's arrays are no arguments of the trace around it: another set of weights is another program."""

    def times_array(values: list[float]) -> core.ClosedJaxpr:
        held = np.array(values)
        branches = [lambda x: x * held, lambda x: x]
        return traced(jax.jit(lambda x: jax.lax.switch(0, [jax.jit(branches[0]), branches[1]], x) * held))

    assert key_of(times_array([1.0, 2.0, 3.0])) == key_of(times_array([1.0, 2.0, 3.0]))
    assert key_of(times_array([1.0, 2.0, 3.0])) != key_of(times_array([1.0, 2.0, 4.0]))


def test_shape_dtype_and_operation_count() -> None:
    keys = {
        key_of(traced(times(0.1))),
        key_of(traced(times(0.1), np.ones(4))),
        key_of(traced(times(0.1), np.ones(3, np.float32))),
        key_of(traced(lambda x: jnp.cos(x) * 0.1)),
    }
    assert len(keys) == 4


def plus(held: Any) -> core.ClosedJaxpr:
    with double_precision():
        array = jnp.asarray(held)
        return jax.make_jaxpr(lambda x: jnp.sum(x) + array)(X)


def test_constants_that_are_passed_may_differ_and_those_built_in_may_not() -> None:
    first, other, again = (plus(a) for a in (np.arange(3.0), np.arange(3.0) + 1, np.arange(3.0)))
    assert first.consts, "nothing is closed over: the test says nothing"
    assert key_of(first) == key_of(other)
    assert key_with_constants(first) != key_with_constants(other)
    assert key_with_constants(first) == key_with_constants(again)


def test_of_constants_that_are_passed_shape_and_dtype_count() -> None:
    shapes = [np.arange(3.0), np.arange(4.0), np.arange(3.0, dtype=np.float32)]
    assert len({key_of(plus(a)) for a in shapes}) == 3
    assert len({key_with_constants(plus(a)) for a in shapes}) == 3
