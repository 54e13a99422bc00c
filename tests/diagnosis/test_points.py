"""What a point says: what is wrong there, and which arrays are the same."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis.points import Point, jacobian_of, judged_at
from crosscheck.diagnosis.tolerances import CANDIDATE, JACOBIAN_LEAST, LEAST
from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import TANH

A = np.array([1.0, -2.0, 4.0])


def at(wrong: np.ndarray, bound: float = 1e-12) -> Point:
    return Point({"x": A}, A, {"x": wrong}, {"x": A}, {"x": np.full(3, bound)})


def test_wrong_is_what_is_further_off_than_the_bound() -> None:
    assert not at(A + 1e-13).is_wrong("x")
    assert at(A + np.array([0, 1e-11, 0])).off("x").tolist() == [False, True, False]
    assert at(A + np.nan).is_wrong("x")
    assert at(A[:2]).is_wrong("x")


def test_a_candidate_is_the_users_array_within_the_truths_relative_bound() -> None:
    point = at(2 * A, bound=4e-9)
    assert point.relative_bound("x") == pytest.approx(1e-9)
    allowed = CANDIDATE * 1e-9 * 8
    assert point.same(2 * A + 0.9 * allowed, "x")
    assert not point.same(2 * A + 1.1 * allowed, "x")
    assert point.is_truth(A + 0.4 * allowed, "x")
    assert not point.is_truth(A + 0.6 * allowed, "x")
    assert not point.same(A[:2], "x")
    assert at(A, bound=0.0).same(A * (1 + CANDIDATE * LEAST / 2), "x")


def test_where_the_users_code_refuses_there_is_no_point() -> None:
    def backward(g: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        if (x < 0).any():
            raise ValueError("negative")
        return {"x": g}

    operation = from_functions(TANH.forward, backward, {"x": A}, TANH.reference)
    assert judged_at(operation, {"x": A}, A, ("x",)) is None
    point = judged_at(operation, {"x": np.abs(A)}, A, ("x",))
    assert point is not None
    np.testing.assert_allclose(point.truth["x"], A * (1 - np.tanh(np.abs(A)) ** 2), rtol=1e-12)
    np.testing.assert_array_equal(point.wrong["x"], A)


def test_a_jacobian_by_differences_and_its_error() -> None:
    x = np.array([[0.3, -1.2], [2.0, 0.7]])
    jacobian = jacobian_of(lambda z: np.sin(z).ravel() * z.sum(), x)
    exact = np.diag(np.cos(x.ravel())) * x.sum() + np.sin(x.ravel())
    assert np.abs(jacobian.rows - exact).max() <= jacobian.error * np.abs(exact).max()
    assert JACOBIAN_LEAST <= jacobian.error < 1e-6


def in_single(g: np.ndarray, x: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
    kept = np.zeros(g.shape, np.float32)
    kept[:] = g * (1 - np.tanh(x @ w))  # without 1 + tanh
    return {"x": kept @ w.T, "w": x.T @ kept}


def test_a_mistake_in_code_that_computes_in_float32_inside_is_named() -> None:
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(4, 5)), "w": rng.normal(size=(5, 3))}
    result = crosscheck.check(lambda x, w: np.tanh(x @ w), in_single, inputs)
    assert any(finding.kind == "float32-inside" for finding in result.findings)
    for name in inputs:
        assert "the factor 1 + y" in result.gradients[name].diagnoses[0].explanation


def test_the_rounding_of_the_code_is_measured_and_what_is_no_rounding_is_none() -> None:
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(4, 5)), "w": rng.normal(size=(5, 3))}
    g = rng.normal(size=(4, 3))

    def bound(backward: Any) -> float:
        operation = from_functions(lambda x, w: np.tanh(x @ w), backward, inputs, lambda x, w: jnp.tanh(x @ w))
        point = judged_at(operation, inputs, g, ("x", "w"))
        assert point is not None
        return point.relative_bound("x")

    def squared(g: np.ndarray, x: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": g * g @ w.T, "w": x.T @ (g * g)}

    assert 1e-9 < bound(in_single) < 1e-6
    assert bound(squared) < 1e-12
