"""The right backward pass at other inputs."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.doors.functions import from_functions
from crosscheck.evidence.reason import Diagnosis
from tests.diagnosis.derivations import Array
from tests.diagnosis.harness import reasons


def at_other(change, rng: np.random.Generator) -> list[Diagnosis]:
    """y = sin(x · w) + cos(x): the backward reads x changed, everywhere."""
    inputs = {"x": rng.normal(size=(4, 4)), "w": rng.normal(size=(4, 4))}

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        x = change(x)
        outer = g * np.cos(x @ w)
        return {"x": outer @ w.T - g * np.sin(x), "w": x.T @ outer}

    operation = from_functions(
        lambda x, w: np.sin(x @ w) + np.cos(x), backward, inputs, lambda x, w: jnp.sin(x @ w) + jnp.cos(x)
    )
    return reasons(operation, rng.normal(size=(4, 4)))["x"]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (np.ones_like, "missing-terms", "with x left out (taken as 1)"),
        (np.abs, "sign", "with x without its sign"),
        (np.transpose, "transposed", "with x transposed"),
        (lambda x: np.roll(x, 1, 0), "shifted", "with x rolled by +1"),
        (lambda x: x[::-1], "flipped", "with x flipped along its batch"),
    ],
)
def test_another_input_is_named(change, kind: str, words: str, rng: np.random.Generator) -> None:
    first = at_other(change, rng)[0]
    assert first.kind == kind
    assert words in first.explanation
