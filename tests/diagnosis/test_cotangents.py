"""The right backward pass for another incoming gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis import diagnose_all
from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import CONV, ENTROPY, Array, Arrays
from tests.diagnosis.harness import ENOUGH, INNER, Planted, judged, kept, named

ROWS = [
    Planted(
        "border of the cotangent dropped",
        CONV,
        "filters",
        lambda r, g, **i: CONV.backward(kept(g, INNER), **i)["filters"],
        "border",
    ),
    Planted("first sample only", CONV, "biases", lambda r, g, **_: g[0].sum((1, 2)), "batch", "first sample"),
    Planted(
        "last sample lost",
        CONV,
        "filters",
        lambda r, g, **i: CONV.backward(kept(g, np.s_[:-1]), **i)["filters"],
        "batch",
    ),
    Planted(
        "cotangent as ones",
        CONV,
        "filters",
        lambda r, g, **i: CONV.backward(0 * g + 1, **i)["filters"],
        "ignores-upstream",
    ),
    Planted("loss ignores upstream", ENTROPY, "x", lambda r, g, **_: r["x"] / g, "ignores-upstream"),
]


def normalised(x: Array, gamma: Array, beta: Array) -> Array:
    d = x - x.mean(0)
    return gamma * d / np.sqrt((d**2).mean(0) + 1e-5) + beta


def scaled_in_place(g: Array, x: Array, gamma: Array, beta: Array) -> Arrays:
    d = x - x.mean(0)
    s = np.sqrt((d**2).mean(0) + 1e-5)
    u, kept = d / s, g
    g *= gamma
    return {"x": (g - g.mean(0) - u * (g * u).mean(0)) / s, "gamma": (kept * u).sum(0), "beta": kept.sum(0)}


def scaled_beside(g: Array, x: Array, gamma: Array, beta: Array) -> Arrays:
    """The same mistake without a write: the sums are formed from the scaled gradient."""
    return scaled_in_place(g.copy(), x, gamma, beta)


def reference(x: Any, gamma: Any, beta: Any) -> Any:
    d = x - x.mean(0)
    return gamma * d / jnp.sqrt((d**2).mean(0) + 1e-5) + beta


@pytest.mark.parametrize(
    ("backward", "kind", "words"),
    [
        (scaled_in_place, "after-update", "after it was multiplied by gamma in place"),
        (scaled_beside, "wrong-operand", "the incoming gradient multiplied by gamma"),
    ],
)
@pytest.mark.parametrize("with_reference", [True, False])
def test_the_incoming_gradient_is_read_after_a_write(
    backward: Any, kind: str, words: str, with_reference: bool, rng: np.random.Generator
) -> None:
    inputs = {"x": rng.normal(size=(4, 3)), "gamma": rng.normal(size=3), "beta": rng.normal(size=3)}
    operation = from_functions(normalised, backward, inputs, reference)
    v = rng.normal(size=(4, 3))
    wrong, truth, bound = judged(operation, v)
    if not with_reference:
        operation = replace(operation, reference=None)
    found = diagnose_all(operation, v, wrong, truth, bound, work=ENOUGH).diagnoses
    assert list(found) == ["gamma", "beta"]
    for diagnoses in found.values():
        assert diagnoses[0].kind == kind
        assert words in diagnoses[0].explanation


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


@pytest.mark.parametrize("padding", [1, 2])
def test_an_image_read_without_its_padding_by_code_of_any_style(padding: int, rng: np.random.Generator) -> None:
    """The forward pads and takes windows by itself: no convolution is among its steps."""

    def windows(x: Array) -> Array:
        padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))

    def forward(x: Array, w: Array) -> Array:
        return np.einsum("nchwij,ocij->nohw", windows(x), w)

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        grad_w = np.zeros_like(w)
        for i, j in np.ndindex(x.shape[2] - 2, x.shape[3] - 2):
            grad_w += np.einsum("no,ncij->ocij", g[:, :, i, j], x[:, :, i : i + 3, j : j + 3])
        return {"w": grad_w}

    inputs = {"x": rng.normal(size=(2, 2, 5, 6)), "w": rng.normal(size=(3, 2, 3, 3))}
    (found, *_) = crosscheck.check(forward, backward, inputs, wrt=("w",)).gradients["w"].diagnoses
    assert found.kind == "border"
    assert "without its padding" in found.explanation
