"""An entry that is read several times: the terms of its gradient are added up, and where they are not it is said."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.doors.functions import from_functions
from crosscheck.operation import Operation
from tests.diagnosis.harness import reasons

Array = np.ndarray

# Rows 1 and 4 are read several times, 0 never.
READ = np.array([1, 4, 2, 1, 4, 3, 4])
ORDER = np.array([3, 0, 4, 1, 2])


def added(x: Array, index: Array, g: Array) -> Array:
    out = np.zeros_like(x)
    np.add.at(out, index, g)
    return out


def last(x: Array, index: Array, g: Array) -> Array:
    out = np.zeros_like(x)
    out[index] += g
    return out


def first(x: Array, index: Array, g: Array) -> Array:
    return last(x, index[::-1], g[::-1])


def averaged(x: Array, index: Array, g: Array) -> Array:
    return added(x, index, g) / np.maximum(np.bincount(index, minlength=len(x)), 1)[:, None]


def left(x: Array, index: Array, g: Array) -> Array:
    return g


def read(x: Array, index: Array, g: Array) -> Array:
    return g[index]


def operation(index: Array, write: Any) -> Operation:
    """y = tanh(x W)[index]² A: what is read stands between two products, so that no term of an output shows it."""
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(5, 3)), rng.normal(size=(3, 4))
    mix = rng.normal(size=(2, len(index)))

    def forward(x: Array, w: Array) -> Array:
        return mix @ np.tanh(x @ w)[index] ** 2

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        h = np.tanh(x @ w)
        back = write(h, index, 2 * h[index] * (mix.T @ g)) * (1 - h * h)
        return {"x": back @ w.T, "w": x.T @ back}

    def reference(x: Any, w: Any) -> Any:
        return mix @ jnp.tanh(x @ w)[index] ** 2

    return from_functions(forward, backward, {"x": x, "w": w}, reference)


@pytest.mark.parametrize(
    ("index", "write", "words"),
    [
        (READ, last, "keeps only the last of several contributions"),
        pytest.param(READ, first, "keeps only the first of several contributions", marks=pytest.mark.proof),
        pytest.param(READ, averaged, "averages what comes back to an entry", marks=pytest.mark.proof),
        (ORDER, left, "in the order of the result"),
        pytest.param(ORDER, read, "instead of writing it there", marks=pytest.mark.proof),
    ],
    ids=["last", "first", "averaged", "left", "read"],
)
def test_what_is_not_added_up_is_named(index: Array, write: Any, words: str) -> None:
    subject = operation(index, write)
    rng = np.random.default_rng(0)
    found = reasons(subject, rng.normal(size=subject.output().shape))
    assert set(found) == {"x", "w"}
    for diagnoses in found.values():
        assert words in diagnoses[0].explanation


def test_what_is_added_up_has_no_name() -> None:
    subject = operation(READ, added)
    assert not reasons(subject, np.random.default_rng(0).normal(size=subject.output().shape))
