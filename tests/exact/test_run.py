"""The exact run: it applies where it should, never accuses, and catches what is wrong by any amount."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from crosscheck.doors.functions import from_functions
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.exact.run import exact_run
from crosscheck.operation import Operation
from tests.operations import APPLIES, SQUARE, one

Array = np.ndarray
Arrays = dict[str, Array]


@pytest.mark.parametrize("name", APPLIES)
def test_piecewise_polynomials_are_equal_bit_for_bit(name: str) -> None:
    for seed in range(3):
        run = exact_run(APPLIES[name], seed=seed)
        assert run.applies, run.reason
        assert run.forward == "equal"
        assert set(run.outcomes.values()) == {"equal"}
        assert run.bits < 53
        assert run.points >= 2
        assert (run.cotangent != 0).all()
        assert all(d.agrees for d in run.difference.values())
        for k, d in run.difference.items():
            assert d.checked.all() or d.directions
            assert run.degree[k] <= 2


def test_the_degree_of_every_input_is_known() -> None:
    assert exact_run(APPLIES["cube"], seed=0).degree == {"x": 3}
    assert not exact_run(APPLIES["cube"], seed=0).difference  # a central difference is not exact there
    assert exact_run(APPLIES["product"], seed=0).degree == {"x": 1, "y": 1}
    assert exact_run(APPLIES["mean square"], seed=0).degree == {"x": 2, "y": 2}


# Why it steps aside, in words.
ASIDE: dict[str, tuple[Callable[..., Any], str]] = {
    "exponential": (jnp.exp, "exp is no polynomial"),
    "tanh": (jnp.tanh, "tanh is no polynomial"),
    "root": (lambda x: jnp.sqrt(x * x + 1), "sqrt is no polynomial"),
    "a tenth": (lambda x: 0.1 * x, "its constant 0.1 is not dyadic"),
    "gelu": (lambda x: jax.nn.gelu(x, approximate=True), "0.044715 is not dyadic"),
    "reciprocal": (lambda x: 1 / x, "it divides by a variable"),
    "a third of one more": (lambda x: (x + 1) / 3, "it divides by 3, which is no power of two"),
    "loop": (lambda x: lax.fori_loop(0, 3, lambda i, a: a * x, x), "scan is no polynomial"),
}


@pytest.mark.parametrize("name", ASIDE)
def test_it_steps_aside_and_says_why(name: str) -> None:
    reference, reason = ASIDE[name]
    run = exact_run(one(lambda x: x, lambda g, x: (g,), reference, (2, 3)), seed=0)
    assert not run.applies
    assert not run.outcomes
    assert reason in run.reason


# Mistakes of every size; each is exact arithmetic's to find.
MISTAKES: dict[str, Callable[[Array, Array], Array]] = {
    "factor": lambda g, x: 3 * g * x,
    "a billionth": lambda g, x: 2 * g * x * (1 + 1e-9),
    "a few ulps": lambda g, x: 2 * g * x * (1 + 2.0**-44),
    "float32 inside": lambda g, x: (2 * g * x).astype(np.float32).astype(np.float64),
    "one entry": lambda g, x: 2 * g * x + np.eye(*x.shape) * (np.arange(5) == 2),
    "not a number": lambda g, x: np.where(x == x[0, 0], np.nan, 2 * g * x),
    "shape": lambda g, x: (2 * g * x)[:2],
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_different_at_every_seed(name: str) -> None:
    wrong = one(lambda x: x * x, lambda g, x: (MISTAKES[name](g, x),), lambda x: x * x, (4, 5))
    for seed in range(5):
        run = exact_run(wrong, seed=seed)
        assert run.different == ["x"]
        assert run.difference["x"].agrees  # the difference speaks for the reference


@pytest.mark.parametrize("divisor", [3.0, 5.0, 7.0, 10.0, 49.0])
def test_a_division_by_an_odd_constant_is_exact(divisor: float) -> None:
    """XLA would multiply by 1/c, and add the product unrounded."""
    rng = np.random.default_rng(0)
    operation = from_functions(
        lambda x, w, b: (x @ w + b) / divisor,
        lambda g, x, w, b: {"x": g @ w.T / divisor, "w": x.T @ g / divisor, "b": (g / divisor).sum(0)},
        {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)},
        lambda x, w, b: (x @ w + b) / divisor,
    )
    for seed in range(4):
        run = exact_run(operation, seed=seed)
        assert run.applies, run.reason
        assert set(run.outcomes.values()) == {"equal"}
        assert all(d.agrees for d in run.difference.values())


def test_a_wrong_forward_is_different() -> None:
    run = exact_run(one(lambda x: x * x + 1, *SQUARE[1:]), seed=0)
    assert run.forward == "different"
    assert run.outcomes == {"x": "equal"}


def test_an_engine_that_rounds_is_told_apart() -> None:
    def product(a: Array, b: Array) -> Array:
        """A circular convolution by FFT."""
        return np.fft.irfft(np.fft.rfft(a) * np.fft.rfft(b), a.shape[-1])

    def flipped(a: Array) -> Array:
        return np.roll(a[..., ::-1], 1, -1)

    def circular(x: Any, y: Any) -> Any:
        return sum(jnp.roll(x, i, -1) * y[..., i, None] for i in range(7))

    def backward(factor: float) -> Callable[..., Any]:
        return lambda g, x, y: (product(g, flipped(y)) * factor, product(g, flipped(x)))

    healthy = exact_run(one(product, backward(1.0), circular, (3, 7), (3, 7)), seed=0)
    assert healthy.forward == "rounded"
    assert set(healthy.outcomes.values()) == {"rounded"}
    wrong = exact_run(one(product, backward(1 + 1e-9), circular, (3, 7), (3, 7)), seed=0)
    assert wrong.outcomes == {"x": "different", "y": "rounded"}


def test_a_multiplication_by_a_third_is_rounding() -> None:
    reference = APPLIES["average pooling"].reference
    third = one(
        lambda x: (x[:, :-2] + x[:, 1:-1] + x[:, 2:]) / 3,
        lambda g, x: (sum(np.pad(g * 0.7 * (1 / 0.7) / 3, ((0, 0), (i, 2 - i))) for i in range(3)),),
        None if reference is None else lambda x: reference(x=x),
        (2, 6),
    )
    assert exact_run(third, seed=0).outcomes["x"] in ("equal", "rounded")


# ---------------------------------------------------------------------- ties are conventions


def test_the_last_of_equal_maxima_is_no_mistake() -> None:
    # x less itself held fast is zero everywhere, so that every maximum ties whatever the point.
    def reference(x: Any) -> Any:
        zeros = x - lax.stop_gradient(x)
        return lax.reduce_window(zeros, -jnp.inf, lax.max, (1, 2), (1, 2), "VALID")

    def last(g: Array, x: Array) -> tuple[Array]:
        return (np.stack([0 * g, g], -1).reshape(x.shape),)

    run = exact_run(one(lambda x: np.zeros((3, 2)), last, reference, (3, 4)), seed=0)
    assert not run.applies
    assert run.reason == "its maxima tie at every point that was drawn"

    # The fifth column is in no window: there no convention decides.
    wrong = one(lambda x: np.zeros((3, 2)), lambda g, x: (np.zeros((3, 5)) + 1,), reference, (3, 5))
    assert exact_run(wrong, seed=0).different == ["x"]


def test_a_relu_at_zero_is_no_mistake() -> None:
    # x - x is zero at every point: its derivative through a ReLU is a convention.
    run = exact_run(
        one(
            lambda x: np.maximum(x - x, 0) * x,
            lambda g, x: (g * x,),
            lambda x: jax.nn.relu(x - lax.stop_gradient(x)) * x,
            (3, 4),
        ),
        seed=0,
    )
    assert not run.different


# ---------------------------------------------------------------------- what is not differentiated


def with_target(target: Array, factor: float = 1.0) -> Operation:
    return from_functions(
        lambda p, t: np.mean((p - t) ** 2),
        lambda grad_output, p, t: {"p": factor * grad_output * 2 * (p - t) / p.size},
        {"p": np.ones(target.shape), "t": target},
        lambda p, t: jnp.mean((p - t) ** 2),
        wrt=("p",),
    )


def test_a_target_is_kept_and_one_with_too_many_digits_leaves_no_exact_point() -> None:
    """What is not differentiated is the caller's: code that knows one target only is never asked about another."""
    rng = np.random.default_rng(0)
    dyadic = rng.integers(-3, 4, (4, 4)) / 8
    run = exact_run(with_target(dyadic), seed=0)
    assert run.outcomes == {"p": "equal"}
    assert np.array_equal(run.inputs["t"], dyadic)
    assert exact_run(with_target(dyadic, 1 + 1e-9), seed=0).different == ["p"]
    run = exact_run(with_target(rng.normal(size=(3, 5))), seed=0)
    assert not run.applies
    assert run.reason


