"""How errors spread: to first order |J|·E, which is the largest change that errors of that size can make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from crosscheck.rounding.planes import any_present
from crosscheck.rounding.propagation import CONSTANT, ELEMENTWISE, RULES, STRUCTURAL
from crosscheck.traces.precision import double_precision
from crosscheck.traces.walk import evaluate, primitives, walk

Array = np.ndarray

AT = np.arange(2.0).astype(int)

# One primitive each, and the shapes of its operands.
SPREADS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "add": (lax.add, ((2, 3), (2, 3))),
    "sub": (lax.sub, ((2, 3), (2, 3))),
    "mul": (lax.mul, ((2, 3), (2, 3))),
    "div": (lax.div, ((2, 3), (2, 3))),
    "neg": (lax.neg, ((2, 3),)),
    "abs": (lax.abs, ((2, 3),)),
    "max": (lax.max, ((2, 3), (2, 3))),
    "min": (lax.min, ((2, 3), (2, 3))),
    "clamp": (lax.clamp, ((2, 3), (2, 3), (2, 3))),
    "exp": (lax.exp, ((2, 3),)),
    "tanh": (lax.tanh, ((2, 3),)),
    "pow": (lax.pow, ((2, 3), (2, 3))),
    "integer_pow": (lambda x: lax.integer_pow(x, 3), ((2, 3),)),
    "transpose": (lambda x: lax.transpose(x, (1, 0)), ((2, 3),)),
    "concatenate": (lambda x, y: lax.concatenate([x, y], 0), ((2, 3), (1, 3))),
    "pad": (lambda x: lax.pad(x, 0.0, [(1, 0, 1), (0, 2, 0)]), ((2, 3),)),
    "gather": (lambda x: x[AT], ((3, 2),)),
    "dynamic_slice": (lambda x: lax.dynamic_slice(x, (1,), (2,)), ((4,),)),
    "dynamic_update_slice": (lambda x, y: lax.dynamic_update_slice(x, y, (1,)), ((4,), (2,))),
    "select_n": (lambda x, y: lax.select_n(np.array([True, False, True]), x, y), ((3,), (3,))),
    "reduce_sum": (lambda x: lax.reduce_sum_p.bind(x, axes=(1,), out_sharding=None), ((2, 3),)),
    "cumsum": (lambda x: lax.cumsum(x, 1), ((2, 3),)),
    "dot_general": (lambda x, y: lax.dot(x, y), ((2, 3), (3, 2))),
    "conv_general_dilated": (lambda x, w: lax.conv(x, w, (1, 1), "SAME"), ((1, 2, 3, 3), (2, 2, 2, 2))),
    "scatter-add": (lambda x, y: x.at[AT].add(y), ((3,), (2,))),
}


class Spread:
    """The rules alone, carried by a walk: no operation rounds."""

    def constant(self, value: Any) -> None:
        return None

    def equation(self, eqn: core.JaxprEqn, values: list[Any], notes: list[Any]) -> tuple[list[Any], list[Any]]:
        outs = evaluate(eqn, values)
        return outs, RULES[eqn.primitive.name](eqn, values, outs, notes) if any_present(notes) else [None] * len(outs)


def spread(name: str) -> tuple[Array, Array]:
    """The rule's error and |J|·E, for one random point and one random E on every operand."""
    function, shapes = SPREADS[name]
    rng = np.random.default_rng(0)
    x = [rng.uniform(0.5, 2.0, s) for s in shapes]
    if name == "clamp":
        x = [x[0], x[1], x[0] + 2]
    elif name != "pow":
        x = [a * rng.choice([-1.0, 1.0], a.shape) for a in x]
    e = [rng.random(s) for s in shapes]
    with double_precision():
        closed = jax.make_jaxpr(function)(*x)
        assert name in primitives(closed.jaxpr)
        (found,) = walk(closed.jaxpr, closed.consts, x, e, Spread())[1]
        jacobians = jax.jit(jax.jacobian(function, tuple(range(len(x)))))(*x)
    expected = sum(np.tensordot(np.abs(j), a, axes=a.ndim) for j, a in zip(jacobians, e, strict=True))
    return np.asarray(found), np.asarray(expected)


@pytest.mark.parametrize("name", SPREADS)
def test_an_error_spreads_by_the_absolute_jacobian(name: str) -> None:
    found, expected = spread(name)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-300)


def one_rule(function: Callable[..., Any], name: str, x: Array, e: Array) -> Array:
    with double_precision():
        closed = jax.make_jaxpr(function)(x)
        (eqn,) = [q for q in closed.jaxpr.eqns if q.primitive.name == name]
        return np.asarray(RULES[name](eqn, [x], evaluate(eqn, [x]), [e])[0])


def test_a_maximum_over_many_may_err_as_its_worst_candidate() -> None:
    x, e = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]]), np.array([[0.1, 0.2, 0.9], [0.3, 0.1, 0.2]])
    assert one_rule(lambda x: lax.reduce_max_p.bind(x, axes=(1,), out_sharding=None), "reduce_max", x, e).tolist() == [
        0.9,
        0.3,
    ]
    pooled = one_rule(
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2), (1, 1), "VALID"), "reduce_window_max", x, e
    )
    assert pooled.tolist() == [[0.2, 0.9], [0.3, 0.2]]


def test_zero_times_an_unbounded_error_is_zero() -> None:
    x, e = np.array([0.0, 1.0]), np.array([np.inf, np.inf])
    with double_precision():
        (eqn,) = jax.make_jaxpr(lax.mul)(x, x).jaxpr.eqns
        found = RULES["mul"](eqn, [x, np.array([0.0, 2.0])], [x], [e, None])[0]
    assert found.tolist() == [0.0, np.inf]


def test_no_primitive_has_two_kinds_of_rule() -> None:
    assert not STRUCTURAL & CONSTANT
    assert not STRUCTURAL & ELEMENTWISE
    assert not ELEMENTWISE & CONSTANT
    assert set(RULES) >= STRUCTURAL | CONSTANT | ELEMENTWISE
