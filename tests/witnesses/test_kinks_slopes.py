"""Ties of pieces with unlike slopes, which no common shift keeps together; and ties beside those of others."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

pytestmark = pytest.mark.proof

Array = np.ndarray


def verdict(forward: Any, backward: Any, inputs: dict[str, Array], reference: Any) -> str:
    found = crosscheck.check(forward, backward, inputs, reference, diagnose=False)
    return found.verdict


# What of the gradient each of two pieces gets where they are equal: what adds up to 1, and what does not.
SHARES = {(1, 0): "agree", (0.5, 0.5): "agree", (0.25, 0.75): "agree"}
SHARES |= dict.fromkeys([(0, 0.5), (0.5, 0), (1, 1), (0, 0), (0.25, 0.25), (0.5, 0.4), (-1, 2)], "disagree")


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("slope", [2.0, -3.0, 1000.0])
def test_two_inputs_of_unlike_slopes_get_one_gradient_together(slope: float, given: bool) -> None:
    a = np.array([1.0, 2, -3, 0.5])
    b = slope * a + np.array([0.0, 1, 0, -2])
    reference = (lambda a, b: jnp.maximum(slope * a, b)) if given else None
    for shares, expected in SHARES.items():

        def backward(g: Array, a: Array, b: Array, shares: Any = shares) -> dict[str, Array]:
            tied = slope * a == b
            return {
                "a": slope * g * np.where(tied, shares[0], slope * a > b),
                "b": g * np.where(tied, shares[1], b > slope * a),
            }

        inputs = {"a": a, "b": b}
        assert verdict(lambda a, b: np.maximum(slope * a, b), backward, inputs, reference) == expected, shares


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("slope", [1e4, 1e5, 1e7])
@pytest.mark.parametrize("value", [1.0, 1e-3])
def test_what_is_tied_may_be_of_unlike_orders(value: float, slope: float, together: bool) -> None:
    """min(10⁵ a, b) at a = 1, b = 10⁵: what is near to the one is nothing to the other, or everything."""
    for shares, expected in SHARES.items():

        def backward(g: Array, a: Array, b: Array, shares: Any = shares) -> dict[str, Array]:
            tied = slope * a == b
            return {
                "a": slope * g * np.where(tied, shares[0], slope * a < b),
                "b": g * np.where(tied, shares[1], b < slope * a),
            }

        a, b = np.array([value]), np.array([value]) * slope
        if together:
            forward = lambda x: np.minimum(slope * x[:1], x[1:])  # noqa: E731
            both = lambda g, x: np.concatenate(list(backward(g, x[:1], x[1:]).values()))  # noqa: E731
            found = verdict(forward, both, {"x": np.concatenate([a, b])}, None)
        else:
            found = verdict(lambda a, b: np.minimum(slope * a, b), backward, {"a": a, "b": b}, None)
        assert found == expected, shares


W = np.array([2.0, 1.0, 3.0, -1.5])


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((1, 0, 0, 0), "agree"),
        ((0.25, 0.25, 0.25, 0.25), "agree"),
        ((0, 0.5, 0.5, 0), "agree"),
        ((0.5, 0, 0, 0), "disagree"),
        ((0, 0, 0.4, 0), "disagree"),
        ((0.3, 0.3, 0.3, 0.3), "disagree"),
        ((0.4, 0.2, 0.2, 0.1), "disagree"),
    ],
)
def test_entries_of_unlike_slopes_are_one_maximum(shares: Any, expected: str, given: bool) -> None:
    def backward(g: Array, x: Array) -> Array:
        tied = W * x == (W * x).max()
        return g * W * (np.array(shares) if tied.all() else tied)

    x = np.array([3.0, 6, 2, -4])  # W x = 6
    reference = (lambda x: jnp.max(W * x)) if given else None
    assert verdict(lambda x: np.max(W * x), backward, {"x": x}, reference) == expected


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0, 0, 0), "agree"),
        ((1, 1, 1), "agree"),
        ((0.5, 0.5, 0.5), "agree"),
        ((0.5, 0.75, 0.5), "disagree"),
        ((0.5, 0.75, 0.6), "disagree"),
        ((1, 0, 1), "disagree"),
    ],
)
def test_one_kink_of_a_product_has_one_share(shares: Any, expected: str, given: bool) -> None:
    """relu(⟨w, x⟩) where that is 0: what every entry gets is one and the same part of w."""
    w = np.array([1.0, 2.0, 3.0])
    backward = lambda g, x: g * w * (np.array(shares) if w @ x == 0 else w @ x > 0)  # noqa: E731
    reference = (lambda x: jnp.maximum(jnp.dot(w, x), 0)) if given else None
    found = verdict(lambda x: np.maximum(w @ x, 0), backward, {"x": np.array([1.0, 1, -1])}, reference)
    assert found == expected


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_maxout_unit_of_dense_pieces(wrong: bool, given: bool) -> None:
    w = np.array([[1.0, 2, -1, 3], [2, -1, 1, 3], [0, 3, 2, 1]])
    x = np.linalg.solve(np.vstack([w, [1, 0, 0, 0]]), [2.0, 2.0, 2.0, 0.25]).round(6)
    w[:, 3] += (2 - w @ x) / x[3]  # all three pieces are 2 here, to rounding

    def backward(g: Array, x: Array) -> Array:
        pieces = w @ x
        shares = (np.abs(pieces - pieces.max()) < 1e-12).astype(float)
        shares /= shares.sum()
        found = shares @ w
        if wrong and (shares > 0).all():
            found = found * [1, 1, 1, 1.25]
        return g * found

    reference = (lambda x: jnp.max(jnp.dot(w, x))) if given else None
    found = verdict(lambda x: np.max(w @ x), backward, {"x": x}, reference)
    assert found == ("disagree" if wrong else "agree")


def slope_at_ties(value: float) -> Callable[[Array, Array], Array]:
    def backward(g: Array, x: Array) -> Array:
        signs = np.sign(np.diff(x))
        signs = np.where(signs == 0, value, signs)
        found = np.zeros_like(x)
        found[1:] += g * signs
        found[:-1] -= g * signs
        return found

    return backward


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 0.5, 1.5, -1.5, 2.0, -3.0])
def test_kinks_of_neighbours_excuse_nothing(value: float, offset: float, given: bool) -> None:
    """Total variation of whole numbers: beside 1e8 all of them are nearer to each other than u^¼ of it."""
    x = np.array([-2.0, 3.0, 2.0, 2.0, 1.0, -3.0]) + offset
    reference = (lambda x: jnp.abs(jnp.diff(x)).sum()) if given else None
    found = verdict(lambda x: np.abs(np.diff(x)).sum(), slope_at_ties(value), {"x": x}, reference)
    assert found == ("agree" if abs(value) <= 1 else "disagree")
