"""Where the complex step speaks of a plain function: where that is analytic, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.evidence.estimate import COMPLEX_STEP
from crosscheck.operation import Operation
from crosscheck.witnesses import analytic
from crosscheck.witnesses.complex_step import complex_step
from crosscheck.witnesses.sampling import one_by_one

Array = np.ndarray
X = np.random.default_rng(0).normal(size=(3, 4))
V = np.random.default_rng(1).normal(size=(3, 4))
W = np.random.default_rng(2).normal(size=(4, 5))


def said_of(forward: Callable[[Array], Any], v: Array = V, x: Array = X) -> Any:
    operation = Operation("mine", lambda d: forward(d["x"]), lambda g, d: {"x": g}, {"x": x}, ("x",), None)
    return complex_step(operation, "x", v, lambda: one_by_one(x.size))


SPEAKS: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Array]]] = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "a polynomial": (lambda x: 3 * x**3 - x + 2, lambda x: 9 * x**2 - 1),
    "a quotient": (lambda x: x / (1 + x * x), lambda x: (1 - x * x) / (1 + x * x) ** 2),
    "a fast oscillation": (lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x)),
    "a branch by the real part": (
        lambda x: np.where(np.real(x) > 0, x * x, np.sinh(x)),
        lambda x: np.where(x > 0, 2 * x, np.cosh(x)),
    ),
    "a constant": (lambda x: 0 * x + 1, np.zeros_like),
}


@pytest.mark.parametrize("name", SPEAKS)
def test_it_speaks_of_analytic_code_and_is_right(name: str) -> None:
    forward, slope = SPEAKS[name]
    found = said_of(forward)
    assert found is not None
    truth = V * slope(X)
    assert (np.abs(found.value - truth) <= found.bound + 8 * np.finfo(float).eps * np.abs(truth)).all()
    assert (found.bound <= 1e-8 * (1 + np.abs(truth).max())).all()


def test_it_speaks_of_sums_of_products() -> None:
    v = np.random.default_rng(3).normal(size=(3, 5))
    found = said_of(lambda x: np.tanh(x @ W), v)
    assert found is not None
    np.testing.assert_allclose(found.value, (v * (1 - np.tanh(X @ W) ** 2)) @ W.T, rtol=1e-12)


SILENT: dict[str, Callable[[Array], Any]] = {
    "abs": np.abs,
    "abs inside": lambda x: x * np.abs(x),
    "a little of abs": lambda x: x + 1e-6 * np.abs(x),
    "abs in one entry": lambda x: x + np.abs(x) * (np.arange(12).reshape(3, 4) == 7),
    "conj": lambda x: np.conj(x) * x,
    "real": lambda x: np.real(x) * x,
    "all of it real": lambda x: np.real(x) + 0 * x,
    "a norm": lambda x: x / np.sqrt(np.sum(np.abs(x) ** 2)),
    "max of moduli": lambda x: x / np.max(np.abs(x)),
    "a max at its tie": lambda x: np.maximum(x, X),
    "float": lambda x: np.array([float(a) ** 2 for a in x.ravel()]).reshape(x.shape),
    "astype": lambda x: x.astype(np.float64) * x,
    "a buffer": lambda x: np.add(x, 0, out=np.empty(x.shape)),
    "few digits": lambda x: x.astype(np.complex64) if np.iscomplexobj(x) else x,
    "small parts ignored": lambda x: np.where(np.abs(np.imag(x)) < 1e-10, np.real(x), x),
    "another function of complex numbers": lambda x: x * x + 1 if np.iscomplexobj(x) else x * x,
}


@pytest.mark.parametrize("name", SILENT)
def test_it_is_silent_about_the_rest(name: str) -> None:
    assert said_of(SILENT[name]) is None


def test_the_check_is_what_keeps_it_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without (2) it would speak of x|x|, and be wrong."""
    monkeypatch.setattr("crosscheck.witnesses.complex_step.unseen", lambda f, x, y, h: np.zeros(y.shape))
    found = said_of(SILENT["abs inside"])
    assert found is not None
    assert (np.abs(found.value - V * 2 * np.abs(X)) > found.bound).all()


def test_it_costs_what_it_says() -> None:
    calls = []
    assert analytic.unseen(lambda z: calls.append(1) or np.sin(z), X, np.sin(X), 2.0**-300) is not None
    assert len(calls) + 1 == analytic.CHECK_EVALUATIONS  # and the real forward


def test_a_wrong_gradient_without_a_reference_is_told_by_it() -> None:

    def result(error: float) -> Any:
        return crosscheck.check(
            lambda x: np.exp(np.sin(x)), lambda g, x: {"x": g * np.exp(np.sin(x)) * np.cos(x) * (1 + error)}, {"x": X}
        )

    right, wrong = result(0.0), result(1e-7)
    assert COMPLEX_STEP in right.gradients["x"].estimates
    assert right.gradients["x"].verdict == "agree"
    assert wrong.gradients["x"].verdict == "disagree"
    assert wrong.gradients["x"].pairs["hand-derived", COMPLEX_STEP].disagree.all()


def test_what_one_entry_hides_behind_others_is_in_its_bound() -> None:
    """|x| has a derivative by z̄ everywhere; beside a large and analytic entry the small one's is not seen."""
    x, v = np.array([1e-10, 3.0]), np.array([1.0, 1.0])
    forward = lambda x: np.stack([x[0] / (1 + 1e9 * np.abs(x[0])) + np.exp(x[1]), x[1] ** 2])  # noqa: E731
    found = said_of(forward, v, x)
    truth = np.array([1 / (1 + 1e9 * x[0]) ** 2, np.exp(3.0) + 6.0])
    assert found is None or (np.abs(found.value - truth) <= found.bound + 1e-12 * truth).all()
