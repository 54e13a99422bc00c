"""The backward of a forward with another constant."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.doors.functions import from_functions
from tests.diagnosis.harness import reasons

Array = np.ndarray
EPS = 1e-3
MASK = np.tril(np.ones((3, 3), bool))


def length(x: Array) -> Array:
    return np.sqrt(x.sum(1) ** 2 + EPS)


def reference(x: Any) -> Any:
    return jnp.sqrt(jnp.sum(x, axis=1) ** 2 + EPS)


@pytest.mark.parametrize(("eps", "words"), [(0.0, "left out (0)"), (1e-5, "is 1e-05")])
def test_another_eps(eps: float, words: str, rng: np.random.Generator) -> None:
    def wrong(g: Array, x: Array) -> dict[str, Array]:
        y = x.sum(1, keepdims=True) ** 2 + eps
        return {"x": np.broadcast_to(g[:, None] * x.sum(1, keepdims=True) / np.sqrt(y), x.shape)}

    inputs = {"x": 0.05 * (np.arange(12.0).reshape(3, 4) + 1)}
    found = reasons(from_functions(length, wrong, inputs, reference), rng.normal(size=3))["x"][0]
    assert found.kind == "wrong-constant"
    assert words in found.explanation


def masked(x: Array, mask: Array | None = None) -> Array:
    return np.exp(np.where(MASK if mask is None else mask, x, -1.0)).sum(1)


def masked_reference(x: Any) -> Any:
    return jnp.sum(jnp.exp(jnp.where(MASK, x, -1.0)), axis=1)


def test_a_mask_forgotten(rng: np.random.Generator) -> None:
    operation = from_functions(
        masked, lambda g, x: {"x": g[:, None] * np.exp(x)}, {"x": rng.normal(size=(3, 3))}, masked_reference
    )
    found = reasons(operation, rng.normal(size=3))["x"][0]
    assert found.kind in ("missing-mask", "wrong-mask")
