"""The doors as their users meet them: one call each, a true result for what is right, a sentence for bad input."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND

Array = np.ndarray


def forward(x: Array, w: Array) -> Array:
    return np.tanh(x @ w)


def backward(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
    g = grad_output * (1 - np.tanh(x @ w) ** 2)
    return {"x": g @ w.T, "w": x.T @ g}


def reference(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


@pytest.fixture
def inputs() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2))}


@pytest.mark.parametrize("with_reference", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_plain_functions(inputs: dict[str, Array], with_reference: bool, dtype: Any) -> None:
    given = {k: a.astype(dtype) for k, a in inputs.items()}
    before = {k: a.tobytes() for k, a in given.items()}
    result = crosscheck.check(forward, backward, given, reference if with_reference else None)
    assert result
    assert result.verdict == "agree"
    assert {k: a.tobytes() for k, a in given.items()} == before
    assert (HAND, DIFFERENCE) in result.gradients["x"].pairs
    assert (HAND, AUTODIFF) in result.gradients["x"].pairs
    assert result.evidence.source.startswith("given" if with_reference else "recorded")


@pytest.mark.parametrize("with_reference", [True, False])
def test_a_small_mistake_is_caught_with_and_without_a_reference(inputs: dict[str, Array], with_reference: bool) -> None:
    def wrong(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        found = backward(grad_output, x, w)
        found["w"][1, 0] *= 1 + 1e-6
        return found

    result = crosscheck.check(forward, wrong, inputs, reference if with_reference else None)
    assert result.verdict == "disagree"
    assert result.gradients["x"].passed
    gradient = result.gradients["w"]
    assert gradient.worst_index == (1, 0)
    assert gradient.mismatched.sum() == 1
    assert gradient.max_error > gradient.bound
    with pytest.raises(crosscheck.GradientMismatch, match="disagree") as raised:
        result.raise_for_failure()
    assert raised.value.result is result
    assert isinstance(raised.value, AssertionError)


@pytest.mark.parametrize("slip", [1.0, 0.5])
def test_a_pair_with_saved_values(inputs: dict[str, Array], slip: float) -> None:
    def run(x: Array, w: Array, *, scale: float) -> tuple[Array, Any]:
        return scale * x @ w, (x, w, scale)

    def back(grad_output: Array, saved: Any) -> tuple[Array, Array]:
        x, w, scale = saved
        return scale * grad_output @ w.T, slip * scale * x.T @ grad_output

    pair = SimpleNamespace(forward=run, backward=back)
    result = crosscheck.check_operation(
        pair, inputs, lambda x, w, scale: scale * (x @ w), hyperparameters={"scale": 3.0}
    )
    assert list(result.gradients) == ["x", "w"]
    assert result.gradients["x"]
    assert bool(result) == (slip == 1.0)


class ForeignLayer:
    """Somebody's dense layer: flat vectors, nothing of ours."""

    def __init__(self, weights: Array, slip: float = 1.0) -> None:
        self.weights, self.slip = weights, slip

    @property
    def parameters(self) -> Array:
        return self.weights.ravel()

    @parameters.setter
    def parameters(self, vector: Array) -> None:
        self.weights = vector.reshape(self.weights.shape)

    @property
    def gradients(self) -> Array:
        return self.grad_weights.ravel()

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weights

    def backward(self, grad_output: Array) -> Array:
        self.grad_weights = self.slip * self.x.T @ grad_output
        return grad_output @ self.weights.T


@pytest.mark.parametrize("slip", [1.0, 0.5])
def test_a_foreign_layer(slip: float) -> None:
    rng = np.random.default_rng(0)
    layer = ForeignLayer(rng.normal(size=(3, 2)), slip)
    before = layer.weights.copy()
    x = rng.normal(size=(4, 3))
    for twin in (None, lambda x, parameters: x @ parameters.reshape(3, 2)):
        result = crosscheck.check_layer(layer, x, twin)
        assert bool(result) == (slip == 1.0)
        assert result.gradients["x"]
        assert (layer.weights == before).all()


def test_the_seed_draws_the_cotangent_and_a_given_one_is_taken(inputs: dict[str, Array]) -> None:
    def drawn(**more: Any) -> Array:
        return crosscheck.check(forward, backward, inputs, **more).evidence.cotangent

    assert (drawn(seed=3) == drawn(seed=3)).all()
    assert (drawn(seed=3) != drawn(seed=4)).any()
    given = np.arange(8.0).reshape(4, 2)
    assert (drawn(grad_output=given) == given).all()


def test_only_what_is_asked_for_is_differentiated(inputs: dict[str, Array]) -> None:
    assert list(crosscheck.check(forward, backward, inputs, reference, wrt=("w",)).gradients) == ["w"]


# ---------------------------------------------------------------------- bad input

# arguments that replace the good ones -> the exception, and what it names: the argument, its value, the rule
BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "forward returns no floats": ({"forward": lambda x, w: (3, "y")}, TypeError, "forward.*tuple.*array of floats"),
    "forward returns nothing": ({"forward": lambda x, w: None}, TypeError, "forward.*None.*one array"),
    "a gradient is missing": ({"backward": lambda grad_output, x, w: {"x": x}}, ValueError, "no gradient for w"),
    "gradients without names": (
        {"backward": lambda grad_output, x, w: (x, w, x)},
        TypeError,
        "tuple.*dictionary.*x, w",
    ),
    "an input is not finite": (
        {"inputs": {"x": np.array([[1.0, np.nan]]), "w": np.ones((2, 3))}},
        ValueError,
        r"x is nan at \(0, 1\)",
    ),
    "no inputs": ({"inputs": {}}, TypeError, "inputs.*non-empty dictionary"),
    "another reference": (
        {"reference": lambda x, w: jnp.tanh(x @ w).T},
        ValueError,
        r"reference.*\(2, 4\).*\(4, 2\)",
    ),
    "a reference with other names": ({"reference": lambda a, b: a}, TypeError, "takes a, b.*x=, w="),
    "wrt is unknown": ({"wrt": ("v",)}, ValueError, "wrt names 'v'.*x, w"),
    "grad_output of another shape": ({"grad_output": np.ones(3)}, ValueError, r"grad_output.*\(3,\).*\(4, 2\)"),
    "grad_output is not finite": ({"grad_output": np.full((4, 2), np.inf)}, ValueError, "grad_output.*finite"),
    "grad_output is complex": ({"grad_output": np.ones((4, 2), complex)}, ValueError, "grad_output.*real"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(name: str, inputs: dict[str, Array]) -> None:
    changed, exception, words = BAD[name]
    given: dict[str, Any] = {"forward": forward, "backward": backward, "inputs": inputs, "reference": None}
    check: Callable[..., Any] = crosscheck.check
    with pytest.raises(exception, match=words):
        check(**{**given, **changed})


def test_half_a_layer_is_refused() -> None:
    half = type("Half", (), {"forward": lambda self, x: x})
    with pytest.raises(TypeError, match=r"Half.*backward method"):
        crosscheck.check_layer(half(), np.ones((2, 2)))


def test_the_users_own_exception_keeps_its_traceback(inputs: dict[str, Array]) -> None:
    class Mine(RuntimeError):
        pass

    def raises(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        raise Mine("in my own words")

    with pytest.raises(Mine, match="in my own words") as raised:
        crosscheck.check(forward, raises, inputs)
    assert raised.traceback[-1].name == "raises"
