"""Primitives that stand for several, made up here so that every version of JAX has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core
from jax.interpreters import mlir

from crosscheck.rounding import roundings
from crosscheck.traces.opening import opened
from crosscheck.traces.precision import double_precision
from crosscheck.traces.walk import primitives

X = np.linspace(0.1, 0.9, 5)


def made_up(name: str, run: Callable[..., Any], expansion: Callable[..., Any] | None = None) -> core.Primitive:
    """A primitive of this name that computes `run`, and expands by `expansion` if it brings one."""
    primitive = core.Primitive(name)
    primitive.def_impl(run)
    primitive.def_abstract_eval(lambda x, *rest, **params: x)
    mlir.register_lowering(primitive, mlir.lower_fun(run, multiple_results=False))
    if expansion is not None:
        primitive.to_lojax = expansion
    return primitive


def trace(primitive: core.Primitive, *more: float, **params: Any) -> core.ClosedJaxpr:
    with double_precision():
        return jax.make_jaxpr(lambda x: primitive.bind(x, *more, **params))(X)


@pytest.mark.parametrize(
    ("name", "more", "truth"),
    [
        ("polynomial", (1.0, -5.0, 2.0), 1 - 5 * X + 2 * X**2),
        ("one_minus_square", (), 1 - X**2),
    ],
    ids=["a polynomial", "1 - x²"],
)
def test_it_computes_what_the_primitive_does(name: str, more: tuple[float, ...], truth: np.ndarray) -> None:
    closed = trace(made_up(name, lambda x, *rest, **params: x), *more, unroll=8)
    inside = opened(closed.jaxpr.eqns[0])
    assert inside is not None
    with double_precision():
        (found,) = core.jaxpr_as_fun(inside)(X, *more)
    np.testing.assert_allclose(found, truth, rtol=8 * np.finfo(float).eps)
    assert primitives(closed.jaxpr) <= {"mul", "add", "sub", "convert_element_type"}


def test_a_primitive_of_the_user_s_own_brings_its_expansion() -> None:
    """As `call_hi_primitive` does: the walk meets what it is made of, and estimates nothing."""
    own = made_up("call_hi_primitive", lambda x, **params: jnp.sin(x) * 2, lambda x, **params: [jnp.sin(x) * 2])
    closed = trace(own, _prim="mine")
    assert primitives(closed.jaxpr) == {"sin", "mul"}
    found = roundings(closed, [X], unit=2.0**-53)
    assert not found.estimated
    np.testing.assert_array_equal(found.outputs[0].value, 2 * np.sin(X))
    assert (found.outputs[0].sigma > 0).all()


def raises(x: Any, **params: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("expansion", [None, raises, lambda x, **params: [x.sum()]], ids=["none", "fails", "misfits"])
def test_one_that_cannot_be_opened_is_estimated(expansion: Callable[..., Any] | None) -> None:
    closed_one = made_up("call_hi_primitive", lambda x, **params: jnp.sin(x), expansion)
    closed = trace(closed_one, _prim="mine")
    assert opened(closed.jaxpr.eqns[0]) is None
    assert primitives(closed.jaxpr) == {"call_hi_primitive"}
    found = roundings(closed, [X], unit=2.0**-53)
    assert found.estimated == {"call_hi_primitive"}
    assert (found.outputs[0].sigma > 0).all()


def test_what_stands_for_itself_is_not_opened() -> None:
    with double_precision():
        closed = jax.make_jaxpr(lambda x: jax.jit(jnp.sin)(x) + 1)(X)
    assert [opened(eqn) for eqn in closed.jaxpr.eqns] == [None, None]
