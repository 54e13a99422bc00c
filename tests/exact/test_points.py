"""Points where no sum rounds: proved by the walk, kept in every draw, moved by the right steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from crosscheck.doors.functions import from_functions
from crosscheck.exact.points import Points
from crosscheck.exact.run import exact_run
from tests.operations import APPLIES, SQUARE, one

Array = np.ndarray
Arrays = dict[str, Array]


PROVED = [name for name in APPLIES if name != "nothing"]


@pytest.mark.parametrize("name", PROVED)
def test_at_a_point_float64_is_exact_in_any_order(name: str) -> None:
    points = Points(APPLIES[name], seed=5)
    point = points.drawn[0]
    reference = points.formula.reference
    assert reference is not None
    assert point.bits < 53
    assert (point.cotangent != 0).all()
    # Rational arithmetic, entry by entry, gives what float64 gave.
    rational = {k: np.vectorize(Fraction, otypes=[object])(a) for k, a in point.inputs.items()}
    forward = RATIONAL.get(name)
    if forward is not None:
        assert (np.asarray(forward(*rational.values())) == point.output).all()
    for k in points.formula.wrt:
        multiple = point.inputs[k] / point.scale
        assert (multiple * 2.0**24 == np.rint(multiple * 2.0**24)).all()


RATIONAL: dict[str, Callable[..., Any]] = {
    "square": lambda x: x * x,
    "cube": lambda x: x**3,
    "product": lambda x, y: x @ y,
    "maximum": lambda x: x.max(1),
    "sums": lambda x: np.cumsum(x, 1),
    "mean square": lambda x, y: ((x - y) ** 2).sum() / x.size,
}


def test_maxima_do_not_tie_and_nothing_is_zero() -> None:
    points = Points(APPLIES["maximum"], seed=0)
    for _ in range(3):
        point = points.next()
        assert point is not None
        x = np.sort(point.inputs["x"], 1)
        assert (np.diff(x) > 0).all()
        assert x.all()


def test_points_differ_and_the_same_seed_draws_the_same() -> None:
    first, again = Points(APPLIES["product"], seed=1), Points(APPLIES["product"], seed=1)
    assert np.array_equal(first.drawn[0].inputs["x"], again.drawn[0].inputs["x"])
    second = first.next()
    assert second is not None
    assert not np.array_equal(first.drawn[0].inputs["x"], second.inputs["x"])
    other = Points(APPLIES["product"], seed=2)
    assert not np.array_equal(first.drawn[0].inputs["x"], other.drawn[0].inputs["x"])


def test_a_mean_is_drawn_in_multiples_of_its_divisor() -> None:
    point = Points(APPLIES["mean square"], seed=0).drawn[0]
    assert point.scale == 21
    assert all((a / 21 * 2.0**20 % 1 == 0).all() for a in point.inputs.values())


def test_the_finest_step_keeps_the_forward_exact() -> None:
    points = Points(APPLIES["square"], seed=0)
    point = points.drawn[0]
    x, h = point.inputs["x"], 2.0 ** -point.finest["x"]
    for moved in (x + h, x - h):
        assert all(Fraction(a) ** 2 == Fraction(b) for a, b in zip(moved.ravel(), (moved * moved).ravel(), strict=True))
        assert (moved != x).all()


def test_later_points_turn_units_off_by_a_low_bias() -> None:
    def forward(x: Array, w: Array, b: Array) -> Array:
        return np.maximum(x @ w + b, 0)

    def reference(x: Any, w: Any, b: Any) -> Any:
        return jax.nn.relu(x @ w + b)

    inputs = {"x": np.ones((8, 4)), "w": np.ones((4, 16)), "b": np.ones(16)}
    points = Points(from_functions(forward, lambda grad_output, **d: {}, inputs, reference), seed=0)
    second = points.next()
    assert second is not None
    assert (second.inputs["b"] < 1).all()
    assert points.drawn[0].inputs["b"].max() > 1
    off = (second.output == 0).mean()
    assert off > 0.5


def test_why_there_is_none() -> None:
    assert Points(one(*SQUARE[:2], None, (3, 4)), seed=0).reason.startswith("there is no reference")
    odd = Points(one(np.exp, lambda g, x: (g * np.exp(x),), jnp.exp, (3, 4)), seed=0)
    assert "exp is no polynomial" in odd.reason
    assert not odd.drawn

    def large(x: Any) -> Any:
        return (x + 2.0**19) ** 4

    assert "2^53" in Points(one(large, lambda g, x: (g,), large, (3, 4)), seed=0).reason


def test_where_the_other_way_of_a_tie_would_change_a_gradient() -> None:
    def reference(x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 5), (1, 1), "VALID")

    points = Points(one(lambda x: x.max(1, keepdims=True), lambda g, x: (g,), reference, (4, 5)), seed=0)
    polynomial, point = points.polynomial, points.drawn[0]
    assert polynomial is not None
    assert polynomial.untied(point)["x"].all()
    x = point.inputs["x"].copy()
    x[0] = [1.0, 90.0, 3.0, 90.0, 2.0]
    y, gradients, _ = polynomial.evaluate({"x": x}, point.cotangent)
    untied = polynomial.untied(replace(point, inputs={"x": x}, output=y, gradients=gradients))["x"]
    assert untied[0].tolist() == [True, False, True, False, True]
    assert untied[1:].all()


TIED = np.array([[1.5, 1.5, 0.25], [0.5, -2.0, 3.0]])


@pytest.mark.parametrize(
    "reference",
    [
        lambda x: jnp.sort(x, axis=1) * jnp.array([1.0, 2.0, 3.0]),
        lambda x: jnp.max(x, axis=1),
    ],
    ids=["sort", "max"],
)
def test_a_tie_is_one_whatever_breaks_it(reference: Callable[[Any], Any]) -> None:
    """A sort takes equal numbers in one order, and a maximum shares."""
    points = Points(one(reference, lambda g, x: (g,), reference, (2, 3)), seed=0)
    point, polynomial = points.drawn[0], points.polynomial
    assert polynomial is not None
    y, gradients, _ = polynomial.evaluate({"x": TIED}, point.cotangent)
    untied = polynomial.untied(replace(point, inputs={"x": TIED}, output=y, gradients=gradients))["x"]
    assert untied.tolist() == [[False, False, True], [True, True, True]]


@pytest.mark.parametrize(("target", "applies"), [([0.5, -3.0], True), ([0.1, 7.3], False)])
def test_what_is_not_differentiated_is_never_changed(target: list[float], applies: bool) -> None:
    """Where it has too many digits for exact arithmetic there is no point, not another target."""
    inputs = {"x": np.array([1.0, 2.0]), "target": np.array(target)}
    operation = from_functions(
        lambda x, target: (x - target) ** 2,
        lambda g, x, target: {"x": 2 * g * (x - target)},
        inputs,
        lambda x, target: (x - target) ** 2,
        wrt=("x",),
    )
    points = Points(operation, seed=0)
    assert bool(points.drawn) == applies
    assert all((point.inputs["target"] == inputs["target"]).all() for point in points.drawn)


def test_one_point_serves_two_purposes() -> None:
    operation = APPLIES["product"]
    points = Points(operation, seed=3)
    point = points.drawn[0]
    there = operation.at(point.inputs)
    hand = there.output(), there.gradients(point.cotangent)
    run = exact_run(operation, seed=3, points=points, hand=hand)
    assert run.inputs is point.inputs
    assert run.hand_gradients is hand[1]
    again = points.gradients_at(point.inputs, point.cotangent)
    assert all(np.array_equal(again[k], point.gradients[k]) for k in again)
