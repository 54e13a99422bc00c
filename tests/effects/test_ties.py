"""At A point of ties A right gradient may be another's convention: no memory is seen in that."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import crosscheck

Array = np.ndarray
STEPS = 5


def passes(A: Array, b: Array, lam: Array, step: Array) -> tuple[list[tuple[Array, Array, Array]], Array]:
    x, seen = np.zeros(A.shape[1]), []
    for _ in range(STEPS):
        residual = A @ x - b
        moved = x - step * (A.T @ residual)
        seen.append((x, residual, moved))
        x = np.sign(moved) * np.maximum(abs(moved) - lam * step, 0)
    return seen, x


def backward(g: Array, A: Array, b: Array, lam: Array, step: Array) -> dict[str, Array]:
    """Of sign(u) · max(|u| - λs, 0) at u = 0 the slope is 1 or 0 by whoever asks, where λs is not positive."""
    back = {"A": np.zeros_like(A), "b": np.zeros_like(b), "lam": np.zeros(()), "step": np.zeros(())}
    for x, residual, moved in passes(A, b, lam, step)[0][::-1]:
        g = g * (abs(moved) > lam * step)
        of_threshold = -(np.sign(moved) * g).sum()
        of_residual = -step * (A @ g)
        back["lam"] += of_threshold * step
        back["step"] += of_threshold * lam - g @ (A.T @ residual)
        back["A"] += np.outer(of_residual, x) - step * np.outer(residual, g)
        back["b"] -= of_residual
        g = g + A.T @ of_residual
    return back


def reference(A: Any, b: Any, lam: Any, step: Any) -> Any:
    x = jnp.zeros(A.shape[1])
    for _ in range(STEPS):
        moved = x - step * (A.T @ (A @ x - b))
        x = jnp.sign(moved) * jax.nn.relu(abs(moved) - lam * step)
    return x


def test_a_convention_at_a_tie_is_not_an_earlier_call_that_is_remembered() -> None:
    rng = np.random.default_rng(0)
    inputs = {
        "A": rng.normal(size=(4, 6)) / 2,
        "b": rng.normal(size=4),
        "lam": np.array(0.1),
        "step": np.array(0.2),
    }
    result = crosscheck.check(lambda *args: passes(*args)[1], backward, inputs, reference, diagnose=False)
    assert result.verdict == "agree", result
