"""The soft ReLU far out, and in blocks."""

import numpy as np
import pytest

from manual import (
    soft_relu,
)
from manual.machine.elementwise import in_blocks

Rng = np.random.Generator


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arguments_do_not_overflow(dtype: type) -> None:
    x = np.array([-np.inf, -1000, -100, 0, 100, 1000, np.inf], dtype)
    y, saved = soft_relu.forward(x)
    np.testing.assert_allclose(y, [0, 0, np.exp(dtype(-100)), np.log(2), 100, 1000, np.inf], rtol=1e-6)
    np.testing.assert_allclose(soft_relu.backward(np.ones_like(x), saved)[0], [0, 0, y[2], 0.5, 1, 1, 1], rtol=1e-6)


def test_blocks_are_the_whole(rng: Rng) -> None:
    x = rng.normal(size=300_001) * 30
    np.testing.assert_array_equal(in_blocks(soft_relu.softplus, x), soft_relu.softplus(x))
