"""Hessians entry by entry, symmetric or not, and their products with a vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

import crosscheck

pytestmark = pytest.mark.proof

Array = np.ndarray
X = np.array([0.6, -1.25, 0.35, 1.5])


def hessian(x: Any) -> Any:
    return rosen_hess(x)


def plain(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def reference(x: Any) -> Any:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def gradient(x: Array) -> Array:
    g, d = np.zeros_like(x), x[1:] - x[:-1] ** 2
    g[1:] += 200 * d
    g[:-1] += -400 * x[:-1] * d - 2 * (1 - x[:-1])
    return g


@pytest.mark.parametrize(
    ("f", "grad", "given"),
    [(rosen, rosen_der, reference), (plain, gradient, None), (rosen, rosen_der, None)],
    ids=["reference", "recorded", "differences"],
)
def test_a_right_hessian_agrees(f: Any, grad: Any, given: Any) -> None:
    result = crosscheck.check_hessian(f, grad, hessian, X, (), given)
    assert result, result
    assert list(result.gradients) == ["gradient", "hessian"]
    assert crosscheck.check_hessian(f, grad, lambda x: sp.csc_matrix(hessian(x)), X, (), given)


def scaled(x: Array) -> Array:
    found = hessian(x)
    found[2, 1] *= 1 + 1e-8
    return found


def without(x: Array) -> Any:
    found = sp.lil_array(hessian(x))
    found[0, 1] = 0
    return found.tocsr()


def diagonal(x: Array) -> Array:
    found = hessian(x)
    return found - np.diag(np.diag(found)) / 2


# the Hessian -> the kind of the reason
WRONG: dict[str, tuple[Callable[[Array], Any], str]] = {
    "one entry above and not below": (scaled, "localized"),
    "one triangle": (lambda x: np.tril(hessian(x)), "triangle"),
    "twice off the diagonal": (lambda x: 2 * hessian(x) - np.diag(np.diag(hessian(x))), "twice"),
    "half of the diagonal": (diagonal, "diagonal"),
    "a pattern without an entry": (without, "pattern"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hessian_is_named(name: str) -> None:
    hess, kind = WRONG[name]
    result = crosscheck.check_hessian(rosen, rosen_der, hess, X, reference=reference)
    assert result.verdict == "disagree"
    assert result.gradients["gradient"].passed
    assert kind in [d.kind for d in result.gradients["hessian"].diagnoses]
    if hess is scaled:  # that it is symmetric is not assumed
        assert np.argwhere(result.gradients["hessian"].mismatched).tolist() == [[2, 1]]


@pytest.mark.parametrize("given", [reference, None])
def test_a_gradient_that_is_wrong_is_not_vouched_for_by_its_own_hessian(given: Any) -> None:
    """g = ∇f + (0, x₀, 0, 0) and its derivative fit each other, and not f; the derivative is not symmetric."""

    def grad(x: Array) -> Array:
        return gradient(x) + np.array([0, 1, 0, 0]) * x[0]

    def hess(x: Array) -> Array:
        found = hessian(x)
        found[1, 0] += 1
        return found

    result = crosscheck.check_hessian(plain, grad, hess, X, (), given, diagnose=False)
    assert result.verdict == "disagree"
    assert not result.gradients["gradient"].passed
    assert np.argwhere(result.gradients["hessian"].mismatched).tolist() == [[1, 0]]


def half(x: Array) -> Array:
    return gradient(x) / 2


def test_a_right_hessian_is_not_accused_beside_a_wrong_gradient() -> None:
    result = crosscheck.check_hessian(plain, half, hessian, X, diagnose=False)
    assert not result
    assert result.gradients["hessian"].passed
    result = crosscheck.check_hessian(plain, half, lambda x: hessian(x) / 2, X, diagnose=False)
    assert result.gradients["hessian"].verdict == "disagree"


def by_value(x: Any) -> Any:
    return plain(x) if x[0] > 0 else -plain(x)


def test_nothing_is_said_of_a_hessian_beside_a_wrong_gradient_of_what_cannot_be_recorded() -> None:
    for hess in (hessian, lambda x: hessian(x) / 2):
        result = crosscheck.check_hessian(by_value, half, hess, X, diagnose=False)
        assert result.gradients["gradient"].verdict == "disagree"
        assert result.gradients["hessian"].verdict == "undecided"
        assert "held against the derivative of the gradient, which is wrong" in " ".join(str(result).split())


def test_arrays_arguments_and_one_number() -> None:
    def f(x: Any, a: Any) -> Any:
        return (a * x**3).sum()

    def grad(x: Array, a: Array) -> Array:
        return 3 * a * x**2

    def hess(x: Array, a: Array) -> Array:
        return np.einsum("ij,ik,jl->ijkl", 6 * a * x, np.eye(2), np.eye(3))

    x = np.random.default_rng(0).normal(size=(2, 3))
    a = np.random.default_rng(1).normal(size=(2, 3))
    assert crosscheck.check_hessian(f, grad, hess, x, (a,), f)
    assert crosscheck.check_hvp(f, lambda x, p, a: 6 * a * x * p, x, (a,), f)
    assert crosscheck.check_hessian(lambda x: x**3, lambda x: 3 * x**2, lambda x: 6 * x, 0.75)
    assert not crosscheck.check_hessian(lambda x: x**3, lambda x: 3 * x**2, lambda x: 3 * x, 0.75)
    one = lambda x, a: (6 * a * x).reshape(1, 1, 1, 1)  # noqa: E731
    assert crosscheck.check_hessian(f, grad, one, x[:1, :1], (a[:1, :1],), f)


def test_what_does_not_fit_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"returns shape \(3,\); x0 has shape \(4,\)"):
        crosscheck.check_hessian(rosen, lambda x: rosen_der(x)[1:], hessian, X)
    with pytest.raises(ValueError, match=r"shape \(4,\); it must return one number"):
        crosscheck.check_hessian(rosen_der, rosen_der, hessian, X)
    with pytest.raises(TypeError, match="hess is a ndarray; it must be a function"):
        crosscheck.check_hessian(rosen, rosen_der, hessian(X), X)


# ---------------------------------------------------------------------- products with a vector


@pytest.mark.parametrize(
    ("f", "given", "grad"),
    [(rosen, reference, None), (rosen, None, rosen_der), (plain, None, None)],
    ids=["reference", "gradient", "recorded"],
)
def test_a_right_product_agrees_and_a_wrong_one_does_not(f: Any, given: Any, grad: Any) -> None:
    assert crosscheck.check_hvp(f, rosen_hess_prod, X, (), given, grad=grad)

    def wrong(x: Array, p: Array) -> Array:
        found = rosen_hess_prod(x, p)
        found[2] *= 1 + 1e-7
        return found

    result = crosscheck.check_hvp(f, wrong, X, (), given, grad=grad, diagnose=False)
    assert result.verdict == "disagree"
    # Both directions; before H p stands ⟨∇f, p⟩.
    assert np.argwhere(result.gradients["x"].mismatched).tolist() == [[0, 3], [1, 3]]


def test_a_product_with_half_of_the_matrix_or_with_no_vector_is_seen() -> None:
    for wrong in (lambda x, p: np.tril(hessian(x)) @ p, lambda x, p: hessian(x) @ np.abs(p)):
        assert not crosscheck.check_hvp(rosen, wrong, X, (), reference, diagnose=False)


def test_without_a_gradient_or_a_reference_it_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match=r"f is not recorded: .* give grad=.* or reference="):
        crosscheck.check_hvp(rosen, rosen_hess_prod, X)
    result = crosscheck.check_hvp(plain, rosen_hess_prod, X, diagnose=False)
    assert result.evidence.source.startswith("recorded")
