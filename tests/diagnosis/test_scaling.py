"""A factor that has a name: a product of sizes that is still one at other sizes."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import (
    CONV,
    DENSE,
    ENTROPY,
    SQUARED,
    convolution,
)
from tests.diagnosis.harness import (
    Planted,
    diagnosed,
    named,
    reasons,
)

ROWS = [
    Planted("sign", CONV, "x", lambda r, g, **_: -r["x"], "sign"),
    Planted("twice", CONV, "filters", lambda r, g, **_: 2 * r["filters"], "scaled", "2 times"),
    Planted("mean over the batch", CONV, "filters", lambda r, g, **_: r["filters"] / len(g), "scaled", "1 / batch"),
    Planted("mean over positions", CONV, "biases", lambda r, g, **_: g.mean((2, 3)).sum(0), "scaled", "output rows"),
    Planted(
        "over the window's area", CONV, "filters", lambda r, g, **_: r["filters"] / 9, "scaled", "9 times too small"
    ),
    Planted("mean instead of sum", CONV, "biases", lambda r, g, **_: g.mean((0, 2, 3)), "scaled", "batch"),
    Planted("by 1e-9", CONV, "x", lambda r, g, **_: r["x"] * (1 + 1e-9), "scaled", "1.000000001"),
    Planted("mean over the batch, dense", DENSE, "biases", lambda r, g, **_: g.mean(0), "scaled", "1 / batch"),
    Planted("no 1/N", ENTROPY, "x", lambda r, g, x, labels: r["x"] * len(x), "scaled", "batch"),
    Planted("1/N twice", ENTROPY, "x", lambda r, g, x, labels: r["x"] / len(x), "scaled", "1 / batch"),
    Planted("no 2", SQUARED, "prediction", lambda r, g, **_: r["prediction"] / 2, "scaled", "2 times"),
    Planted("target's sign", SQUARED, "target", lambda r, g, **_: -r["target"], "sign"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


def test_equal_sizes_are_told_apart_at_other_sizes(rng: np.random.Generator) -> None:
    equal = convolution(1, 1, {"x": (3, 3, 5, 5), "filters": (3, 3, 3, 3), "biases": (3,)})
    rows = {
        "1 / batch": lambda r, g, x, **_: r["filters"] / len(x),
        "1 / output channels": lambda r, g, filters, **_: r["filters"] / len(filters),
        "1 / kernel rows · kernel columns": lambda r, g, filters, **_: r["filters"] / filters[0, 0].size,
    }
    for name, mistake in rows.items():
        found = diagnosed(Planted("", equal, "filters", mistake, ""), rng)
        assert found[0].evidence["name"].replace("(", "").replace(")", "") == name
        assert "also" not in found[0].evidence


def test_a_constant_is_not_taken_for_a_size(rng: np.random.Generator) -> None:
    row = Planted("", DENSE, "weights", lambda r, g, **_: r["weights"] / 5, "scaled")
    found = diagnosed(row, rng)
    assert found[0].kind == "scaled"
    assert found[0].evidence["name"] is None
    assert found[0].evidence["here the same as"] == "1 / batch"


A = np.array([0.5, -1.5, 0.75, 2.0])


@pytest.mark.parametrize("factor", [3.0, 1 / 3], ids=["three", "a third"])
def test_a_number_is_not_read_as_a_size_less_one_that_cannot_be_another(
    factor: float, rng: np.random.Generator
) -> None:
    """The derivative of x³ three times, or without its 3; of the four columns there are never fewer."""
    cube = lambda x: (A * x**3).sum(1)  # noqa: E731
    x = rng.normal(size=(2, 4))
    operation = from_functions(cube, lambda g, x: {"x": factor * 3 * g[:, None] * A * x**2}, {"x": x}, cube)
    found = reasons(operation, rng.normal(size=2))["x"][0]
    assert found.kind == "scaled"
    assert found.evidence["name"] is None, found


def test_a_quotient_with_a_size_less_one_is_no_plainer_than_another(rng: np.random.Generator) -> None:
    """1 / batch for 1 / columns, beside three rows, which are one more than the batch."""
    centred = lambda x: x - x.mean(-1, keepdims=True)  # noqa: E731
    wrong = lambda g, x: {"x": centred(g) * x.shape[-1] / len(x)}  # noqa: E731
    operation = from_functions(centred, wrong, {"x": rng.normal(size=(2, 3, 5))}, centred)
    found = reasons(operation, rng.normal(size=(2, 3, 5)))["x"][0]
    assert found.evidence["name"] == "columns / batch", found
