"""A wrong gradient is named with the line of the backward that computes it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import scipy.special

import crosscheck

Array = np.ndarray
INPUTS = {
    "x": np.random.default_rng(0).normal(size=(4, 3)),
    "w": np.random.default_rng(1).normal(size=(3, 2)),
    "b": np.random.default_rng(2).normal(size=2),
}


def forward(x: Array, w: Array, b: Array) -> Array:
    return np.tanh(x @ w + b) ** 2


def line_of(function: Any, words: str) -> int:
    """The number of the line of a function's source that has these words in it."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if words in line)


def backward(g: Array, x: Array, w: Array, b: Array) -> dict[str, Array]:
    h = np.tanh(x @ w + b)
    gz = 2 * g * h * (1 - h**2)
    dx = np.zeros_like(x)
    for i in range(len(x)):
        dx[i] += 1.5 * w @ gz[i]
    dw = x.T @ gz
    return {
        "x": dx,
        "w": dw.reshape(w.shape),
        "b": gz.mean(0),
    }


def test_the_line_is_the_one_that_made_the_numbers() -> None:
    result = crosscheck.check(forward, backward, INPUTS)
    assert [k for k, g in result.gradients.items() if not g] == ["x", "b"]
    assert result.gradients["x"].line == f"test_lines.py:{line_of(backward, '1.5')}: dx[i] += 1.5 * w @ gz[i]"
    assert result.gradients["b"].line == f'test_lines.py:{line_of(backward, "mean")}: "b": gz.mean(0),'
    assert result.gradients["w"].line == ""
    assert result.to_dict()["gradients"]["x"]["line"] == result.gradients["x"].line


def test_it_is_looked_for_with_a_reference_in_layers_and_at_float32() -> None:
    class Layer:
        def __init__(self) -> None:
            self.w = INPUTS["w"].astype(np.float32)

        def forward(self, x: Array) -> Array:
            self.x = x
            return x @ self.w

        def backward(self, g: Array) -> Array:
            self.dw = 2 * self.x.T @ g
            return g @ self.w.T

    result = crosscheck.check_layer(Layer(), INPUTS["x"].astype(np.float32))
    assert result.gradients["w"].line.endswith(": self.dw = 2 * self.x.T @ g")
    given = crosscheck.check(lambda x: x * 3, lambda g, x: {"x": 2 * g}, {"x": INPUTS["x"]}, lambda x: x * 3)
    assert "test_lines.py:" in given.gradients["x"].line


def test_where_the_backward_is_not_recorded_nothing_is_said() -> None:
    result = crosscheck.check(lambda x: np.exp(x), lambda g, x: {"x": g * scipy.special.j0(x)}, {"x": INPUTS["b"]})
    assert not result
    assert result.gradients["x"].line == ""


def test_without_a_diagnosis_nobody_looks() -> None:
    result = crosscheck.check(forward, backward, INPUTS, diagnose=False)
    assert result.gradients["x"].line == ""
