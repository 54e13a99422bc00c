"""The digits that the derivative of the hyperbolic tangent loses."""

from typing import Any

import numpy as np
import pytest

from manual import tanh

UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}


def slope_and_truth(x: Any, dtype: Any) -> tuple[Any, Any]:
    """(2) at G = 1, and 4·E / (1 + E)² with E = exp(-2|X|), which loses nothing, in float64."""
    x = np.asarray(x, dtype)
    (computed,) = tanh.backward(np.ones_like(x), tanh.forward(x)[1])
    e = np.exp(-2 * np.abs(x.astype(np.float64)))
    return computed, 4 * e / (1 + e) ** 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_derivative_is_off_by_what_its_derivation_says(dtype: Any) -> None:
    """3u / (1 - Y²), if Y is rounded once; NumPy's tanh may be off by a few more units in the last place."""
    computed, truth = slope_and_truth(np.linspace(-15, 15, 2001), dtype)
    assert (np.abs(computed - truth) <= UNIT[dtype] * (4 * 3 + 8 * truth)).all()


@pytest.mark.parametrize(("dtype", "at", "gone"), [(np.float64, 15.0, 19.1), (np.float32, 5.0, 10.0)])
def test_three_digits_are_left_and_then_none(dtype: Any, at: float, gone: float) -> None:
    for sign in (1, -1):
        computed, truth = slope_and_truth(sign * np.linspace(at - 0.5, at + 0.5, 200), dtype)
        assert 1e-4 < np.max(np.abs(computed / truth - 1)) < 1e-2
        computed, truth = slope_and_truth(sign * gone, dtype)
        assert computed == 0
        np.testing.assert_allclose(truth, 4 * np.exp(-2 * gone), rtol=1e-5)
