"""How a code rounds by its own program: what is lost in it is seen, also where every answer is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.operation import Operation
from crosscheck.recorder.operations import with_own_program
from crosscheck.witnesses.own import program_rounding

Rng = np.random.Generator
T = 10.0


def sigmoid_by_tanh(a: Any) -> Any:
    """Right, and coarse: below -37 it is 0, where the sigmoid is 1e-17."""
    return 0.5 * (1 + np.tanh(0.5 * a))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def operation(backward: Callable[..., Any], x: Any, forward: Callable[..., Any] = sigmoid) -> Operation:
    return with_own_program(from_functions(forward, backward, {"x": x}))


def test_what_is_lost_everywhere_alike_is_seen() -> None:
    x = np.array([-60.0, -45.0, -20.0, 0.5])
    v = np.array([1.3, -0.7, 2.0, 0.4])

    def backward(g: Any, x: Any) -> Any:
        s = sigmoid_by_tanh(x)
        return {"x": g * s * (1 - s)}

    found = program_rounding(operation(backward, x), v, 4, T, 0)
    assert not found.coarse
    assert (backward(v, x)["x"][:2] == 0).all()
    true = v * sigmoid(x) * sigmoid(-x)
    assert (T * found.sigma["x"] > np.abs(backward(v, x)["x"] - true)).all()
    assert (T * found.sigma["x"] < 1e-13).all()


def test_a_derivation_that_leaves_nothing_out_is_as_fine_as_its_numbers(rng: Rng) -> None:
    x, v = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    found = program_rounding(operation(lambda g, x: {"x": g * np.cos(x)}, x, np.sin), v, 12, T, 0)
    assert (T * found.sigma["x"] < 1e-13 * np.abs(v)).all()


def test_a_coarser_format_is_said(rng: Rng) -> None:
    x, v = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def backward(g: Any, x: Any) -> Any:
        return {"x": (g.astype(np.float32) * np.cos(x.astype(np.float32))).astype(np.float64)}

    found = program_rounding(operation(backward, x, np.sin), v, 12, T, 0)
    assert found.coarse
    error = np.abs(backward(v, x)["x"] - v * np.cos(x))
    assert (T * found.sigma["x"] > error).all()
    assert (T * found.sigma["x"] < 1e-5 * np.abs(v)).all()


def test_code_that_cannot_be_recorded_says_nothing(rng: Rng) -> None:
    x, v = rng.normal(size=3), rng.normal(size=3)
    backward = lambda g, x: {"x": np.array([float(a) * float(np.cos(b)) for a, b in zip(g.tobytes(), x, strict=False)])}  # noqa: E731
    assert program_rounding(operation(backward, x, np.sin), v, 3, T, 0).sigma == {}
    assert program_rounding(from_functions(np.sin, backward, {"x": x}), v, 3, T, 0).sigma == {}


def test_a_gradient_of_the_wrong_size_says_nothing(rng: Rng) -> None:
    x, v = rng.normal(size=3), rng.normal(size=3)
    assert program_rounding(operation(lambda g, x: {"x": (g * np.cos(x))[:2]}, x, np.sin), v, 3, T, 0).sigma == {}


@pytest.mark.parametrize(
    ("slope", "verdict"),
    [
        (lambda a: sigmoid_by_tanh(a) * (1 - sigmoid_by_tanh(a)), "agree"),
        (lambda a: sigmoid_by_tanh(a) * (1 - sigmoid_by_tanh(a)) * (a < 12), "disagree"),
        (lambda a: sigmoid_by_tanh(a) * (1 - 0.998 * sigmoid_by_tanh(a)), "disagree"),
    ],
    ids=["coarse", "cut off", "wrong"],
)
def test_coarse_is_not_wrong(slope: Callable[[Any], Any], verdict: str) -> None:
    """Right where it is judged, it has no digits left at values four times as large."""
    import jax

    x = np.random.default_rng(0).normal(size=(6, 4)) * 6
    result = crosscheck.check(
        lambda x: 1 / (1 + np.exp(-x)),
        lambda g, x: {"x": g * slope(x)},
        {"x": x},
        lambda x: jax.nn.sigmoid(x),
        diagnose=False,
    )
    assert result.verdict == verdict, result
