"""Exact central differences: bit for bit where the forward is quadratic between, silent across a kink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crosscheck.evidence.exact_run import ExactDifference
from crosscheck.exact.differences import DRAWN_DIRECTIONS, Exactly, exact_differences
from crosscheck.exact.points import Points
from crosscheck.floats import LONG
from tests.operations import APPLIES, one

Array = np.ndarray

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.5]])
V = np.array([[1.0, -2.0, 3.0], [5.0, -7.0, 11.0]])


def exactly(forward: Callable[[Array], Any], x: Array = X, v: Array = V, **more: Any) -> Exactly:
    operation = one(forward, lambda g, x: (g,), None, x.shape).at({"x": x})
    return Exactly(operation, "x", v, operation.output(), 1, **more)


def test_of_a_quadratic_it_is_the_derivative_whatever_the_step() -> None:
    for k in (0, 3, 10):
        found = exactly(lambda x: x * x / 2 - x).entries(V * (X - 1), [k])
        assert found.checked.all()
        assert found.agrees
        np.testing.assert_array_equal(found.value, V * (X - 1))


def test_one_last_bit_is_a_difference() -> None:
    truth = V * X
    truth[1, 2] = np.nextafter(truth[1, 2], np.inf)
    found = exactly(lambda x: x * x / 2).entries(truth, [4])
    assert np.argwhere(~found.equal).tolist() == [[1, 2]]
    assert not found.agrees


def test_across_a_kink_a_smaller_step_is_tried_and_else_it_is_silent() -> None:
    x = np.array([0.25, -3.0, 0.0])
    v = np.array([1.0, 2.0, 3.0])
    subject = exactly(lambda x: np.maximum(x, 0), x, v)
    assert np.isnan(subject.entries(v * (x > 0), [1]).value).tolist() == [True, False, True]
    found = exactly(lambda x: np.maximum(x, 0), x, v).entries(v * (x > 0), [1, 4])
    assert found.checked.tolist() == [True, True, False]
    assert found.agrees


def test_of_a_cubic_it_is_silent() -> None:
    assert not exactly(lambda x: x**3).entries(V, [2]).checked.any()


def test_a_forward_that_is_not_finite_is_silent() -> None:
    assert exactly(lambda x: np.where(x == X, x, np.nan)).along(np.ones((2, 3)), 2) is None


def test_a_contraction_rounds_once() -> None:
    big = np.array([2.0**40 + 1, 2.0**40, 1.0])
    v = np.array([2.0**20 - 1, -(2.0**20 - 1), 1.0])
    subject = exactly(lambda x: x, np.ones(3), v)
    assert subject.contracted(big) == 2.0**20  # 2^20 - 1 of the first two, which a rounded product loses, and 1
    assert big[0] * v[0] + big[1] * v[1] + 1 != 2.0**20


def test_too_many_entries_are_compared_along_directions() -> None:
    truth = V * X
    found = exactly(lambda x: x * x / 2).compare(truth, [3], evaluations=4 * DRAWN_DIRECTIONS)
    assert found is not None
    assert found.directions == DRAWN_DIRECTIONS
    assert found.agrees
    truth[0, 0] *= 1 + 2.0**-40
    wrong = exactly(lambda x: x * x / 2).compare(truth, [3], evaluations=4 * DRAWN_DIRECTIONS)
    assert wrong is not None
    assert not wrong.agrees


def test_no_evaluations_no_difference() -> None:
    subject = exactly(lambda x: x * x / 2)
    assert subject.compare(V * X, [3], evaluations=3) is None
    assert subject.evaluations == 0


@pytest.mark.skipif(np.finfo(LONG).nmant <= 52, reason="longdouble is double here")
def test_a_moved_point_counts_only_where_longdouble_gives_the_same() -> None:
    def rounding(x: Array) -> Array:
        return x if x.dtype == LONG else np.where(x == X, x, 2 * x - X)  # as straight, and another slope

    operation = one(rounding, lambda g, x: (g,), None, X.shape).at({"x": X})
    long = operation.at({"x": X.astype(LONG)})
    believed = Exactly(operation, "x", V, operation.output(), 1)
    assert believed.entries(2 * V, [2]).agrees
    alone = Exactly(operation, "x", V, operation.output(), 1, long)
    assert not alone.entries(2 * V, [2]).checked.any()


def differences_of(name: str, evaluations: int = 1000) -> dict[str, ExactDifference]:
    points = Points(APPLIES[name], seed=0)
    polynomial = points.polynomial
    assert polynomial is not None
    return exact_differences(points.formula, polynomial, points.drawn[0], evaluations)


def test_every_input_of_degree_two_has_one_and_a_cube_has_none() -> None:
    assert {k: d.agrees and d.checked.all() for k, d in differences_of("product").items()} == {"x": True, "y": True}
    assert differences_of("cube") == {}


def test_the_small_inputs_come_first_while_evaluations_last() -> None:
    # y has 21 entries and x 28: four evaluations each.
    assert list(differences_of("product", evaluations=4 * 21)) == ["y"]
    assert list(differences_of("product")) == ["y", "x"]


def test_a_reference_that_is_wrong_at_the_point_is_contradicted() -> None:
    points = Points(APPLIES["square"], seed=0)
    polynomial = points.polynomial
    assert polynomial is not None
    point = points.drawn[0]
    wrong = replace(point, gradients={"x": np.nextafter(point.gradients["x"], np.inf)})
    assert not exact_differences(points.formula, polynomial, wrong, 1000)["x"].agrees
