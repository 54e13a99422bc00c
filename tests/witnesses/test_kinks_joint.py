"""Kinks that no single entry shows: order statistics of equal numbers."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray
RNG = np.random.default_rng(3)
# Of equal numbers a median follows none alone, and all of them together.
TIED = np.array([[0.0, 0, 0, 1.5, -1], [0, 0, 0, 0, 0], [0.5, 2, -3, 4, 5]])


def middle(x: Array) -> Array:
    return np.sort(x, axis=1)[:, x.shape[1] // 2]


def taken(x: Array, kind: str = "stable") -> Array:
    """A one for the entry that is in the middle, rows of x down."""
    return np.eye(x.shape[1])[np.argsort(x, axis=1, kind=kind)[:, x.shape[1] // 2]]  # pyright: ignore[reportArgumentType]


def shared(x: Array) -> Array:
    equal = x == middle(x)[:, None]
    return equal / equal.sum(1, keepdims=True)


def every_one(x: Array) -> Array:
    return (x == middle(x)[:, None]).astype(float)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        (taken, "agree"),
        (shared, "agree"),
        (every_one, "disagree"),
        (lambda x: 0.5 * every_one(x), "disagree"),
        (lambda x: 1.05 * taken(x), "disagree"),
    ],
    ids=["taken", "shared", "every one", "half of each", "a twentieth more"],
)
def test_the_median_of_equal_numbers(weights: Callable[[Array], Array], verdict: str, given: bool) -> None:
    reference = (lambda x: jnp.sort(x, axis=1)[:, x.shape[1] // 2]) if given else None
    found = crosscheck.check(middle, lambda g, x: {"x": g[:, None] * weights(x)}, {"x": TIED}, reference)
    assert found.verdict == verdict, str(found)


def test_a_shared_gradient_that_nobody_could_give_is_still_wrong() -> None:
    """relu(x) - relu(-x) is x; where both take the slope of relu at 0 to be 0, hand-derived and autodiff are wrong."""
    found = crosscheck.check(
        lambda x: np.maximum(x, 0) - np.maximum(-x, 0),
        lambda g, x: {"x": g * (x != 0)},
        {"x": np.array([1.0, 0.0, -2.0])},
        lambda x: jnp.where(x > 0, x, 0.0) - jnp.where(x < 0, -x, 0.0),
    )
    assert found.verdict == "disagree"
    assert "a mistake that they share" in str(found)


@pytest.mark.parametrize("rank", [1, 4, 7])
def test_a_rank_among_many_equal_entries(rank: int) -> None:
    """Which is the rank's depends on how the others lie; the points that are drawn meet that for every rank."""
    x = np.maximum(RNG.normal(size=(4, 9)) - 1, 0)
    for factor, verdict in ((1.0, "agree"), (1.3, "disagree")):
        found = crosscheck.check(
            lambda x: np.sort(x, axis=1)[:, rank],
            lambda g, x, f=factor: {"x": f * g[:, None] * np.eye(9)[np.argsort(x, axis=1, kind="stable")[:, rank]]},
            {"x": x},
        )
        assert found.verdict == verdict, str(found)


@pytest.mark.parametrize("offset", [1e3, 1e7, 1e9, 1e11])
@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.0, "agree"), (1.0, "agree"), (-1.0, "agree"), (0.5, "agree"), (2.0, "not agree")]
)
def test_a_convention_that_rounding_hides_from_differences(offset: float, slope: float, verdict: str) -> None:
    """The slope of |a| at 0 is 1 in JAX; beside a large output a difference shows nothing of it."""

    def backward(g: Array, a: Array) -> dict[str, Array]:
        return {"a": g * np.where(a == 0, slope, np.sign(a))}

    found = crosscheck.check(
        lambda a: np.sum(np.abs(a), keepdims=True) + offset,
        backward,
        {"a": np.array([0.0, 1.5, -2.0])},
        lambda a: jnp.sum(jnp.abs(a), keepdims=True) + offset,
    )
    assert (found.verdict == "agree") == (verdict == "agree"), str(found)


