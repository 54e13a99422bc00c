"""Ties of numbers of opposite signs: what leads along such a tie moves one up and the other down."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray
SHARES = [(1, 0), (0, 1), (0.5, 0.5), (0.25, 0.75)]
NONE = [(0, 0.5), (0.5, 0), (1, 1), (0, 0), (0.25, 0.25), (-1, 2)]
CASES = [(shares, verdict) for some, verdict in ((SHARES, "agree"), (NONE, "disagree")) for shares in some]


def parted(values: Array, shares: Any) -> Array:
    """What each of two values gets of the gradient of the lesser one."""
    least = values == values.min()
    return np.array(shares, float) if least.all() else least.astype(float)


ONE_INPUT = {
    "squares": (lambda b: np.min(b**2), lambda b: jnp.min(b**2), np.square, lambda b: 2 * b),
    "sizes": (lambda b: np.min(np.abs(b)), lambda b: jnp.min(jnp.abs(b)), np.abs, np.sign),
    "Python's min": (
        lambda b: min(b[0], -b[1]),
        lambda b: jnp.minimum(b[0], -b[1]),
        lambda b: b * [1, -1],
        lambda b: np.array([1.0, -1.0]),
    ),
}


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("shares", "verdict"), CASES)
@pytest.mark.parametrize("name", ONE_INPUT)
def test_shares_of_two_entries_are_one_together(name: str, shares: Any, verdict: str, given: bool) -> None:
    forward, reference, values, slope = ONE_INPUT[name]
    b = np.array([1.0, -1.0])
    backward = lambda g, b: g * parted(values(b), shares) * slope(b)  # noqa: E731
    found = crosscheck.check(forward, backward, {"b": b}, reference if given else None, diagnose=False)
    assert found.verdict == verdict, str(found)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("shares", "verdict"), CASES)
def test_shares_of_two_inputs_are_one_together(shares: Any, verdict: str, given: bool) -> None:
    a, b = np.array([1.0, 2, 3]), np.array([-1.0, -4, -3])

    def backward(g: Array, a: Array, b: Array) -> dict[str, Array]:
        tied = a == -b
        return {"a": g * np.where(tied, shares[0], a < -b), "b": -g * np.where(tied, shares[1], a > -b)}

    reference = (lambda a, b: jnp.minimum(a, -b)) if given else None
    found = crosscheck.check(lambda a, b: np.minimum(a, -b), backward, {"a": a, "b": b}, reference, diagnose=False)
    assert found.verdict == verdict, str(found)


def test_a_decision_of_python_does_not_settle_what_further_points_show() -> None:
    """Full gradients to both sides, everywhere: right at no point but on the tie, where nobody looks for a kink."""
    b = np.array([1.0, -1.0])
    found = crosscheck.check(lambda b: min(b[0], -b[1]), lambda g, b: g * np.array([1.0, -1.0]), {"b": b})
    assert found.verdict == "disagree"
