"""A square whose derivative is left out; and an entry that is lost, where an array happens to be zero just there."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from crosscheck.doors.functions import from_functions
from tests.diagnosis.harness import reasons

Array = np.ndarray


def test_the_derivative_of_a_square_is_left_out() -> None:
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2))}

    def reference(x: Any, w: Any) -> Any:
        h = x @ w
        return h * h

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        return {"x": g @ w.T, "w": x.T @ g}

    operation = from_functions(lambda x, w: (x @ w) ** 2, backward, inputs, reference)
    found = reasons(operation, rng.normal(size=(4, 2)))
    assert set(found) == {"x", "w"}
    for diagnoses in found.values():
        assert "leaves out the derivative of the square" in diagnoses[0].explanation


def test_a_lost_entry_is_no_array_read_for_another() -> None:
    """x and (0, x₁, x₂, …) are one array but for the entry that is lost: their ratio is a mask."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=6)

    def reference(x: Any) -> Any:
        return jnp.tanh(x) + jnp.concatenate([jnp.zeros(1), x[1:]]) ** 2

    def forward(x: Array) -> Array:
        return np.tanh(x) + np.concatenate([np.zeros(1), x[1:]]) ** 2

    def backward(g: Array, x: Array) -> dict[str, Array]:
        grad_x = g * (1 - np.tanh(x) ** 2)
        grad_x[1:] += 2 * x[1:] * g[1:]
        grad_x[0] = 0
        return {"x": grad_x}

    found = reasons(from_functions(forward, backward, {"x": x}, reference), rng.normal(size=6))
    assert [d.kind for d in found["x"]][:1] == ["localized"]
