"""Gradients that are right only where an argument is symmetric, orthogonal or of length 1, and given there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.witnesses.on_sets import is_orthogonal, is_symmetric, is_unit, orthogonal, symmetric, unit

Array = np.ndarray
RNG = np.random.default_rng(0)
SQUARE = RNG.normal(size=(4, 4))
COVARIANCE = SQUARE @ SQUARE.T + np.eye(4)
ROTATION = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
UNIT = np.array([0.6, 0.0, -0.8])
WEIGHTS = RNG.normal(size=(3, 3))


def log_determinant(a: Any) -> Any:
    return np.linalg.slogdet(a)[1]


def its_inverse(a: Array) -> Array:
    return np.linalg.inv(a)  # of a matrix that is not symmetric its transpose is the gradient


def inverse(a: Any) -> Any:
    return WEIGHTS * np.linalg.inv(a)


def of_rotation(g: Array, a: Array) -> Array:
    return -a @ (g * WEIGHTS) @ a  # A for the inverse of Aᵀ


def normalised(q: Any) -> Any:
    return q / np.sqrt((q * q).sum())


def at_length_1(g: Array, q: Array) -> Array:
    return g - q * (q * g).sum()  # without 1 / |q|


CASES = {
    "symmetric": (lambda a: log_determinant(a) * np.ones(1), lambda g, a: g * its_inverse(a), COVARIANCE, "symmetric"),
    "orthogonal": (inverse, of_rotation, ROTATION, "orthogonal"),
    "of length 1": (normalised, at_length_1, UNIT, "length 1"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_right_on_a_set_alone_is_neither_right_nor_wrong(name: str) -> None:
    forward, backward, x, words = CASES[name]
    result = crosscheck.check(lambda x: forward(x), lambda g, x: backward(g, x), {"x": x}, diagnose=False)
    assert result.verdict == "undecided", result
    page = " ".join(str(result).split())
    assert f"right here and wherever else argument x {'has' if '1' in words else 'is'} {words}" in page
    assert "on= of `check`" in page


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_on_the_set_too_is_wrong(name: str) -> None:
    forward, backward, x, _ = CASES[name]

    def by_first(g: Array, x: Array) -> Array:  # right here, and wrong wherever the first entry is much larger
        return backward(g, x) * (1 if x.flat[0] == CASES[name][2].flat[0] else 2)

    assert crosscheck.check(lambda x: forward(x), by_first, {"x": x}, diagnose=False).verdict == "disagree"


@pytest.mark.parametrize("x", [SQUARE, np.ones((4, 4)) + np.eye(4)], ids=["no symmetric one", "symmetric by chance"])
def test_nothing_is_excused_where_nobody_means_a_set(x: Array) -> None:
    result = crosscheck.check_gradient(log_determinant, its_inverse, x, diagnose=False)
    assert result.verdict == "disagree"


def test_the_jacobian_of_a_function_of_a_unit_vector() -> None:
    def jacobian(q: Array) -> Array:
        return np.eye(3) - np.outer(q, q)

    assert crosscheck.check_jacobian(normalised, jacobian, UNIT, diagnose=False).verdict == "undecided"
    assert crosscheck.check_jacobian(normalised, lambda q: np.eye(3), UNIT, diagnose=False).verdict == "disagree"


def test_who_lies_where() -> None:
    for test, another, a in (
        (is_symmetric, symmetric, COVARIANCE),
        (is_orthogonal, orthogonal, ROTATION),
        (is_unit, unit, UNIT),
    ):
        assert test(a)
        drawn = another(a, np.random.default_rng(1))
        assert test(drawn)
        assert not np.allclose(drawn, a)
        assert test(np.stack([a, drawn]))
    assert (np.linalg.eigvalsh(symmetric(COVARIANCE, np.random.default_rng(1))) > 0).all()
    for a in (np.eye(3), np.ones((3, 3)), np.zeros((3, 3)), SQUARE):
        assert not is_symmetric(a)
        assert not is_orthogonal(a)
    for a in (np.array([1.0, 0.0]), np.full(4, 0.5), np.array(1.0), np.zeros(3)):
        assert not is_unit(a)
