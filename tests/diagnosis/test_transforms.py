"""Every transform keeps the shape, is what its sentence says, and is told from every other."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis import transforms
from crosscheck.diagnosis.expressions import read
from crosscheck.diagnosis.transforms import cuts, flips, kept, moved, orders, shifts, spreads, transposes
from crosscheck.diagnosis.words import plain_names

SHAPES = [(5,), (3, 3), (4, 5), (2, 3, 4), (2, 3, 4, 4), (1, 3, 1, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("family", [flips, orders, shifts, spreads, cuts])
def test_a_family_keeps_the_shape_and_repeats_nothing(family, shape, rng: np.random.Generator) -> None:
    a = rng.normal(size=shape)
    rows = list(family(shape, plain_names(len(shape))))
    for row in rows:
        found = read(row.of(a), None)
        assert found.shape == shape
        assert not np.array_equal(found, a)
    assert len({(row.function, row.arguments) for row in rows}) == len(rows)


def test_they_do_what_they_say() -> None:
    a = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(moved(a, (1, -1), (0, 1)), [[0, 0, 0, 0], [1, 2, 3, 0], [5, 6, 7, 0]])
    np.testing.assert_array_equal(kept(a, (1,), (1, -1)), a * [0, 1, 1, 0])
    np.testing.assert_array_equal(transforms.read_out(a, (1, 0)), a.T.reshape(3, 4))
    np.testing.assert_array_equal(transforms.filled(a, (1, 0)), a.reshape(4, 3).T)
    np.testing.assert_array_equal(transforms.spread(a, (0,)), np.tile(a.sum(0), (3, 1)))


def test_transposes_are_the_orders_that_fit() -> None:
    (only,) = transposes((4, 4), ("inputs", "outputs"))
    assert only.text == "transposed"
    assert [t.text for t in transposes((2, 5, 5), ("batch", "rows", "columns"))] == [
        "with its rows and columns swapped"
    ]
    assert not list(transposes((4, 5), ("inputs", "outputs")))
    assert not list(orders((2,) * 6, plain_names(6)))  # 6! orders


def test_the_last_two_axes_come_first() -> None:
    assert next(flips((2, 3, 4, 4), plain_names(4))).text == "flipped along its rows and columns"
