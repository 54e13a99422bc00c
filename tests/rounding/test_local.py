"""What one operation rounds: against the exact result in rational numbers, wide enough and not absurdly wide."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.rounding.algebra import Rounding
from crosscheck.rounding.local import ROUNDED, depth
from crosscheck.rounding.propagation import ELEMENTWISE, RULES
from crosscheck.traces.precision import double_precision
from crosscheck.traces.walk import walk

Array = np.ndarray
U = UNIT[DOUBLE]
N = 40


def exactly(a: Array) -> Array:
    return np.vectorize(Fraction, otypes=[object])(a)


# The primitive, and the same over rational numbers.
ROUNDS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (lambda x, y: x + y, lambda x, y: x + y),
    "sub": (lambda x, y: x - y, lambda x, y: x - y),
    "mul": (lambda x, y: x * y, lambda x, y: x * y),
    "div": (lambda x, y: x / y, lambda x, y: x / y),
    "integer_pow": (lambda x, y: lax.integer_pow(x, 3), lambda x, y: x**3),
    "reduce_sum": (lambda x, y: x.sum(1), lambda x, y: x.sum(1)),
    "cumsum": (lambda x, y: lax.cumsum(x, 1), lambda x, y: np.cumsum(x, 1)),
    "dot_general": (lambda x, y: x @ y.T, lambda x, y: x @ y.T),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_a_rounding_is_within_its_bound_and_the_bound_is_not_absurd(name: str) -> None:
    function, rational = ROUNDS[name]
    rng = np.random.default_rng(1)
    x, y = (rng.choice([-1.0, 1.0], (6, N)) * rng.uniform(0.5, 2.0, (6, N)) for _ in range(2))
    with double_precision():
        closed = jax.make_jaxpr(function)(x, y)
        algebra = Rounding(U, float(np.finfo(float).tiny))
        values, notes = walk(closed.jaxpr, closed.consts, [x, y], [algebra.constant(0.5)] * 2, algebra)
        bound = U * np.asarray(notes[0].error)
        computed = np.asarray(values[0])
    error = np.abs(exactly(computed) - rational(exactly(x), exactly(y))).astype(float)
    assert (error <= bound).all()
    # A sum's √n is for the worst of many orders: NumPy's and XLA's own sums are better by up to √n and a few.
    assert bound.max() <= 10 * np.sqrt(N) * error.max()


def test_a_sum_of_one_term_does_not_round() -> None:
    x = np.ones((3, 1))
    with double_precision():
        (eqn,) = jax.make_jaxpr(lambda x: lax.cumsum(x, 1))(x).jaxpr.eqns
        assert ROUNDED["cumsum"](Rounding(U, 0.0), eqn, [x], [x]) == ([None], [None])


def test_a_conversion_rounds_on_the_way_down_only() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=50)
    with double_precision():
        narrowing = jax.make_jaxpr(lambda x: lax.convert_element_type(x, np.float32))(wide).jaxpr.eqns[0]
        widening = jax.make_jaxpr(lambda x: lax.convert_element_type(x, np.float64))(wide.astype(np.float32))
        algebra = Rounding(U, 0.0)
        narrow = wide.astype(np.float32)
        (lost,) = ROUNDED["convert_element_type"](algebra, narrowing, [wide], [narrow])[1]
        gap = np.abs(narrow.astype(float) - wide)
        bound = U * np.asarray(lost, np.float64)
        assert (gap <= bound).all()
        assert bound.max() <= 4 * gap.max()
        assert ROUNDED["convert_element_type"](algebra, widening.jaxpr.eqns[0], [narrow], [wide]) == ([None], [None])


def test_products_lose_what_underflows_and_sums_do_not() -> None:
    tiny = float(np.finfo(float).tiny)
    algebra = Rounding(U, tiny)
    x = np.full(2, 2.0**-600)
    with double_precision():
        product = jax.make_jaxpr(lax.mul)(x, x).jaxpr.eqns[0]
        added = jax.make_jaxpr(lax.add)(x, x).jaxpr.eqns[0]
        assert U * np.asarray(ROUNDED["mul"](algebra, product, [x, x], [x * x])[1][0]) == pytest.approx(tiny)
        assert U * np.asarray(ROUNDED["add"](algebra, added, [x, x], [x + x])[1][0]) == pytest.approx(U * 2 * x[0])


def test_the_depth_of_a_sum_grows_like_its_root() -> None:
    assert depth(0) == depth(1) == 2.0
    assert depth(10**6) == 1001.0


def test_what_rounds_has_a_rule_by_which_it_spreads() -> None:
    assert set(ROUNDED) <= set(RULES)
    assert set(ROUNDED) >= ELEMENTWISE
