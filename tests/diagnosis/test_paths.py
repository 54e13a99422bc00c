"""Paths left out, weighted, or lost in some turns of a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.diagnosis.factors import Size, readings
from crosscheck.doors.functions import from_functions
from tests.diagnosis.harness import reasons

Array = np.ndarray


def centred(x: Array) -> Array:
    d = x - x.mean(1, keepdims=True)
    return d * (d * d).mean(1, keepdims=True)


def reference(x: Any) -> Any:
    d = x - x.mean(1, keepdims=True)
    spread = (d * d).mean(1, keepdims=True)
    return d * spread


def backward(g: Array, x: Array, weight: Callable[[int], float] = lambda n: 1.0, mean: float = 1.0) -> dict[str, Array]:
    d = x - x.mean(1, keepdims=True)
    n = x.shape[1]
    grad = g * (d * d).mean(1, keepdims=True)
    grad = grad + weight(n) * 2 * d * (g * d).mean(1, keepdims=True)
    return {"x": grad - mean * grad.mean(1, keepdims=True)}


@pytest.mark.parametrize(
    ("slip", "kind", "words"),
    [
        ({"weight": lambda n: 0.0}, "missing-terms", "spread = (d * d)"),
        ({"weight": lambda n: -1.0}, "sign", "wrong sign"),
        ({"weight": lambda n: 2.0}, "scaled", "twice"),
        ({"weight": lambda n: n / (n - 1)}, "scaled", "- 1"),
        ({"weight": lambda n: float(n)}, "scaled", "features"),
        ({"mean": 0.0}, "missing-terms", "x.mean"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value),
)
def test_a_weight_has_a_name(slip: dict[str, Any], kind: str, words: str, rng: np.random.Generator) -> None:
    operation = from_functions(centred, lambda g, x: backward(g, x, **slip), {"x": rng.normal(size=(3, 5))}, reference)
    found = reasons(operation, rng.normal(size=(3, 5)))["x"][0]
    assert found.kind == kind, found
    assert words in found.explanation


PAIRS = np.cos(np.add.outer(np.arange(6.0), np.arange(6.0)))


def distances(x: Any) -> Any:
    squares = (x * x).sum(1)
    return (PAIRS * (squares[:, None] + squares[None, :] - 2 * x @ x.T)).sum()


def test_the_plainest_of_several_weights_is_told(rng: np.random.Generator) -> None:
    """The product's sign: on either of its two paths alone the gradient is that of one taken -6 / 2 times."""

    def wrong(g: Array, x: Array) -> dict[str, Array]:
        return {"x": 4 * g * (PAIRS.sum(1)[:, None] * x + PAIRS @ x)}

    operation = from_functions(distances, wrong, {"x": rng.normal(size=(6, 2))}, distances)
    found = reasons(operation, np.array(1.5))["x"][0]
    assert found.kind == "sign", found
    assert "the subtracted term" in found.explanation


def loop(x: Any, w: Any) -> Any:
    for _ in range(3):
        x = jnp.tanh(x @ w)
    return x


def test_a_turn_of_a_loop_is_lost(rng: np.random.Generator) -> None:
    def forward(x: Array, w: Array) -> Array:
        for _ in range(3):
            x = np.tanh(x @ w)
        return x

    def wrong(g: Array, x: Array, w: Array) -> dict[str, Array]:
        states = [x]
        for _ in range(3):
            states.append(np.tanh(states[-1] @ w))
        grad_w = np.zeros_like(w)
        for t in reversed(range(3)):
            g = g * (1 - states[t + 1] ** 2)
            grad_w = states[t].T @ g  # and not +=
            g = g @ w.T
        return {"x": g, "w": grad_w}

    operation = from_functions(forward, wrong, {"x": rng.normal(size=(2, 4)), "w": rng.normal(size=(4, 4))}, loop)
    found = reasons(operation, rng.normal(size=(2, 4)))["w"][0]
    assert found.kind == "overwritten"
    assert "only the first turn's" in found.explanation


def squashed(x: Any, w: Any) -> Any:
    for _ in range(3):
        s = x @ w
        x = s / (1 + s * s)
    return x


def squashed_backward(g: Array, x: Array, w: Array, norm: float = 0.0) -> dict[str, Array]:
    """`norm`: how often the path through s · s is counted."""
    xs = [x]
    for _ in range(3):
        xs.append(squashed_once(xs[-1], w))
    grad_w = np.zeros_like(w)
    for before in reversed(xs[:-1]):
        s = before @ w
        g = g / (1 + s * s) - norm * g * s * 2 * s / (1 + s * s) ** 2
        grad_w += before.T @ g
        g = g @ w.T
    return {"x": g, "w": grad_w}


def squashed_once(x: Array, w: Array) -> Array:
    s = x @ w
    return s / (1 + s * s)


@pytest.mark.parametrize(
    ("norm", "words"),
    [(0.0, "leaves out the path through the square in"), (0.5, "half of the path through the square in")],
)
def test_a_square_in_a_loop_is_one_path(norm: float, words: str, rng: np.random.Generator) -> None:
    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 3))}
    operation = from_functions(squashed, lambda g, x, w: squashed_backward(g, x, w, norm), inputs, squashed)
    for found in reasons(operation, rng.normal(size=(4, 3))).values():
        assert words in found[0].explanation


def experts(x: Any, gate: Any, w: Any) -> Any:
    """Two experts, weighed by a softmax of x."""
    z = jnp.exp(x @ gate)
    p = z / z.sum(1, keepdims=True)
    y = 0
    for k in range(2):
        y = y + p[:, k : k + 1] * (x @ w[k])
    return y


def experts_backward(g: Array, x: Array, gate: Array, w: Array) -> dict[str, Array]:
    """x is left out of what the gates give back."""
    z = np.exp(x @ gate)
    p = z / z.sum(1, keepdims=True)
    grad_p = np.stack([(g * (x @ w[k])).sum(1) for k in range(2)], 1)
    grad_z = p * (grad_p - (p * grad_p).sum(1, keepdims=True))
    grad_w = np.stack([x.T @ (p[:, k : k + 1] * g) for k in range(2)])
    grad_x = p[:, :1] * (g @ w[0].T) + p[:, 1:] * (g @ w[1].T)
    return {"x": grad_x, "gate": x.T @ grad_z, "w": grad_w}


def test_a_path_that_is_left_out_in_every_turn_is_believed_before_another_turns_array(rng: np.random.Generator) -> None:
    """Both gates multiplied by one expert's answer: then the softmax hands nothing back, either."""
    inputs = {"x": rng.normal(size=(5, 3)), "gate": rng.normal(size=(3, 2)), "w": rng.normal(size=(2, 3, 2))}
    operation = from_functions(experts, experts_backward, inputs, experts)
    assert "leaves out the path" in reasons(operation, rng.normal(size=(5, 2)))["x"][0].explanation


def test_numbers_that_are_not_whole_have_readings() -> None:
    sizes = [Size("features", 5.0, 1.0)]
    special = [Size("√features", 5.0**0.5, 1.1), Size("(features - 1)", 4.0, 1.0)]
    assert readings(5.0**-0.5, sizes, special=special)[0].text == "1 / √features"
    assert readings(5 / 4, sizes, special=special)[0].text == "features / (features - 1)"
    assert readings(-(5.0**0.5), sizes, special=special)[0].value({"√features": 3.0}) == -3.0
