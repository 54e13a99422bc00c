"""Code that takes no numbers but its caller's: whatever asks at other points falls back, and no exception leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray
X = np.array([[0.0, 0.0, -1.3, 0.4], [0.7, -0.2, 1.1, -0.9], [0.3, 2.0, 0.5, -1.8]])
W = np.array([[0.3, -1.2], [0.8, 0.5], [-0.4, 1.7], [1.1, 0.6]])


def only_at(given: dict[str, Array], function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(x: Array, w: Array) -> Any:
        if not (np.array_equal(x, given["x"]) and np.array_equal(w, given["w"])):
            raise ValueError("x and w must be the caller's own")
        return function(x, w)

    return checked


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("with_reference", [True, False])
@pytest.mark.parametrize(("slope", "verdict"), [(0.5, "agree"), (2.0, "disagree")])
def test_a_point_that_is_refused_is_no_exception(slope: float, verdict: str, with_reference: bool, dtype: type) -> None:
    given = {"x": X.astype(dtype), "w": W.astype(dtype)}

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        kink = np.where(x == 0, slope, x > 0).astype(dtype)
        return {"x": (g @ w.T) * kink, "w": np.maximum(x, 0).T @ g}

    forward = only_at(given, lambda x, w: np.maximum(x, 0) @ w)
    reference = (lambda x, w: jnp.maximum(x, 0) @ w) if with_reference else None
    result = crosscheck.check(forward, backward, given, reference, diagnose=False)
    assert result.verdict == verdict, result
    assert str(result)
