"""What is small to an entry of an array that reaches over decades."""

from collections.abc import Callable

import numpy as np
import pytest

from crosscheck.floats import root_mean_square
from crosscheck.witnesses.jumps import jumps
from crosscheck.witnesses.orders import ORDER, orders_of, scale_at, size_of

DECADES = np.array([1e150, -3e143, 2e60, -1e-9, 4e-113, 0.0])


def test_the_typical_size_of_anything() -> None:
    assert root_mean_square(np.array([3.0, -4.0, np.nan, np.inf])) == np.sqrt(12.5)
    assert root_mean_square(np.array([2e200, -2e200])) == 2e200, "no square overflows"
    assert root_mean_square(np.array([2e-200])) == 2e-200, "and none vanishes"
    assert root_mean_square(np.zeros(3)) == root_mean_square(np.zeros(0)) == root_mean_square(np.array([np.nan])) == 0


def test_the_scale_of_an_entry_is_at_least_the_entry_and_less_than_what_throws_it_across() -> None:
    size = size_of(DECADES)
    scale = scale_at(orders_of(DECADES, size), size)
    own = np.abs(DECADES[1:-1])
    assert (scale[1:-1] >= own / 2).all()
    assert (scale[1:-1] * 2.0**-ORDER <= own).all()


def test_an_ordinary_array_has_one_order_and_the_scale_of_a_zero_is_its_own() -> None:
    x = np.array([3.0, -0.5, 1e-6, 0.0])
    assert orders_of(x, size_of(x)).tolist() == [0, 0, 0, 0]
    assert orders_of(np.zeros(2), size_of(np.zeros(2))).tolist() == [0, 0]


def test_the_scale_of_a_zero_beside_huge_numbers_is_one() -> None:
    size = size_of(DECADES)
    np.testing.assert_allclose(scale_at(orders_of(DECADES, size), size)[-1], 1)


def falling(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.exp(-np.abs(x))


def bell(x: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(x) ** 2


@pytest.mark.parametrize("slope", [falling, bell])
def test_what_dies_away_far_from_an_entry_is_no_jump_beside_it(slope: Callable[[np.ndarray], np.ndarray]) -> None:
    found = jumps(lambda inputs: {"x": slope(inputs["x"])}, {"x": DECADES}, "x", np.full(DECADES.shape, 0.1))
    assert not found[3:5].any(), "where the entry is not zero, nothing jumps beside it"


def test_the_sign_of_zero_jumps() -> None:
    x = np.array([1.0, 0.0, 2.0])
    assert jumps(lambda inputs: {"x": np.sign(inputs["x"])}, {"x": x}, "x", np.ones(3)).tolist() == [False, True, False]


def test_a_small_jump_is_told_from_a_steep_slope() -> None:
    """erfc(4 + relu(x)): at √u of the array the gradient has changed as much as it jumps."""
    x = np.array([0.0, 2.0])
    found = jumps(lambda inputs: {"x": 50 * inputs["x"] + 1e-7 * (inputs["x"] > 0)}, {"x": x}, "x", np.full(2, 5e-8))
    assert found.tolist() == [True, False]


def test_tanh_at_zero_beside_huge_numbers_does_not() -> None:
    x = np.array([1e142, 0.0])
    found = jumps(lambda inputs: {"x": bell(inputs["x"])}, {"x": x}, "x", np.full(2, 0.5))
    assert not found.any()
