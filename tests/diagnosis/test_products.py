"""The true gradient times an array of the forward."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.diagnosis.products import parallel, spreads_to
from crosscheck.doors.functions import from_functions
from tests.diagnosis.harness import reasons

Array = np.ndarray


def likelihood(mean: Array, s: Array) -> Array:
    return (mean**2 / np.exp(s) + s).sum(1)


def reference(mean: Any, s: Any) -> Any:
    variance = jnp.exp(s)
    return jnp.sum(mean**2 / variance + s, axis=1)


@pytest.mark.parametrize(
    ("power", "words"), [(0.5, "square root of the result of the exponential"), (2.0, "divided by")]
)
def test_a_deviation_for_a_variance(power: float, words: str, rng: np.random.Generator) -> None:
    def backward(g: Array, mean: Array, s: Array) -> dict[str, Array]:
        g, variance = g[:, None], np.exp(s)
        return {"mean": 2 * g * mean / variance**power, "s": g * (1 - mean**2 / variance)}

    inputs = {k: rng.normal(size=(3, 4)) for k in ("mean", "s")}
    found = reasons(from_functions(likelihood, backward, inputs, reference), rng.normal(size=3))["mean"][0]
    assert found.kind in ("wrong-factor", "wrong-operand")
    assert words in found.explanation or "exponential" in found.explanation


def test_shapes_that_spread() -> None:
    assert spreads_to((3, 1), (3, 4))
    assert spreads_to((), (3,))
    assert not spreads_to((3, 4), (4,))
    assert parallel(np.ones(3), 2 * np.ones(3))
    assert not parallel(np.ones(2), np.array([1.0, 2.0]))
