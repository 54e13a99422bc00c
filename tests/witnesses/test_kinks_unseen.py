"""Kinks that no difference of one entry shows, and ties that rounding keeps by swallowing what would part them."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

pytestmark = pytest.mark.proof

Array = np.ndarray


def verdict(forward: Any, backward: Any, inputs: dict[str, Array], reference: Any = None) -> str:
    return crosscheck.check(forward, backward, inputs, reference, diagnose=False).verdict


# ---------------------------------------------------------------------- the middle of equal numbers


def opaque(x: Array) -> Array:
    """The same numbers by a way that no recorder follows."""
    return np.frombuffer(np.ascontiguousarray(x).tobytes())


MIDDLES: dict[str, Callable[[Array], Any]] = {
    "recorded": lambda x: np.sort(x)[len(x) // 2],
    "by Python": lambda x: float(sorted(x)[len(x) // 2]),
    "not recorded": lambda x: np.sort(opaque(x))[len(x) // 2],
}
SHARES = {
    (1, 0, 0, 0, 0): "agree",
    (0.2, 0.2, 0.2, 0.2, 0.2): "agree",
    (0, 0.5, 0, 0, 0.5): "agree",
    (0, 0, 0, 0, 0): "disagree",
    (0.5, 0, 0, 0, 0): "disagree",
    (0.3, 0.3, 0.3, 0.3, 0.3): "disagree",
}


@pytest.mark.parametrize("way", MIDDLES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_median_of_equal_numbers_gives_its_gradient_once(way: str, value: float) -> None:
    """It follows no one of them, so that every difference is 0; and a gradient of 0 is wrong."""
    for shares, expected in SHARES.items():

        def backward(g: Array, x: Array, shares: Any = shares) -> Array:
            place = np.argsort(x, kind="stable")[len(x) // 2]
            return g * (np.array(shares) if np.ptp(x) == 0 else np.arange(len(x)) == place)

        assert verdict(MIDDLES[way], backward, {"x": np.full(5, value)}) == expected, shares


TWO = {(0.5, 0.5): "agree", (1, 0): "agree", (0, 1): "agree", (0, 0): "disagree", (1, 1): "disagree"}
TWO |= dict.fromkeys([(0.5, 0), (0, 0.5)], "disagree")


@pytest.mark.parametrize("way", ["recorded", "not recorded"])
@pytest.mark.parametrize(("shares", "expected"), TWO.items())
def test_equal_numbers_of_two_inputs_share_one_gradient(shares: Any, expected: str, way: str) -> None:
    def backward(g: Array, a: Array, b: Array) -> dict[str, Array]:
        z = np.concatenate([a, b])
        got = (np.arange(z.size) == np.argsort(z, kind="stable")[3]) * 1.0
        if np.ptp(z) == 0:
            got[:] = 0
            got[0], got[4] = shares
        return {"a": g * got[:2], "b": g * got[2:]}

    middle = MIDDLES[way]
    inputs = {"a": np.zeros(2), "b": np.zeros(4)}
    assert verdict(lambda a, b: middle(np.concatenate([a, b])), backward, inputs) == expected


# ---------------------------------------------------------------------- other inputs that are tied, too


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((1, 0, 0), "agree"),
        ((0, 0, 1), "agree"),
        ((0.5, 0.25, 0.25), "agree"),
        ((0, 0, 0), "disagree"),
        ((1, 0, 1), "disagree"),
        ((0.5, 0, 0), "disagree"),
    ],
)
def test_clipping_between_bounds_that_meet(shares: Any, expected: str, given: bool) -> None:
    """min(max(b, lo), hi) follows b between the bounds; where they meet, only as they move, too."""

    def backward(g: Array, b: Array, lo: Array, hi: Array) -> dict[str, Array]:
        inner = np.maximum(b, lo)
        to_hi, to_lo = inner > hi, (inner <= hi) & (lo > b)
        tied = (b == lo) & (lo == hi)
        usual = {"b": ~to_hi & ~to_lo, "lo": to_lo, "hi": to_hi}
        return {k: g * np.where(tied, share, usual[k]) for k, share in zip(usual, shares, strict=True)}

    reference = (lambda b, lo, hi: jnp.minimum(jnp.maximum(b, lo), hi)) if given else None
    inputs = {"b": np.array([1.0, 0.0]), "lo": np.array([1.0, -1.0]), "hi": np.array([1.0, 2.0])}
    found = verdict(lambda b, lo, hi: np.minimum(np.maximum(b, lo), hi), backward, inputs, reference)
    assert found == expected


def test_pieces_that_are_met_by_unequal_moves() -> None:
    """Of the sorted 0, a, -4b the middle is -4b where a has moved more than four times as far as b."""

    def backward(g: Array, x: Array) -> Array:
        pieces = np.array([0.0, x[0], -4 * x[1]])
        place = 2 if not pieces.any() else np.argsort(pieces, kind="stable")[1]
        return g * np.array([[0, 0], [1, 0], [0, -4.0]])[place]

    forward = lambda x: np.sort(np.stack([0 * x[0], x[0], -4 * x[1]]))[1]  # noqa: E731
    assert verdict(forward, backward, {"x": np.zeros(2)}) == "agree"


# ---------------------------------------------------------------------- what rounding swallows


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("c", [1.0, 3.0])
@pytest.mark.parametrize(
    ("shares", "expected"),
    [((1, 0, 0), "agree"), ((0, 0, 1), "agree"), ((0.2, 0.3, 0.5), "agree"), ((1, 0, 1), "disagree")],
)
def test_zeros_that_are_taken_from_a_number_are_tied(shares: Any, expected: str, c: float, given: bool) -> None:
    """Moved by 2^-511, c - x is c: the tie stays one, though the gradient stays what it is."""

    def backward(g: Array, x: Array) -> Array:
        first = np.arange(x.size) == np.argmin(x)
        return -g * (np.array(shares) if not x.any() else first)

    reference = (lambda x: jnp.max(c - x)) if given else None
    assert verdict(lambda x: np.max(c - x), backward, {"x": np.zeros(3)}, reference) == expected


def test_zeros_beside_numbers_that_move() -> None:
    def backward(g: Array, x: Array) -> Array:
        i, j = np.unravel_index(np.argmax(x[:, None] - x), (x.size, x.size))
        got = np.zeros(x.shape)
        got[i] += 1
        got[j] -= 1
        return g * got

    forward = lambda x: np.max(x[:, None] - x)  # noqa: E731
    assert verdict(forward, backward, {"x": np.array([0.0, 0.0, -3.0, 0.0])}) == "agree"


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("place", [0, 2])
def test_ties_beside_a_large_number_accuse_nobody(place: int, value: float) -> None:
    """10⁸ - x is a staircase whose steps are as wide as those of a difference."""

    def backward(g: Array, x: Array) -> Array:
        chosen = place if np.ptp(x) == 0 else np.argmin(x)
        return -g * (np.arange(x.size) == chosen)

    assert verdict(lambda x: np.max(1e8 - x), backward, {"x": np.full(3, value)}) != "disagree"


# ---------------------------------------------------------------------- what need not be undecided


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.2, 0.8)])
def test_a_zero_beside_a_tie_is_decided(shares: Any) -> None:
    """Nothing rounds where the gradient is exactly 0: what its neighbours at the tie round says nothing of it."""

    def backward(g: Array, x: Array) -> Array:
        least = x == x.min()
        got = least / least.sum()
        if least.sum() == 2:
            got[least] = shares
        return g * got

    assert verdict(lambda x: np.min(x), backward, {"x": np.array([1.0, 0.0, 0.0])}) == "agree"


def test_nearer_points_refute_what_noise_would_not_let_them_allow() -> None:
    """Beside 10⁸ whole numbers are nearer to each other than u^¼, and the nearest points are too noisy to allow."""

    def backward(g: Array, x: Array) -> Array:
        order = np.argsort(x, kind="stable")
        got = np.zeros(x.shape)
        got[order[1]], got[order[2]] = 225.0, 75.0
        tied = np.flatnonzero(x == x[order[2]])
        if tied.size == 2:
            got[tied] = -37.5, 112.5
        return g * got

    def forward(x: Array) -> Any:
        return np.sort(x)[1] * 225.0 + np.sort(x)[2] * 75.0

    x = np.array([-1.0, -1.0, 2.0, 1.0, -3.0, -2.0, 2.0]) + 1e8
    assert verdict(forward, backward, {"x": x}) == "disagree"


def test_a_tie_of_zeros_is_no_excuse_beside_another_kink() -> None:
    """|x_0 - x_1| is tied at 0 behind 1 - x; that x_2 is less than 1 by 10⁻¹² is not hidden by that."""

    def backward(g: Array, x: Array) -> Array:
        sign = np.sign((1 - x[0]) - (1 - x[1]))
        return g * np.array([-sign, sign, -0.4 if abs(1 - x[2]) < 1e-9 else -(x[2] < 1) * 1.0])

    reference = lambda x: jnp.abs((1 - x[0]) - (1 - x[1])) + jnp.maximum(1 - x[2], 0)  # noqa: E731
    forward = lambda x: np.abs((1 - x[0]) - (1 - x[1])) + np.maximum(1 - x[2], 0)  # noqa: E731
    assert verdict(forward, backward, {"x": np.array([0.0, 0.0, 1 - 1e-12])}, reference) == "disagree"


# ---------------------------------------------------------------------- many entries


@pytest.mark.parametrize("n", [1000, 3000])
def test_of_a_thousand_equal_maxima_the_first_may_take_it_all(n: int) -> None:
    """In no order that is drawn does it win; and 3000 entries are not differenced one by one."""
    first = lambda g, x: g * (np.arange(x.size) == np.argmax(x))  # noqa: E731
    assert verdict(lambda x: np.max(x), first, {"x": np.zeros(n)}) == "agree"


@pytest.mark.parametrize(("slope", "expected"), [(0.0, "agree"), (-1.0, "agree"), (1.5, "disagree")])
def test_an_absolute_error_of_many_entries_some_of_them_zero(slope: float, expected: str) -> None:
    x = np.where(np.arange(3000) % 7 == 0, 0.0, np.random.default_rng(0).normal(size=3000))

    def backward(g: Array, x: Array) -> Array:
        return g * np.where(x == 0, slope, np.sign(x)) / x.size

    assert verdict(lambda x: np.abs(x).mean(), backward, {"x": x}) == expected