@pytest.mark.parametrize("offset", [1e3, 1e7, 1e9])
def test_no_convention_excuses_what_is_wrong_beside_a_kink(offset: float) -> None:
    found = crosscheck.check(
        lambda a: np.sum(np.abs(a), keepdims=True) + offset,
        lambda g, a: {"a": g * (np.sign(a) + 1e-3 * (a == 1.5))},
        {"a": np.array([0.0, 1.5, -2.0])},
        lambda a: jnp.sum(jnp.abs(a), keepdims=True) + offset,
    )
    assert found.verdict == "disagree", str(found)


A, B = np.array([[1.0, 3.0, 0.5], [3.0, -2.0, 3.0]]), np.array([3.0, 3.0, 0.5])


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("of_a", "of_b", "verdict"),
    [
        (0.0, 1.0, "agree"),
        (1.0, 0.0, "agree"),
        (0.5, 0.5, "agree"),
        (0.3, 0.7, "agree"),
        (1.0, 1.0, "disagree"),
        (0.5, 0.25, "disagree"),
        (0.0, 0.0, "disagree"),
    ],
)
def test_two_sides_of_a_maximum_share_one_slope(of_a: float, of_b: float, verdict: str, given: bool) -> None:
    """Each of the two is between 0 and 1; only where they add up to 1 are they a derivative."""

    def backward(g: Array, a: Array, b: Array) -> dict[str, Array]:
        tied = a == b
        grad_b = (g * np.where(tied, of_b, a < b)).sum(0)
        return {"a": g * np.where(tied, of_a, a > b), "b": grad_b}

    reference = (lambda a, b: jnp.maximum(a, b)) if given else None
    found = crosscheck.check(lambda a, b: np.maximum(a, b), backward, {"a": A, "b": B}, reference)
    assert found.verdict == verdict, str(found)


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_kinks_of_several_inputs_that_have_nothing_to_do_with_one_another(slope: float) -> None:
    x, w = np.array([[0.0, 1.0, -2.0], [0.0, 0.0, 0.0]]), np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.0]])

    def forward(x: Array, w: Array) -> Array:
        return np.maximum(np.maximum(x, 0) @ w, 0)

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        h = np.maximum(x, 0)
        z = h @ w
        back = g * np.where(z == 0, slope, z > 0)
        return {"x": back @ w.T * np.where(x == 0, slope, x > 0), "w": h.T @ back}

    assert crosscheck.check(forward, backward, {"x": x, "w": w}).verdict == "agree"
    wrong = crosscheck.check(
        forward, lambda g, x, w: {k: 1.1 * a for k, a in backward(g, x, w).items()}, {"x": x, "w": w}
    )
    assert wrong.verdict == "disagree"


@pytest.mark.parametrize("given", [False, True])
def test_a_side_that_is_wrong_accuses_no_other(given: bool) -> None:
    """a is wrong where nothing is tied; b, which takes all of every tie, is a convention all the same."""

    def backward(g: Array, a: Array, b: Array) -> dict[str, Array]:
        return {"a": 1.1 * g * (a > b), "b": (g * (a <= b)).sum(0)}

    reference = (lambda a, b: jnp.maximum(a, b)) if given else None
    found = crosscheck.check(lambda a, b: np.maximum(a, b), backward, {"a": A - 0.5 * (A != B), "b": B - 2}, reference)
    assert found.gradients["a"].verdict == "disagree"
    assert found.gradients["b"].verdict == "agree"
    tied = crosscheck.check(
        lambda a, b: np.maximum(a, b),
        lambda g, a, b: {"a": 1.1 * g * (a > b) - g * (a == -2), "b": (g * (a <= b)).sum(0)},
        {"a": A, "b": B},
        reference,
    )
    assert tied.gradients["a"].verdict == "disagree"
    assert tied.gradients["b"].verdict == "agree", str(tied)
