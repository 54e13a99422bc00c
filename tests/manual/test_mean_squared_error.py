"""The mean squared error by hand, and what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    MeanSquaredError,
    mean_squared_error,
)
from tests.refusals import refused

ones = np.ones


def test_the_mean_squared_error_by_hand() -> None:
    value, saved = mean_squared_error.forward(np.array([[1.0, 2.0], [3.0, 5.0]]), target=np.array([[1, 0], [0, 1]]))
    assert value == (0 + 4 + 9 + 16) / 4
    np.testing.assert_array_equal(mean_squared_error.backward(np.float64(2), saved)[0], [[0, 2], [3, 4]])


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "nothing to average": (
        lambda: MeanSquaredError().forward(ones((0, 3)), ones((0, 3))),
        ValueError,
        ("prediction", "(0, 3)", "a mean over nothing"),
    ),
    "target that would broadcast": (
        lambda: MeanSquaredError().gradient(ones((2, 3)), ones(3)),
        ValueError,
        ("target", "(3,)", "the prediction", "(2, 3)"),
    ),
    "prediction of integers": (
        lambda: MeanSquaredError().forward(ones(3, int), ones(3)),
        TypeError,
        ("prediction", "int64", "float32 or float64"),
    ),
    "complex target": (
        lambda: MeanSquaredError().forward(ones(3), ones(3) * 1j),
        TypeError,
        ("target", "complex128", "real numbers"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)
