"""Mistakes in windows, each in the derivation of a layer or deep in a chain."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.derivations import (
    CHAIN,
    CONV,
    OVERLAP,
    POOL,
    STRIDED,
)
from tests.diagnosis.harness import (
    Planted,
    named,
    of,
)

ROWS = [
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
