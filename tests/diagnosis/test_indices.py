"""A repeated index counted once, wherever in the forward the entries are taken; and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crosscheck

Array = np.ndarray
RNG = np.random.default_rng(0)
IDS = np.array([[2, 0, 2], [3, 0, 2], [1, 1, 4], [0, 4, 4]])
SOURCES, TARGETS = np.array([0, 1, 2, 0, 3, 2]), np.array([1, 2, 0, 3, 0, 0])
ROWS = (2 * np.arange(2))[:, None, None, None] + np.arange(3)[None, None, :, None]
COLUMNS = (2 * np.arange(2))[None, :, None, None] + np.arange(3)[None, None, None, :]
Add = Callable[[Array, Any, Array], None]


def once(a: Array, i: Any, g: Array) -> None:
    a[i] += g


def added(a: Array, i: Any, g: Array) -> None:
    np.add.at(a, i, g)


def first(a: Array, i: Any, g: Array) -> None:
    """In a loop that skips what it has seen."""
    flat, seen = np.ravel(i), set[int]()
    for j, one in zip(flat, g.reshape(len(flat), -1), strict=True):
        if int(j) not in seen:
            a[j] += one
            seen.add(int(j))


def bag(e: Array, w: Array) -> Array:
    return e[IDS].mean(1) @ w


def bag_back(add: Add) -> Any:
    def backward(g: Array, e: Array, w: Array) -> dict[str, Array]:
        de = np.zeros_like(e)
        add(de, IDS, np.broadcast_to((g @ w.T)[:, None] / IDS.shape[1], (*IDS.shape, e.shape[1])))
        return {"e": de, "w": e[IDS].mean(1).T @ g}

    return backward


def graph(x: Array, w: Array) -> Array:
    y = np.zeros((4, w.shape[1]))
    np.add.at(y, TARGETS, (x @ w)[SOURCES])
    return np.tanh(y)


def graph_back(add: Add) -> Any:
    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        dm = (g * (1 - graph(x, w) ** 2))[TARGETS]
        dh = np.zeros((4, w.shape[1]))
        add(dh, SOURCES, dm)
        return {"x": dh @ w.T, "w": x.T @ dh}

    return backward


def convolution(x: Array, w: Array) -> Array:
    return np.einsum("nchwkl,fckl->nfhw", x[:, :, ROWS, COLUMNS], w)


def convolution_back(add: Add) -> Any:
    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        dx = np.zeros_like(x)
        add(dx, (slice(None), slice(None), ROWS, COLUMNS), np.einsum("nfhw,fckl->nchwkl", g, w))
        return {"x": dx, "w": np.einsum("nchwkl,nfhw->fckl", x[:, :, ROWS, COLUMNS], g)}

    return backward


SCENES = {
    "a bag of rows": (bag, bag_back, {"e": RNG.normal(size=(6, 5)), "w": RNG.normal(size=(5, 2))}, "e"),
    "messages on a graph": (graph, graph_back, {"x": RNG.normal(size=(4, 5)), "w": RNG.normal(size=(5, 2))}, "x"),
    "windows by index arrays": (
        convolution,
        convolution_back,
        {"x": RNG.normal(size=(2, 3, 6, 6)), "w": RNG.normal(size=(4, 3, 3, 3))},
        "x",
    ),
}


@pytest.mark.proof
@pytest.mark.parametrize("name", SCENES)
def test_it_has_its_name(name: str) -> None:
    forward, backward, inputs, wrong = SCENES[name]
    assert crosscheck.check(forward, backward(added), inputs)
    result = crosscheck.check(forward, backward(once), inputs)
    assert "keeps only the last of several contributions to an entry" in " ".join(str(result).split())
    assert not result.gradients[wrong].passed


@pytest.mark.proof
def test_the_first_is_told_from_the_last() -> None:
    forward, backward, inputs, _ = SCENES["a bag of rows"]
    result = crosscheck.check(forward, backward(first), inputs)
    assert "keeps only the first of several contributions to an entry" in " ".join(str(result).split())
