"""A reference that holds a gradient back on purpose is no derivative of the forward, and the page says what it is."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray


def straight_through(x: Any, w: Any) -> Any:
    return (x + jax.lax.stop_gradient(jnp.round(x) - x)) * w


@pytest.mark.parametrize("n", [5, pytest.param(200, marks=pytest.mark.proof)])
def test_a_straight_through_rounding_disagrees_at_any_size(n: int) -> None:
    rng = np.random.default_rng(n)
    inputs = {"x": 3 * rng.normal(size=n), "w": rng.normal(size=n)}

    def passed_on(g: Array, x: Array, w: Array) -> dict[str, Array]:
        return {"x": g * w, "w": g * np.round(x)}

    result = crosscheck.check(
        lambda x, w: np.round(x) * w, passed_on, inputs, reference=straight_through, diagnose=False
    )
    assert result.gradients["x"].verdict == "disagree"
    assert result.gradients["w"].verdict == "agree"
    assert "the reference stops a gradient on its way" in " ".join(result.gradients["x"].remarks)


def test_far_out_a_rounding_has_no_derivative_that_a_difference_sees() -> None:
    """Every float64 above 2^52 is whole: the difference of rounding is 1 there, and its derivative 0."""
    x = 2.0**53 * np.random.default_rng(0).uniform(1, 2, 4)

    def nothing(g: Array, x: Array) -> dict[str, Array]:
        return {"x": 0 * x}

    result = crosscheck.check(
        lambda x: np.round(x) / 2.0**53, nothing, {"x": x}, reference=lambda x: jnp.round(x) / 2.0**53, diagnose=False
    )
    assert result.verdict != "disagree"


def test_gradients_that_the_reference_gives_are_not_exchanged() -> None:
    """Two statistics held back by both: zero is not taken from one of them for the other."""
    rng = np.random.default_rng(1)
    inputs = {"x": rng.normal(size=(5, 3)), "mean": rng.normal(size=3), "scale": rng.uniform(1, 2, 3)}

    def constant(g: Array, x: Array, mean: Array, scale: Array) -> dict[str, Array]:
        return {"x": g / scale, "mean": 0 * mean, "scale": 0 * scale}

    def reference(x: Any, mean: Any, scale: Any) -> Any:
        return (x - jax.lax.stop_gradient(mean)) / jax.lax.stop_gradient(scale)

    result = crosscheck.check(lambda x, mean, scale: (x - mean) / scale, constant, inputs, reference=reference)
    assert result.verdict == "disagree"
    assert "exchanged" not in str(result)
