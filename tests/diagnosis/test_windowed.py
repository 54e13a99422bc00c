"""Mistakes in windows, each in the derivation of a layer or deep in a chain."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.diagnosis.derivations import (
    CHAIN,
    CONV,
    OVERLAP,
    POOL,
    STRIDED,
    Array,
    Arrays,
)
from tests.diagnosis.harness import (
    Planted,
    named,
    of,
)


def of_windows_inside(right: Arrays, g: Array, x: Array, filters: Array, biases: Array, padding: int = 0) -> Array:
    """The filters' gradient from the windows that lie wholly in the image; `padding` moves them to where they are."""
    (rows, columns), grad = filters.shape[2:], np.zeros(filters.shape)
    for h, w in np.ndindex(g.shape[2:]):
        i, j = h - padding, w - padding
        if i >= 0 and j >= 0 and i + rows <= x.shape[2] and j + columns <= x.shape[3]:
            grad += np.einsum("bc,bkij->ckij", g[:, :, h, w], x[:, :, i : i + rows, j : j + columns])
    return grad


ROWS = [
    Planted("the image unpadded", CONV, "filters", of_windows_inside, "border", "without its padding"),
    Planted(
        "windows into the padding left out", CONV, "filters", partial(of_windows_inside, padding=1), "border", "border"
    ),
    Planted(
        "filters unflipped",
        CONV,
        "x",
        lambda r, g, x, filters, biases: CONV.backward(g, x, filters[:, :, ::-1, ::-1], biases)["x"],
        "flipped",
        "filters",
    ),
    Planted("padding not cropped", CONV, "x", of(CONV, "x", crop=0), "shifted", "padding"),
    Planted("padding off by one", CONV, "x", of(CONV, "x", crop=2), "shifted"),
    Planted("stride forgotten", STRIDED, "x", of(STRIDED, "x", step=1), "shifted", "stride"),
    Planted("stride forgotten in dW", STRIDED, "filters", of(STRIDED, "filters", step=1), "shifted", "stride"),
    Planted("overlaps overwritten", STRIDED, "x", of(STRIDED, "x", add=False), "overwritten"),
    Planted("minimum", OVERLAP, "x", of(OVERLAP, "x", mistake="smallest"), "wrong-winner", "smallest"),
    Planted("winner swapped", POOL, "x", of(POOL, "x", mistake="swapped"), "wrong-winner", "swapped"),
    Planted("shared", POOL, "x", of(POOL, "x", mistake="shared"), "spread"),
    Planted("everyone", POOL, "x", of(POOL, "x", mistake="everyone"), "spread"),
    Planted("overlapping winners", OVERLAP, "x", of(OVERLAP, "x", mistake="overwritten"), "overwritten"),
    Planted("overlapping blocks", OVERLAP, "x", of(OVERLAP, "x", mistake="block"), "overwritten"),
    Planted("chain: filters unflipped", CHAIN, "x", of(CHAIN, "x", mistake="unflipped"), "flipped"),
    Planted("chain: winner swapped", CHAIN, "filters", of(CHAIN, "filters", mistake="swapped"), "wrong-winner"),
    Planted("chain: shared", CHAIN, "biases", of(CHAIN, "biases", mistake="shared"), "spread"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)
