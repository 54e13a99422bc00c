"""Where a gradient is wrong, in words."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis.places import in_axis, on_axes, on_border, row_and_column, what_is_there
from tests.diagnosis.derivations import (
    CONV,
    RELU,
)
from tests.diagnosis.harness import (
    Planted,
    named,
    planted_operation,
    reasons,
)

ROWS = [
    Planted(
        "one entry",
        CONV,
        "x",
        lambda r, g, **_: r["x"] + (np.arange(252).reshape(2, 3, 6, 7) == 17),
        "localized",
        "one entry",
    ),
    Planted(
        "one channel",
        CONV,
        "x",
        lambda r, g, **_: r["x"] * np.array([1, 1, 0.0])[:, None, None],
        "localized",
        "channel 2",
    ),
    Planted(
        "every second column",
        CONV,
        "x",
        lambda r, g, **_: r["x"] * (np.arange(7) % 2),
        "localized",
        "every second column",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_planted_mistake_is_named(row: Planted, rng: np.random.Generator) -> None:
    named(row, rng)


def test_only_where_x_is_zero(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 5))
    x[0, :3] = 0
    operation = planted_operation(RELU, "x", lambda r, g, x: g * (x >= 0), {"x": x})
    v = rng.normal(size=x.shape)
    found = reasons(operation, v)["x"]
    assert found[0].kind == "localized"
    assert "where x is 0" in found[0].explanation


def test_one_row_and_one_column_are_not_the_border(rng: np.random.Generator) -> None:
    """As of a Hessian in which one parameter was transformed."""
    off = np.zeros((5, 5), bool)
    off[4], off[:, 4] = True, True
    assert row_and_column(off) == (4, 4)
    wrong = lambda r, g, **_: r["x"] * (1 + np.sin(1 + np.arange(25.0)).reshape(5, 5) * off)  # noqa: E731
    operation = planted_operation(RELU, "x", wrong, {"x": 0.5 + rng.random((5, 5))})
    found = reasons(operation, rng.normal(size=(5, 5)))["x"]
    assert "only along" in found[0].explanation, found[0]
    off[0, 1] = True
    assert row_and_column(off) is None
    off[:] = False
    off[2] = True
    assert row_and_column(off) is None


# ---------------------------------------------------------------------- in words


@pytest.mark.parametrize(
    ("indices", "size", "text"),
    [
        ([3], 8, "column 3"),
        ([2, 3, 4], 8, "columns 2 to 4"),
        ([1, 3, 5], 8, "every second column from 1 on (a stride?)"),
        ([0, 5], 8, "columns 0 and 5"),
        ([0, 1, 3, 7, 8, 12, 13], 20, "columns 0, 1, 3, 7, 8 and 12 and others"),
    ],
)
def test_places_along_one_axis(indices: list[int], size: int, text: str) -> None:
    assert in_axis(np.array(indices), size, "columns") == text


def test_scattered_entries_are_no_place() -> None:
    off = np.zeros((8, 8), bool)
    off[[0, 3, 6], [1, 4, 7]] = True
    assert on_axes(off, ("batch", "features")) == ([], {})
    off[:] = False
    off[2] = True
    assert on_axes(off, ("batch", "features")) == (["sample 2"], {"batch": [2]})


def test_what_stands_there() -> None:
    truth, off = np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    assert what_is_there(np.array([0.0, 0.0, 3.0]), truth, off) == ": zero there"
    assert what_is_there(np.array([2.0, 4.0, 3.0]), truth, off) == ": 2 times too large there"
    assert what_is_there(np.array([np.nan, 4.0, 3.0]), truth, off) == ": not finite there"
    assert what_is_there(np.array([2.0, 3.0, 3.0]), truth, off) == ""


def test_the_border_and_nothing_else() -> None:
    off = np.ones((5, 6), bool)
    off[1:-1, 1:-1] = False
    assert on_border(off)
    off[2, 2] = True
    assert not on_border(off)
    assert not on_border(np.ones((3, 3), bool))  # all border
