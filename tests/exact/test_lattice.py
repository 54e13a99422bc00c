"""The lattice: every value as an integer times a power of two, and the sums that must stay below 2^53."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from crosscheck.exact.lattice import Indivisible, Lattice, Note, NotPolynomial, Row, Terms, budget, grain
from crosscheck.traces.precision import double_precision
from crosscheck.traces.walk import walk

Array = np.ndarray
Arrays = dict[str, Array]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, (0, 1)),
        (6.0, (-1, 3)),
        ([0.75, 1.5], (2, 3)),
        (0.0, (-2000, 0)),
        ([10.0, 15.0], (0, 5)),
        (-(2.0**-30), (30, 1)),
        (np.inf, (-2000, 0)),
    ],
)
def test_the_grain_of_constants(value: Any, expected: tuple[int, int]) -> None:
    assert grain(value) == expected


@pytest.mark.parametrize("value", [0.1, 1 / 3, np.nan, [1.0, 0.3]])
def test_constants_that_are_not_dyadic(value: Any) -> None:
    with pytest.raises(NotPolynomial):
        grain(value)


# ---------------------------------------------------------------------- the walk without numbers


def examined(function: Callable[..., Any], *shapes: tuple[int, ...], q: int = 3, multiple: int = 1) -> Any:
    """The note of the output, for inputs that are multiples of multiple·2^-q; and the lattice."""
    with double_precision():
        closed = jax.make_jaxpr(function)(*(np.ones(s) for s in shapes))
    lattice = Lattice(len(shapes))
    notes = [Note(q, tuple(int(i == j) for j in range(len(shapes))), multiple) for i in range(len(shapes))]
    out = walk(closed.jaxpr, closed.consts, [None] * len(shapes), notes, lattice)[1][0]
    return out, lattice


RULES: dict[str, tuple[Callable[..., Any], int, tuple[int, int]]] = {
    "a sum": (lambda x, y: x + y, 3, (1, 1)),
    "a product": (lambda x, y: x * y, 6, (1, 1)),
    "a matrix product": (lambda x, y: x @ y.T, 6, (1, 1)),
    "a power": (lambda x, y: x**3, 9, (3, 0)),
    "a square of a sum": (lambda x, y: (x + y) ** 2, 6, (2, 2)),
    "a quarter": (lambda x, y: x / 4, 5, (1, 0)),
    "times a quarter": (lambda x, y: x * 0.25, 5, (1, 0)),
    "a maximum": (lambda x, y: jnp.maximum(x * y, x), 6, (1, 1)),
    "a selection": (lambda x, y: jnp.where(x > 0, y, 0.5), 3, (0, 1)),
    "a mean of four": (lambda x, y: jnp.mean(x, 1), 5, (1, 0)),
    "a rearrangement": (lambda x, y: jnp.concatenate([x.T, y.T], 1)[::-1], 3, (1, 1)),
}


@pytest.mark.parametrize("name", RULES)
def test_granularity_and_degree(name: str) -> None:
    function, q, degree = RULES[name]
    note, _ = examined(function, (3, 4), (3, 4))
    assert (note.q, note.degree) == (q, degree)


def test_an_odd_divisor_needs_a_multiple_of_it() -> None:
    with pytest.raises(Indivisible) as raised:
        examined(lambda x: x / 6, (3,))
    assert raised.value.missing == 3
    note, _ = examined(lambda x: x / 6, (3,), multiple=9)
    assert (note.q, note.multiple) == (4, 3)


def test_decisions_are_what_makes_a_polynomial_piecewise() -> None:
    assert examined(lambda x: jnp.maximum(x, 0) + x, (3,))[1].kinks
    assert not examined(lambda x: x * x + x, (3,))[1].kinks


# ---------------------------------------------------------------------- the walk with numbers


def sums_of(function: Callable[..., Any], *x: Array, **more: Any) -> list[float]:
    with double_precision():
        closed = jax.make_jaxpr(function)(*x)
        terms = Terms(frozenset(), **more)
        walk(closed.jaxpr, closed.consts, x, list(range(len(x))), terms)
        return [float(s) for s in terms.sums]


def test_the_largest_sum_of_absolute_terms() -> None:
    x, y = np.array([[1.0, -2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [-5.0, 0.0]])
    assert sums_of(lambda x, y: x + y, x, y) == [8.0]
    assert sums_of(lambda x, y: x * y, x, y) == [15.0]
    assert sums_of(lambda x, y: x @ y, x, y) == [23.0]
    assert sums_of(lambda x, y: jnp.sum(x, 1), x, y) == [7.0]
    assert sums_of(lambda x, y: x @ y, x, y, coarse=True) == [2 * 4.0 * 5.0]
    assert sums_of(lambda x, y: x.at[np.array([0, 0])].add(y), x, y) == [7.0]


def test_what_is_not_a_number_is_never_exact() -> None:
    assert sums_of(lambda x: x * x, np.array([np.nan, 1.0])) == [np.inf]


def test_the_budget_counts_in_the_rows_own_format() -> None:
    rows = [Row(3, (1,), 53), Row(0, (1,), 24), Row(5, (1,), 53)]
    assert budget(rows, np.array([2.0, 1.0, 0.0])).tolist() == [16.0, 2.0**29, 0.0]


def test_ties_are_broken_the_other_way() -> None:
    x, g = np.array([[1.0, 5.0, 5.0, 2.0, 7.0]]), np.array([[1.0, 10.0]])

    def gradient(x: Any) -> Any:
        pool = lambda a: lax.reduce_window(a, -jnp.inf, lax.max, (1, 3), (1, 2), "VALID")  # noqa: E731
        return jax.vjp(pool, x)[1](g)[0]

    def one_way(other: bool) -> list[float]:
        with double_precision():
            closed = jax.make_jaxpr(gradient)(x)
            walked = walk(closed.jaxpr, closed.consts, [x], [0], Terms(frozenset(), other_ties=other))
        return np.asarray(walked[0][0]).ravel().tolist()

    assert one_way(False) == [0.0, 1.0, 0.0, 0.0, 10.0]
    assert one_way(True) == [0.0, 0.0, 1.0, 0.0, 10.0]
