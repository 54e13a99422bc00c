"""A tie is a set of legal answers: what is in it, what is not, and when the judge cannot tell."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.witnesses.kinks import CANNOT_TELL, ILLEGITIMATE, LEGITIMATE, Ruling, evaluations_planned, is_convention

Array = np.ndarray
Forward = Callable[[Array], Array]
Gradient = Callable[[Array, Array], Array]


def ruling(f: Forward, gradient: Gradient, x: Array, where: Array | None = None, **options: object) -> Ruling:
    operation = from_functions(lambda x: f(x), lambda g, x: {"x": g}, {"x": x})
    rng = np.random.default_rng(0)
    y = operation.output()
    v = rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 2.0, y.shape)
    return is_convention(operation, "x", v, gradient(v, x), None, where, **options)  # pyright: ignore[reportArgumentType]


X = np.array([[-1.0, 0.0, 2.0], [0.0, 3.0, -0.5]])


@pytest.mark.parametrize(
    ("slope", "answer"),
    [(-0.5, ILLEGITIMATE), (0, LEGITIMATE), (0.5, LEGITIMATE), (1, LEGITIMATE), (1.01, ILLEGITIMATE)],
)
def test_the_slope_of_relu_at_0(slope: float, answer: str) -> None:
    found = ruling(lambda x: np.maximum(x, 0), lambda v, x: v * np.where(x == 0, slope, x > 0), X, X == 0)
    assert found.answer == answer
    assert bool(found) == (answer == LEGITIMATE)


@pytest.mark.parametrize("slope", [-1.5, -1, -0.2, 0, 1, 1.01])
def test_the_slope_of_the_absolute_value_at_0(slope: float) -> None:
    found = ruling(lambda x: np.abs(x), lambda v, x: v * np.where(x == 0, slope, np.sign(x)), X, X == 0)
    assert found.answer == (LEGITIMATE if abs(slope) <= 1 else ILLEGITIMATE)


def windows(x: Array) -> Array:
    return x.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)


def pooled(x: Array) -> Array:
    return windows(x).max(1).reshape(2, 2)


WINNERS: dict[str, Callable[[Array], Array]] = {
    "first": lambda w: np.eye(4)[w.argmax(1)],
    "last": lambda w: np.eye(4)[3 - w[:, ::-1].argmax(1)],
    "shared": lambda w: (w == w.max(1, keepdims=True)) / (w == w.max(1, keepdims=True)).sum(1, keepdims=True),
    "every one": lambda w: (w == w.max(1, keepdims=True)).astype(float),
    "half of each": lambda w: 0.5 * (w == w.max(1, keepdims=True)),
}
TIED = np.array([[1.0, 1, 0, 2], [0, 1, 2, 2], [3, 0, 1, 1], [0, 3, 1, 1]])


@pytest.mark.parametrize("who", WINNERS)
def test_the_winners_of_a_tied_maximum(who: str) -> None:
    def gradient(v: Array, x: Array) -> Array:
        given = WINNERS[who](windows(x)) * v.ravel()[:, None]
        return given.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)

    found = ruling(pooled, gradient, TIED)
    assert found.answer == (LEGITIMATE if who in ("first", "last", "shared") else ILLEGITIMATE)
    if found.answer == ILLEGITIMATE:
        assert found.direction is not None
        assert found.along < found.low or found.along > found.high


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("slope", [-0.1, 0, 0.3, 1, 1.2])
def test_many_kinks_in_one_sum(seed: int, slope: float) -> None:
    w = np.random.default_rng(seed).normal(size=(3, 4))
    found = ruling(lambda x: np.maximum(x @ w, 0).sum(), lambda v, x: slope * v * w.sum(1), np.zeros(3))
    assert found.answer == (LEGITIMATE if 0 <= slope <= 1 else ILLEGITIMATE)


@pytest.mark.parametrize("off", [0.0, 1e-2, -1e-2])
def test_a_steep_smooth_part_is_told_from_a_kink(off: float) -> None:
    """How much a smooth slope drifts between x and the nearby points is measured."""
    found = ruling(
        lambda x: np.exp(3 * x) + 5 * np.maximum(x, 0),
        lambda v, x: v * (3 * np.exp(3 * x) + 5 * (x > 0)) * (1 + off),
        X,
    )
    assert found.answer == (LEGITIMATE if off == 0 else ILLEGITIMATE)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1e6, 1e12])
def test_where_rounding_drowns_the_slopes_it_cannot_tell(factor: float) -> None:
    found = ruling(lambda x: 1e16 + np.maximum(x, 0), lambda v, x: factor * np.ones(x.shape), X)
    assert found.answer == (ILLEGITIMATE if factor > 1e8 else CANNOT_TELL)


def test_with_infinite_noise_or_no_slope_it_cannot_tell() -> None:
    operation = from_functions(lambda x: np.abs(x), lambda g, x: {"x": g}, {"x": X})
    v = np.ones(X.shape)
    for factor in (0.0, 1.0, -3.0, 1e6):
        noise = np.full(X.shape, np.inf)
        assert is_convention(operation, "x", v, factor * v, noise).answer == CANNOT_TELL
    assert ruling(lambda x: np.sqrt(np.abs(x)), lambda v, x: 0 * v, np.zeros(3)).answer == CANNOT_TELL
    with np.errstate(all="ignore"):
        assert ruling(lambda x: np.log(x), lambda v, x: 0 * v, np.zeros(3)).answer == CANNOT_TELL


def test_the_forwards_are_as_planned_and_a_deadline_only_silences() -> None:
    calls = []

    def counted(x: Array) -> Array:
        calls.append(x)
        return np.maximum(x, 0)

    where = X == 0
    found = ruling(counted, lambda v, x: v * (x > 0), X, where)
    assert len(calls) <= 1 + evaluations_planned(where) + 12
    assert found.directions > 10
    late = ruling(counted, lambda v, x: v * (x > 0), X, where, deadline=0.0)
    assert late.answer == CANNOT_TELL


def test_a_scalar_stays_one() -> None:
    shapes = set()

    def forward(x: Array) -> Array:
        shapes.add(np.shape(x))
        return np.abs(x)

    assert ruling(forward, lambda v, x: 0.3 * v, np.array(0.0))
    assert shapes == {()}


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("slope", "verdict"), [(0.0, "agree"), (0.5, "agree"), (2.0, "disagree"), (-1.2, "disagree")])
@pytest.mark.parametrize("mean", [False, True])
def test_one_entry_that_sticks_out_among_many_on_kinks(mean: bool, slope: float, verdict: str, given: bool) -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(1000) < 0.7, 0, rng.normal(size=1000))
    place = np.flatnonzero(x == 0)[123]

    def backward(g: Array, x: Array) -> Array:
        slopes = np.sign(x) if mean else (x > 0).astype(float)
        slopes[place] = slope if x[place] == 0 else slopes[place]
        return g * slopes / (x.size if mean else 1)

    forward = (lambda x: np.abs(x).mean()) if mean else (lambda x: np.maximum(x, 0))
    reference = (lambda x: jnp.abs(x).mean()) if mean else (lambda x: jnp.maximum(x, 0))
    found = crosscheck.check(forward, backward, {"x": x}, reference if given else None, diagnose=False)
    assert found.verdict == verdict, str(found)


@pytest.mark.parametrize("slope", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_convention(slope: float) -> None:
    assert ruling(lambda x: np.maximum(x, 0), lambda v, x: v * np.where(x == 0, slope, x > 0), X).answer == ILLEGITIMATE
