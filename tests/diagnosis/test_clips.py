"""Gradients that are limited where they are large."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis.clips import clipped
from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import Array

X = np.random.default_rng(0).normal(size=(5, 4))
W = np.random.default_rng(1).normal(size=(4, 3))


def forward(x: Array, w: Array) -> Array:
    return np.tanh(x @ w)


def limited(limit: Callable[[Array], Array], inside: Callable[[Array], Array], factor: float = 1.0):
    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        z = inside(g * (1 - np.tanh(x @ w) ** 2))
        return {"x": z @ w.T, "w": factor * limit(x.T @ z)}

    return backward


def plain(a: Array) -> Array:
    return a


def by_entry(a: Array) -> Array:
    return np.clip(a, -0.25, 0.25)


def by_norm(a: Array) -> Array:
    return a * min(1.0, 0.5 / float(np.linalg.norm(a)))


@pytest.mark.parametrize(
    ("limit", "inside", "words"),
    [
        (
            by_entry,
            plain,
            "the gradient of w is clipped to ±0.25: it is right where a millionth of this gradient arrives",
        ),
        (by_norm, plain, "the gradient of w is clipped by a norm, to 0."),
        (plain, by_entry, "the gradient of w is another where it is large (something on the way to it is clipped)"),
    ],
)
def test_a_clip_is_named(limit: Callable[[Array], Array], inside: Callable[[Array], Array], words: str) -> None:
    result = crosscheck.check(forward, limited(limit, inside), {"x": X, "w": W})
    assert result.gradients["w"].verdict == "disagree"
    first = result.gradients["w"].diagnoses[0]
    assert first.kind == "clipped"
    assert first.explanation.startswith(words)
    assert result.gradients["x"].passed == (inside is plain)


def test_a_clipped_gradient_that_is_wrong_besides_is_not_excused() -> None:
    result = crosscheck.check(forward, limited(by_entry, plain, 1.01), {"x": X, "w": W})
    assert result.gradients["w"].verdict == "disagree"
    assert not any(d.kind == "clipped" for d in result.gradients["w"].diagnoses)


def test_a_limit_that_no_gradient_of_the_callers_size_reaches_is_none() -> None:
    """Exact points ask for no larger gradients than a caller has: here 65,536 would be clipped."""

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        return {k: np.clip(a, -1e4, 1e4) for k, a in (("x", g @ w.T), ("w", x.T @ g))}

    assert crosscheck.check(lambda x, w: x @ w, backward, {"x": X, "w": W})


def test_what_is_off_by_no_more_than_its_bound_is_not_clipped() -> None:
    """Contradicted by another witness, the difference alone: nothing here says how it is limited."""
    operation = from_functions(forward, limited(plain, plain), {"x": X, "w": W})
    v = np.ones((5, 3))
    right = operation.gradients(v)
    bound = {k: 1e-12 * np.abs(g) for k, g in right.items()}
    assert clipped(operation, v, right, right, bound, ["x", "w"]) == {}
