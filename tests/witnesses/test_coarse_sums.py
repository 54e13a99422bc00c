"""Sums that float64 does not round and float32 does: the gradient of a bias, in code that is float32 inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck

Array = np.ndarray
SINGLE = np.float32
RNG = np.random.default_rng(3)
INPUTS = {"x": RNG.normal(size=(40, 3)), "w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}


def forward(x: Array, w: Array, b: Array) -> Array:
    return x @ w + b


def backward(g: Array, x: Array, w: Array, b: Array, share: float = 1.0) -> dict[str, Any]:
    g, x, w, b = (np.asarray(a, SINGLE) for a in (g, x, w, b))
    return {"x": g @ w.T, "w": x.T @ g, "b": SINGLE(share) * g.sum(0)}


@pytest.mark.parametrize("seed", range(4))
def test_a_sum_in_float32_is_not_accused(seed: int) -> None:
    result = crosscheck.check(forward, backward, INPUTS, seed=seed, diagnose=False)
    assert result, result


def test_a_wrong_sum_in_float32_is() -> None:
    wrong = crosscheck.check(forward, lambda g, **inputs: backward(g, **inputs, share=1.001), INPUTS, diagnose=False)
    assert wrong.gradients["b"].verdict == "disagree"
    assert wrong.gradients["w"].passed
