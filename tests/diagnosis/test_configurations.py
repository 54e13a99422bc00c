"""A gradient of another configuration is named by what would have to be chosen for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from crosscheck.judge import judge
from crosscheck.operation import Operation


def weighted(x: Any, lag: int) -> Any:
    """Every number times the one before it by so many places, around the end."""
    return jnp.sin(x) * jnp.roll(x, lag)


def with_lag(taken: int) -> Operation:
    """The forward of lag 2, and the backward of another lag."""

    def backward(g: np.ndarray, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        x = values["x"]
        return {"x": g * np.cos(x) * np.roll(x, taken) + np.roll(g * np.sin(x), -taken)}

    def configurations() -> dict[str, Callable[..., Any]]:
        return {f"lag = {lag}": lambda x, lag=lag: weighted(x, lag) for lag in (1, 3)}

    x = np.random.default_rng(0).normal(size=7)
    found = Operation(
        "weighted", lambda v: np.sin(v["x"]) * np.roll(v["x"], 2), backward, {"x": x}, ("x",), lambda x: weighted(x, 2)
    )
    return replace(found, configurations=configurations)


def test_the_configuration_is_named() -> None:
    result = judge(with_lag(3), differences=False)
    (found, *_) = result.gradients["x"].diagnoses
    assert found.kind == "other-option"
    assert found.explanation == "the gradient of x is that of the same forward with lag = 3"


def test_a_right_gradient_is_not_asked_and_another_is_not_named_so() -> None:
    assert judge(with_lag(2), differences=False).passed
    result = judge(with_lag(4), differences=False)  # a lag that nobody offers
    assert not result.passed
    assert all(d.kind != "other-option" for d in result.gradients["x"].diagnoses)
    unknown = replace(with_lag(3), configurations=None)
    assert all(d.kind != "other-option" for d in judge(unknown, differences=False).gradients["x"].diagnoses)


def test_one_that_fails_at_these_sizes_is_passed_over() -> None:
    def refuses(x: Any) -> Any:
        raise ValueError("not at these sizes")

    offered = {"lag = 0": refuses, "lag = 3": lambda x: weighted(x, 3)}
    (found, *_) = (
        judge(replace(with_lag(3), configurations=lambda: offered), differences=False).gradients["x"].diagnoses
    )
    assert found.kind == "other-option"
