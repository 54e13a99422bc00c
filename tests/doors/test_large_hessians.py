"""A Hessian of more than 2^16 entries, dense and sparse: judged by the sum of its rows times random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import crosscheck

Array = np.ndarray
N = 300
X = np.random.default_rng(0).normal(size=N)


def chain(x: Array) -> Any:
    """Springs between neighbours."""
    return np.sum((x[1:] - x[:-1]) ** 4) / 4 + np.sum(x**2) / 2


def gradient(x: Array) -> Array:
    g, d = x.copy(), (x[1:] - x[:-1]) ** 3
    g[1:] += d
    g[:-1] -= d
    return g


def hessian(x: Array, wrong: float = 0.0) -> Any:
    d = 3 * (x[1:] - x[:-1]) ** 2
    middle = np.ones(N)
    middle[1:] += d
    middle[:-1] += d
    below = -d.copy()
    below[7] *= 1 + wrong
    return sparse.diags_array([below, middle, -d], offsets=[-1, 0, 1])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_a_wrong_entry_shows_at_its_column(form: str) -> None:
    def hess(x: Array, wrong: float = 0.0) -> Any:
        return hessian(x, wrong) if form == "sparse" else hessian(x, wrong).toarray()

    assert crosscheck.check_hessian(chain, gradient, hess, X, diagnose=False)
    result = crosscheck.check_hessian(chain, gradient, lambda x: hess(x, 1e-3), X, diagnose=False)
    assert result.verdict == "disagree"
    assert result.gradients["gradient"].passed
    assert np.argwhere(result.gradients["hessian"].mismatched).tolist() == [[7]]


def test_a_wrong_gradient_is_told_from_it() -> None:
    result = crosscheck.check_hessian(chain, lambda x: 1.01 * gradient(x), hessian, X, diagnose=False)
    assert not result.gradients["gradient"].passed
