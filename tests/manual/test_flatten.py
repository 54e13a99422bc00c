"""Flatten: which axes are joined, and which are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    FlattenLayer,
    flatten,
)
from tests.refusals import refused

ones = np.ones


def test_flatten_joins_the_axes_asked_for() -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    shapes = {(1, -1): (2, 60), (0, -1): (120,), (2, 3): (2, 3, 20), (-3, -2): (2, 12, 5), (1, 1): (2, 3, 4, 5)}
    for (start, end), shape in shapes.items():
        y, saved = flatten.forward(x, start_dim=start, end_dim=end)
        assert y.shape == shape
        np.testing.assert_array_equal(y.ravel(), x.ravel())
        np.testing.assert_array_equal(flatten.backward(y, saved)[0], x)


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "float axis": (lambda: FlattenLayer(1.0), TypeError, ("start_dim", "1.0", "an integer")),  # type: ignore[arg-type]
    "axis that is not there": (
        lambda: FlattenLayer(1, 3).forward(ones((2, 3))),
        ValueError,
        ("end_dim", "3", "(2, 3)", "-2 to 1"),
    ),
    "axis too far back": (
        lambda: flatten.forward(ones((2, 3)), start_dim=-3),
        ValueError,
        ("start_dim", "-3", "-2 to 1"),
    ),
    "end before start": (
        lambda: FlattenLayer(2, 1).forward(ones((2, 3, 4))),
        ValueError,
        ("end_dim 1", "before start_dim 2"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)
