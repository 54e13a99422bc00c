"""A gradient that is right to fewer digits than it has."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis.precision import both_signs, brain
from tests.diagnosis.derivations import (
    CONV,
    Array,
    Arrays,
)
from tests.diagnosis.harness import (
    Planted,
    diagnosed,
    named,
)

ROWS = [
    Planted(
        "float32",
        CONV,
        "x",
        lambda r, g, **i: CONV.backward(g.astype("f"), **{k: a.astype("f") for k, a in i.items()})["x"],
        "precision",
        "float32",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


def test_formats_with_fewer_digits() -> None:
    a = np.array([1 + 2.0**-7, -(1 + 2.0**-8), 3.0])
    np.testing.assert_array_equal(brain(a), [1 + 2.0**-7, -1.0, 3.0])


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_a_gradient_stored_in_a_smaller_format(name: str, rng: np.random.Generator) -> None:
    def stored(right: Arrays, g: Array, **_: Array) -> Array:
        return brain(right["x"]) if name == "bfloat16" else right["x"].astype(np.float16).astype(np.float64)

    found = diagnosed(Planted("", CONV, "x", stored, "precision"), rng)[0]
    assert found.kind == "precision"
    assert found.evidence["format"] == name


def test_a_bias_of_the_size_of_float32_is_not_rounding(rng: np.random.Generator) -> None:
    found = diagnosed(Planted("", CONV, "x", lambda r, g, **_: r["x"] + 1e-7 * np.abs(r["x"]), ""), rng)
    assert not [d for d in found if d.kind == "precision"]
    assert both_signs(rng.normal(size=1000))
    assert not both_signs(np.abs(rng.normal(size=1000)))


@pytest.mark.parametrize("size", [1e-9, 1e-11, 1e-13])
def test_errors_that_no_float32_made_are_not_blamed_on_it(size: float, rng: np.random.Generator) -> None:
    """Noise far below a float32's unit, as finite differences in float64 leave it."""
    noise = np.random.default_rng(0)
    row = Planted("", CONV, "x", lambda r, g, **_: r["x"] * (1 + size * noise.normal(size=r["x"].shape)), "")
    assert not [d for d in diagnosed(row, rng) if d.kind == "precision"]
