"""The axes of an output are called what they are, not by their place."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import crosscheck

RNG = np.random.default_rng(0)
WINDOWS = np.lib.stride_tricks.sliding_window_view
IMAGE = {"x": RNG.normal(size=(5, 7)), "w": RNG.normal(size=(3, 3, 3))}


def forward(x: Any, w: Any) -> Any:
    """One image (H, W), filters (F, 3, 3): (F, H - 2, W - 2)."""
    return np.einsum("hwij,oij->ohw", WINDOWS(x, (3, 3)), w)


def last_filter_wins(g: Any, x: Any, w: Any) -> Any:
    padded = WINDOWS(np.pad(g, ((0, 0), (2, 2), (2, 2))), (3, 3), (1, 2))
    dx = np.einsum("hwij,ij->hw", padded[-1], w[-1, ::-1, ::-1])
    return {"x": dx, "w": np.einsum("hwij,ohw->oij", WINDOWS(x, (3, 3)), g)}


def reference(x: Any, w: Any) -> Any:
    return jax.lax.conv_general_dilated(x[None, None], w[:, None], (1, 1), "VALID")[0]


def transposed(x: Any, w: Any) -> Any:
    """The same with the filters in front of nothing: (1, F, ...) squeezed, and an entry by entry step behind it."""
    y = jax.lax.conv_general_dilated(x[None, None], w[:, None], (1, 1), "VALID").transpose(1, 0, 2, 3)
    return (2 * y).squeeze(1) / 2


@pytest.mark.parametrize(
    ("witness", "said"),
    [(reference, "output channel"), (transposed, "output channel"), (None, "entry of axis 0")],
    ids=["conv", "behind steps", "none"],
)
def test_filters_of_one_image_are_no_samples(witness: Any, said: str) -> None:
    result = crosscheck.check(forward, last_filter_wins, IMAGE, witness)
    assert f"of the last {said} only" in result.gradients["x"].diagnoses[0].explanation


def test_samples_of_three_axes_are_samples() -> None:
    inputs = {"x": RNG.normal(size=(4, 5, 3)), "w": RNG.normal(size=(3, 2))}

    def backward(g: Any, x: Any, w: Any) -> Any:
        g = g * (np.arange(len(g)) == len(g) - 1)[:, None, None]
        return {"x": g @ w.T, "w": np.einsum("btd,btf->df", x, g)}

    result = crosscheck.check(lambda x, w: x @ w, backward, inputs)
    assert "of the last sample only" in result.gradients["w"].diagnoses[0].explanation