def test_integer_inputs_stay_as_they_are() -> None:
    rows = np.array([0, 2, 2, 1])

    def backward(grad_output: Array, w: Array, i: Array) -> Arrays:
        found = np.zeros_like(w)
        np.add.at(found, i, grad_output)
        return {"w": found}

    operation = from_functions(lambda w, i: w[i], backward, {"w": np.ones((4, 3)), "i": rows}, lambda w, i: w[i])
    run = exact_run(operation, seed=0)
    assert run.outcomes == {"w": "equal"}
    assert run.inputs["i"] is not rows
    assert np.array_equal(run.inputs["i"], rows)


def test_code_that_refuses_the_point_is_left_alone() -> None:
    def forward(x: Array) -> Array:
        if (np.abs(x) > 1).any():
            raise ValueError("x must lie in [-1, 1]")
        return x

    x = np.random.default_rng(0).uniform(-1, 1, (3, 4))
    run = exact_run(from_functions(forward, lambda g, x: g, {"x": x}, lambda x: x), seed=0)
    assert not run.applies
    assert "x must lie in [-1, 1]" in run.reason


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> ExactRun:
        return exact_run(APPLIES["product"], seed=11)

    first, second = run(), run()
    assert np.array_equal(first.cotangent, second.cotangent)
    assert first.statement == second.statement
