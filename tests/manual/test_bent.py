"""The activations with a kink, which are computed without branches, beside their definitions with `np.where`.

At numbers where the two could come apart: infinite, NaN, zeros of either sign, at the kinks and beside them; of few
numbers, and of so many that they are computed in blocks on several threads.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import elu, hard_swish, leaky_relu, prelu, relu, selu
from manual.machine.elementwise import PARALLEL

Array = np.ndarray

SPECIAL = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, -1.5, 1e-40, -1e-40, 1e30, -1e30, np.inf, -np.inf, np.nan]


def points(dtype: type, size: int) -> Array:
    beside = [np.nextafter(dtype(x), dtype(side * np.inf)) for x in (-3, 0, 3) for side in (-1, 1)]
    x = np.resize(np.array([*SPECIAL, *beside], dtype), size)
    x[len(SPECIAL) + 6 :: 3] = np.random.default_rng(0).normal(size=len(x[len(SPECIAL) + 6 :: 3]))
    return x


def hard_swish_slope(x: Array) -> Array:
    return np.where(x <= -3, 0, np.where(x >= 3, 1, (2 * x + 3) / 6))


def elu_of(x: Array, depth: float, slope: float = 1.0) -> tuple[Array, Array]:
    low = np.minimum(x, 0)
    return slope * np.where(x > 0, x, depth * np.expm1(low)), slope * np.where(x > 0, 1, depth * np.exp(low))


Definition = Callable[[Array], tuple[Array, Array]]  # Y, and what multiplies Ẋ and G
ROWS: dict[str, tuple[Any, dict[str, float], Definition]] = {
    **{
        f"leaky ReLU, {a}": (
            leaky_relu,
            {"share": a},
            lambda x, a=a: (np.where(x > 0, x, x.dtype.type(a) * x), np.where(x > 0, 1, a)),
        )
        for a in (-0.5, 0.0, 0.01, 1.0, 3.0)
    },
    "ReLU": (relu, {}, lambda x: (np.where(x <= 0, 0, x), np.where(x > 0, 1, 0))),
    "hard swish": (
        hard_swish,
        {},
        lambda x: (np.where(x <= -3, 0 * x, np.where(x >= 3, x, x * (x + 3) / 6)), hard_swish_slope(x)),
    ),
    "ELU": (elu, {"depth": 1.7}, lambda x: elu_of(x, 1.7)),
    "SELU": (selu, {}, lambda x: elu_of(x, selu.DEPTH, selu.SLOPE)),
}


@pytest.mark.parametrize("size", [50, PARALLEL + 77])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ROWS)
def test_activations_without_branches_are_those_with(name: str, dtype: type, size: int) -> None:
    operation, options, definition = ROWS[name]
    x = points(dtype, size)
    g = np.random.default_rng(1).normal(size=size).astype(dtype)
    close: dict[str, Any] = {"rtol": 8 * np.finfo(dtype).eps, "atol": 0}
    with np.errstate(all="ignore"):
        expected, slope = definition(x)
        y, saved = operation.forward(x, **options)
        np.testing.assert_allclose(y, expected, **close)
        for back in (operation.backward(g, saved)[0], operation.tangent(g, saved)):
            np.testing.assert_allclose(back, g * slope.astype(dtype), **close)
    assert y.dtype == back.dtype == dtype
    np.testing.assert_array_equal(x, points(dtype, size))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shares_of_channels_without_branches_are_those_with(dtype: type) -> None:
    shares = np.array([0.25, -2.0, 1.0, 0.0, 7.0], dtype)
    x = points(dtype, 5 * 140_000).reshape(20, 5, 100, 70)
    g = np.random.default_rng(1).normal(size=x.shape).astype(dtype)
    along = shares.reshape(1, 5, 1, 1)
    with np.errstate(all="ignore"):
        y, saved = prelu.forward(x, shares)
        np.testing.assert_array_equal(y, np.where(x > 0, x, along * x))
        grad_x, grad_shares = prelu.backward(g, saved)
        np.testing.assert_array_equal(grad_x, np.where(x > 0, g, along * g))
        finite = np.where(np.isfinite(x), x, 0)
        grad_shares = prelu.backward(g, prelu.forward(finite, shares)[1])[1]
        each = np.where(finite > 0, 0, g.astype(np.float64) * finite)
    allowed = 100 * np.finfo(dtype).eps * np.abs(each).sum((0, 2, 3))
    assert (np.abs(grad_shares - each.sum((0, 2, 3))) <= allowed).all()
