"""The linear layer by hand, and what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    FullyConnectedLayer,
    LinearLayer,
    linear,
)
from tests.refusals import refused

ones = np.ones


def test_the_linear_layer_by_hand() -> None:
    x, w, bias = np.array([[1.0, 2.0]]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([10.0, 20.0, 30.0])
    y, saved = linear.forward(x, w, bias)
    np.testing.assert_array_equal(y, [[19, 32, 45]])
    grad_x, grad_w, grad_bias = linear.backward(np.array([[1.0, 0.0, -1.0]]), saved)
    np.testing.assert_array_equal(grad_x, [[-2, -2]])
    np.testing.assert_array_equal(grad_w, [[1, 0, -1], [2, 0, -2]])
    np.testing.assert_array_equal(grad_bias, [1, 0, -1])


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "whole float": (lambda: LinearLayer(3.0, 2), TypeError, ("input_size", "3.0", "an integer")),  # type: ignore[arg-type]
    "text": (lambda: LinearLayer(3, "2"), TypeError, ("output_size", "'2'", "an integer")),  # type: ignore[arg-type]
    "no features": (lambda: FullyConnectedLayer(0, 2), ValueError, ("input_size", "0", "at least 1")),
    "rank": (lambda: LinearLayer(3, 2).forward(ones(3)), ValueError, ("x", "(3,)", "2 axes (B, D)")),
    "features": (lambda: LinearLayer(3, 2).forward(ones((1, 4))), ValueError, ("x", "4 features", "take 3")),
    "biases": (
        lambda: linear.forward(ones((1, 3)), ones((3, 2)), ones(3)),
        ValueError,
        ("biases", "(3,)", "one bias per output", "(2,)"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)
