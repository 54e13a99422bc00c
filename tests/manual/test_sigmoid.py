"""The sigmoid, and the digits that its derivative loses."""

from typing import Any

import numpy as np
import pytest

from manual import sigmoid
from manual.machine.elementwise import in_blocks

UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arguments_do_not_overflow(dtype: type) -> None:
    x = np.array([-np.inf, -1000, -100, 0, 100, 1000, np.inf], dtype)
    y, saved = sigmoid.forward(x)
    np.testing.assert_allclose(y, [0, 0, np.exp(dtype(-100)), 0.5, 1, 1, 1], rtol=1e-6)
    assert np.isfinite(sigmoid.backward(np.ones_like(x), saved)[0]).all()


def slope_and_truth(x: Any, dtype: Any) -> tuple[Any, Any]:
    """(2) at G = 1, and E / (1 + E)², which loses nothing, in float64."""
    x = np.asarray(x, dtype)
    (computed,) = sigmoid.backward(np.ones_like(x), sigmoid.forward(x)[1])
    e = np.exp(-np.abs(x.astype(np.float64)))
    return computed, e / (1 + e) ** 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_derivative_is_off_by_what_its_derivation_says(dtype: Any) -> None:
    """u / (1 - Y) from the last rounding of Y; its other roundings, and those of the two products, are a few u more."""
    x = np.linspace(-30, 30, 2001)
    computed, truth = slope_and_truth(x, dtype)
    one_less = 1 / (1 + np.exp(x.astype(dtype).astype(np.float64)))  # 1 - Y
    assert (np.abs(computed - truth) <= truth * UNIT[dtype] * (3 / one_less + 8)).all()
    left = x < 0
    assert (np.abs(computed - truth)[left] <= truth[left] * 16 * UNIT[dtype]).all()  # nothing is lost on this side


@pytest.mark.parametrize(("dtype", "at", "gone"), [(np.float64, 30.0, 37.0), (np.float32, 10.0, 17.0)])
def test_three_digits_are_left_and_then_none(dtype: Any, at: float, gone: float) -> None:
    computed, truth = slope_and_truth(np.linspace(at - 1, at + 1, 200), dtype)
    assert 1e-4 < np.max(np.abs(computed / truth - 1)) < 1e-2
    computed, truth = slope_and_truth(gone, dtype)
    assert computed == 0
    np.testing.assert_allclose(truth, np.exp(-gone), rtol=1e-6)


def test_blocks_are_the_whole(rng: np.random.Generator) -> None:
    x = rng.normal(size=300_001) * 30
    np.testing.assert_array_equal(in_blocks(sigmoid.logistic, x), sigmoid.logistic(x))
