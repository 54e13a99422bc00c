"""The ReLU at its corner."""

import numpy as np

from manual import (
    relu,
)


def test_the_derivative_of_relu_at_zero_is_zero() -> None:
    y, saved = relu.forward(np.array([-1.0, -0.0, 0.0, 1.0, np.nan]))
    np.testing.assert_array_equal(y, [0, 0, 0, 1, np.nan])
    np.testing.assert_array_equal(relu.backward(np.ones(5), saved)[0], [0, 0, 0, 1, 0])
