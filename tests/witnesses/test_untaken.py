"""0 · NaN of a branch that is not taken is read as 0, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.evidence.estimate import AUTODIFF
from crosscheck.floats import DOUBLE
from crosscheck.witnesses.autodiff import autodiff

X = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
V = np.linspace(0.5, 1.5, 5)


def gradient(reference: Callable[..., Any], x: np.ndarray = X) -> np.ndarray:
    return autodiff(reference, {"x": x}, ("x",), V[: x.size], DOUBLE).gradients["x"].value


def root(x: Any) -> Any:
    return jnp.where(x > 0, jnp.sqrt(x), 0.0)


def logarithm(x: Any) -> Any:
    return jnp.where(x > 0, jnp.log(jnp.where(x < 0, jnp.sqrt(x), x)), x)


def power(x: Any) -> Any:
    return jnp.where(x > 0, x**1.5, -x)


def behind_a_sum(x: Any) -> Any:
    return root(x) + x * jnp.sum(root(jnp.stack([x, -x])), 0)


@pytest.mark.parametrize(
    ("reference", "safe"),
    [
        (root, lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)),
        pytest.param(jax.jit(root), lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0), id="jitted"),
        (logarithm, lambda x: jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1.0)), x)),
        (power, lambda x: jnp.where(x > 0, jnp.where(x > 0, x, 1.0) ** 1.5, -x)),
        (behind_a_sum, lambda x: root(jnp.where(x > 0, x, 0.0)) + x * jnp.sqrt(jnp.abs(x))),
    ],
)
def test_nothing_comes_from_a_branch_that_is_not_taken(reference: Callable[..., Any], safe: Callable[..., Any]) -> None:
    x = X[X != 0]
    np.testing.assert_allclose(gradient(reference, x), gradient(safe, x), rtol=1e-14)


def test_at_the_edge_itself() -> None:
    assert gradient(root)[2] == 0


def length(x: Any) -> Any:
    return jnp.sqrt(x * x)


def root_squared(x: Any) -> Any:
    return jnp.sqrt(jnp.abs(x)) ** 2


@pytest.mark.parametrize("reference", [length, root_squared])
def test_zero_times_infinity_may_stand_for_anything(reference: Callable[..., Any]) -> None:
    """|x| both times, which has no derivative at 0."""
    assert np.isnan(gradient(reference)[2])


def test_what_is_nan_stays_so() -> None:
    assert np.isnan(gradient(lambda x: jnp.sqrt(x))[:2]).all()


@pytest.mark.parametrize("slip", [0.0, 1e-3])
def test_the_judge_says_so_and_decides(slip: float) -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, np.sqrt(np.abs(x)), 0.0)

    def backward(grad_output: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": np.where(x > 0, 0.5 * grad_output / np.sqrt(np.where(x > 0, x, 1.0)), slip)}

    x = X[X != 0]
    result = crosscheck.check(forward, backward, {"x": x}, root, grad_output=V[: x.size])
    found = result.gradients["x"]
    assert result.verdict == ("disagree" if slip else "agree")
    assert found.estimates[AUTODIFF].notes["untaken"] == 2
    assert any("a branch that is not taken" in said for said in found.remarks)


def test_a_further_point_where_the_reference_is_nan_says_nothing() -> None:
    """√ of a negative number in a branch that is not taken: there the code under check is as the reference is."""

    def trapped(x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, np.sqrt(x), 0.0)

    def backward(grad_output: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": np.where(x > 0, 1.0, 0.0) * grad_output * 0.5 / np.sqrt(x)}

    x = np.array([0.5, 2.0, 3.0])
    mixed = np.array([0.5, 2.0, -3.0])
    with np.errstate(invalid="ignore"):
        assert crosscheck.check(trapped, backward, {"x": x}, root)
        assert crosscheck.check(trapped, backward, {"x": mixed}, root).verdict == "disagree"
