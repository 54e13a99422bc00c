"""The whole walk: float32 code against float64 truth, comparisons within rounding, and what has no rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.rounding.algebra import AGREEMENT, Rounding
from crosscheck.rounding.planes import EXACT, Note
from crosscheck.traces.precision import double_precision
from crosscheck.traces.walk import walk

Array = np.ndarray


def walked(
    function: Callable[..., Any], *inputs: Array, unit: float = UNIT[DOUBLE], notes: Any = None
) -> tuple[Array, Note, Rounding]:
    algebra = Rounding(unit, float(np.finfo(np.float32).tiny) if unit == UNIT[SINGLE] else 0.0)
    with double_precision():
        closed = jax.make_jaxpr(function)(*inputs)
        start = [EXACT] * len(inputs) if notes is None else notes
        values, found = walk(closed.jaxpr, closed.consts, inputs, start, algebra)
    return np.asarray(values[0]), found[0], algebra


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "a polynomial": lambda x, y: x * x * y - 3 * x + y,
    "cancelling": lambda x, y: (x + y) - x,
    "a dense layer": lambda x, y: jnp.tanh(x @ y.T),
    "softmax": lambda x, y: jax.nn.softmax(x * y, 1),
    "a norm": lambda x, y: x / jnp.sqrt(jnp.mean(x * x, 1, keepdims=True)) * y,
    "exponentials": lambda x, y: jnp.exp(x) * jnp.sin(y),
    "a constant": lambda x, y: 0.1 * x + y / 3,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_code_is_within_the_bound_and_the_bound_is_not_absurd(name: str) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 12, 30)).astype(np.float32)
    computed = np.asarray(jax.jit(FUNCTIONS[name])(x, y), np.float64)
    truth, note, algebra = walked(FUNCTIONS[name], x.astype(float), y.astype(float), unit=UNIT[SINGLE])
    bound = AGREEMENT / 2 * UNIT[SINGLE] * np.asarray(note.error)
    error = np.abs(computed - truth)
    assert (error <= bound).all()
    # Somewhere among 144 entries or more at least a fiftieth of the bound is used.
    assert (error / bound).max() > 0.02
    assert not algebra.weak


def test_a_rearrangement_of_exact_inputs_is_exact() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    _, note, _ = walked(lambda x: jnp.concatenate([-x[::-1].T, jnp.zeros((4, 1))], 1), x)
    assert note.error is None
    assert note.flip is None


def test_constants_are_exact_in_float64_and_rounded_in_float32() -> None:
    double, single = Rounding(UNIT[DOUBLE], 0.0), Rounding(UNIT[SINGLE], 0.0)
    assert double.constant(0.1).error is None
    assert single.constant(0.5).error is None
    assert single.constant(3).error is None
    lost = abs(0.1 - float(np.float32(0.1)))
    assert float(single.constant(0.1).error) * UNIT[SINGLE] == pytest.approx(lost)
    assert single.constant(np.inf).error is None
    with double_precision():
        held = single.constant(jnp.asarray(np.array([0.1, 0.5])))
    np.testing.assert_allclose(np.asarray(held.error) * UNIT[SINGLE], [lost, 0.0], rtol=1e-12)


# ---------------------------------------------------------------------- comparisons within rounding


def masked(x: Any) -> Any:
    return jnp.where(x > 0, 5.0, 2.0)


def test_a_comparison_within_rounding_of_a_tie_may_flip() -> None:
    u = UNIT[DOUBLE]
    x = np.array([0.0, 3 * u, 5 * u, 1.0])
    _, note, _ = walked(masked, x, notes=[Note(error=np.ones(4))])
    np.testing.assert_allclose(np.asarray(note.flip) * u, [3.0, 3.0, 0.0, 0.0])


def test_exact_operands_compare_exactly() -> None:
    _, note, _ = walked(masked, np.array([0.0, 1e-300]))
    assert note.flip is None


def test_a_flip_travels_on_by_the_same_rules() -> None:
    x = np.array([0.0, 1.0])
    _, note, _ = walked(lambda x: 3.0 * masked(x), x, notes=[Note(error=np.ones(2))])
    np.testing.assert_allclose(np.asarray(note.flip) * UNIT[DOUBLE], [9.0, 0.0])


def test_an_uncertain_boolean_stays_uncertain_until_it_is_used() -> None:
    def either(x: Any) -> Any:
        return jnp.where(((x > 0) & (x < 9)).reshape(2, 1), 1.0, 0.0)

    _, note, _ = walked(either, np.array([0.0, 1.0]), notes=[Note(error=np.ones(2))])
    np.testing.assert_allclose(np.asarray(note.flip).ravel() * UNIT[DOUBLE], [1.0, 0.0])


def test_a_winner_within_rounding_of_another_may_change() -> None:
    def gradient(x: Any) -> Any:
        pool = lambda a: lax.reduce_window(a, -jnp.inf, lax.max, (2,), (2,), "VALID")  # noqa: E731
        return jax.vjp(pool, x + x)[1](jnp.array([3.0, 7.0]))[0]

    x = np.array([1.0, 1.0 + 2.0**-52, 1.0, 2.0])
    _, note, _ = walked(gradient, x)
    flip = np.asarray(note.flip) * UNIT[DOUBLE]
    assert flip[:2].max() >= 3.0
    assert not flip[2:].any()


# ---------------------------------------------------------------------- what has no rule


def test_a_primitive_without_a_rule_is_named_and_estimated() -> None:
    x = np.random.default_rng(0).normal(size=20)
    _, note, algebra = walked(lambda x: lax.sort(x), x, notes=[Note(error=np.full(20, 2.0))])
    assert algebra.weak == {"sort"}
    assert (np.asarray(note.error) >= 2.0).all()
    assert np.isfinite(np.asarray(note.error)).all()


def test_a_primitive_without_a_derivative_says_nothing() -> None:
    _, note, algebra = walked(lambda x: lax.nextafter(x, x + 1), np.ones(3))
    assert algebra.weak == {"nextafter"}
    assert np.isinf(np.asarray(note.error)).all()
