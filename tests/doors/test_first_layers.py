"""Layers that keep something back: the gradient of the first input, what forward computes, what arrives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck
from tests.doors.planting import Array, normal

X = normal(5, 4)


class First:
    """The first layer of a network, which nobody asks for the gradient of its input; it makes its step at once."""

    def __init__(self, error: float = 0.0) -> None:
        self.filters, self.bias, self.error = normal(4, 3), normal(3), error

    def forward(self, image: Array) -> Array:
        self.seen = image
        return image @ self.filters + self.bias

    def backprop(self, d_out: Array, learn_rate: float) -> None:
        self.filters -= learn_rate * (1 + self.error) * self.seen.T @ d_out
        self.bias -= learn_rate * d_out.sum(0)


def test_what_a_first_layer_gives_is_judged_and_what_it_does_not_is_named() -> None:
    result = crosscheck.check_layer(First(), X)
    assert not result
    assert result.gradients["filters"].passed
    assert result.gradients["bias"].passed
    said = [finding.explanation for finding in result.findings if finding.fails]
    assert len(said) == 1
    assert "returned no gradient of x and left none" in said[0]
    assert "constants=('x',)" in said[0]


def test_an_input_may_be_said_to_be_a_constant() -> None:
    assert crosscheck.check_layer(First(), X, constants=("x",))
    wrong = crosscheck.check_layer(First(1e-6), X, constants=("x",), diagnose=False)
    assert wrong.gradients["filters"].verdict == "disagree"
    assert "x" not in wrong.gradients


class Square:
    """Of as many inputs as outputs; the gradient of w is left, or returned, with or without that of x."""

    def __init__(self, how: str) -> None:
        self.w, self.how = normal(4, 4), how

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.w

    def backward(self, g: Array) -> Any:
        dx, dw = g @ self.w.T, self.x.T @ g
        if self.how == "left":
            self.dw = dw
            return dx
        return dw if self.how == "alone" else (dx, dw)


@pytest.mark.parametrize("how", ["left", "alone", "both"])
@pytest.mark.parametrize("count", [4, 5])
def test_a_constant_may_be_given_a_gradient_or_not(how: str, count: int) -> None:
    result = crosscheck.check_layer(Square(how), normal(count, 4, seed=1), constants=("x",))
    assert result, result
    assert set(result.gradients) == {"w"}


class Neither(First):
    """Of a layer without parameters that gives no gradient nothing can be judged."""

    def forward(self, image: Array) -> Array:
        return np.tanh(image)

    def backprop(self, d_out: Array, learn_rate: float) -> None:
        pass


def test_where_nothing_is_left_to_judge_that_is_an_error() -> None:
    with pytest.raises(TypeError, match="returned no gradient of x and left none"):
        crosscheck.check_layer(Neither(), X)


class Leaving:
    """forward and backward return nothing: self.output, self.dinputs, self.dweights."""

    def __init__(self, error: float = 0.0) -> None:
        self.weights, self.biases, self.error = normal(4, 3), normal(1, 3), error
        self.output: Any = None

    def forward(self, inputs: Array) -> None:
        self.inputs = inputs
        self.output = np.tanh(inputs @ self.weights + self.biases)

    def backward(self, dvalues: Array) -> None:
        dz = dvalues * (1 - self.output**2)
        self.dweights = self.inputs.T @ dz
        self.dbiases = dz.sum(0, keepdims=True)
        self.dinputs = (1 + self.error) * dz @ self.weights.T


def test_an_output_that_is_left_is_taken() -> None:
    result = crosscheck.check_layer(Leaving(), X)
    assert result, result
    assert set(result.gradients) == {"x", "weights", "biases"}
    assert "its output is what it leaves in output" in " ".join(str(result).split())
    assert crosscheck.check_layer(Leaving(1e-6), X, diagnose=False).gradients["x"].verdict == "disagree"


class Printing(Leaving):
    def forward(self, inputs: Array) -> None:
        self.made = inputs @ self.weights


def test_where_none_is_left_it_says_what_there_must_be() -> None:
    with pytest.raises(TypeError, match=r"forward of Printing returned None; .* or leave its output .* self\.output"):
        crosscheck.check_layer(Printing(), X)


class Squares:
    """A loss whose derivative asks for what forward was given, and for no gradient."""

    def value(self, predicted: Array, wanted: Array) -> Any:
        return ((predicted - wanted) ** 2).mean()

    def derivative(self, predicted: Array, wanted: Array) -> Array:
        return 2 * (predicted - wanted) / predicted.size


class Summed(Squares):
    """... of a sum, where forward has a mean."""

    def derivative(self, predicted: Array, wanted: Array) -> Array:
        return 2 * (predicted - wanted)


class Turned(Squares):
    """... with the other sign."""

    def derivative(self, predicted: Array, wanted: Array) -> Array:
        return 2 * (wanted - predicted) / predicted.size


class Unnamed:
    """Of which no name says what is predicted, and no value."""

    def value(self, a: Array, b: Array) -> Any:
        return ((a - b) ** 2).mean()

    def derivative(self, a: Array, b: Array) -> Array:
        return 2 * (a - b)


def test_a_loss_whose_backward_takes_what_forward_took() -> None:
    methods: dict[str, Any] = {"forward": "value", "backward": "derivative", "loss": True, "constants": ("wanted",)}
    assert crosscheck.check_layer(Squares(), (X, normal(5, 4, seed=1)), **methods)
    wrong = crosscheck.check_layer(Summed(), (X, normal(5, 4, seed=1)), **methods)
    assert wrong.gradients["predicted"].verdict == "disagree"
    del methods["constants"]
    result = crosscheck.check_layer(Squares(), (X, normal(5, 4, seed=1)), **methods)
    assert result.gradients["predicted"].passed
    assert [f.kind for f in result.findings if f.fails] == ["unjudged"]
    assert "constants=('wanted',)" in " ".join(str(result).split())
    for wrong in (Summed, Turned):  # a sign more makes it the gradient of what is wanted
        result = crosscheck.check_layer(wrong(), (X, normal(5, 4, seed=1)), **methods)
        assert result.gradients["predicted"].verdict == "disagree"
        assert set(result.gradients) == {"predicted"}
    with pytest.raises(ValueError, match=r"returned 1 gradient for .* which inputs have none, constants=\(\.\.\.\)"):
        crosscheck.check_layer(Unnamed(), (X, normal(5, 4, seed=1)), **methods)


class TargetFirst:
    """loss(wanted, predicted): the gradient is of the second."""

    def forward(self, wanted: Array, predicted: Array) -> Any:
        return ((predicted - wanted) ** 2).mean()

    def backward(self, wanted: Array, predicted: Array) -> Array:
        return 2 * (predicted - wanted) / predicted.size


def test_a_gradient_of_the_second_of_two_inputs_is_known_by_its_values() -> None:
    result = crosscheck.check_layer(TargetFirst(), (X, normal(5, 4, seed=1)), loss=True)
    assert set(result.gradients) == {"predicted"}
    assert result.gradients["predicted"].passed
    assert not result


class Network:
    """loss(x, t), and gradient(x, t), which returns a dictionary like that of the parameters."""

    def __init__(self, error: float = 0.0) -> None:
        self.params, self.error = {"W1": normal(4, 3), "b1": normal(3), "W2": normal(3, 2)}, error

    def predict(self, x: Array) -> Array:
        self.hidden = np.tanh(x @ self.params["W1"] + self.params["b1"])
        return self.hidden @ self.params["W2"]

    def loss(self, x: Array, t: Array) -> Any:
        return 0.5 * ((self.predict(x) - t) ** 2).sum() / len(x)

    def gradient(self, x: Array, t: Array) -> dict[str, Array]:
        d = (self.predict(x) - t) / len(x)
        dz = d @ self.params["W2"].T * (1 - self.hidden**2)
        return {"W2": self.hidden.T @ d, "W1": x.T @ dz, "b1": (1 + self.error) * dz.sum(0)}


def test_a_network_of_a_loss_and_its_gradients() -> None:
    methods: dict[str, Any] = {"forward": "loss", "backward": "gradient", "loss": True, "constants": ("x", "t")}
    result = crosscheck.check_layer(Network(), (X, normal(5, 2)), **methods)
    assert result, result
    assert set(result.gradients) == {"W1", "b1", "W2"}
    wrong = crosscheck.check_layer(Network(1e-6), (X, normal(5, 2)), diagnose=False, **methods)
    assert wrong.gradients["b1"].verdict == "disagree"
    del methods["constants"]
    assert not crosscheck.check_layer(Network(), (X, normal(5, 2)), diagnose=False, **methods)


class Stopped:
    """A step in backward, of length 0 unless it is told otherwise, and gradients called dldw."""

    def __init__(self) -> None:
        self.w, self.b = normal(4, 3), normal(1, 3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.w + self.b

    def backward(self, grad: Array, learning_rate: float = 0.0, l2: float = 0.0) -> Array:
        before = self.w
        self.dldw, self.dldb = self.x.T @ grad + l2 * self.w, grad.sum(0, keepdims=True)
        self.w, self.b = self.w - learning_rate * self.dldw, self.b - learning_rate * self.dldb
        return grad @ before.T


def test_gradients_of_a_loss_in_small_letters() -> None:
    result = crosscheck.check_layer(Stopped(), X)
    assert result, result
    assert set(result.gradients) == {"x", "w", "b"}


class AtRest:
    """A dense layer at a learning rate of 0, as tests make one; it leaves no gradient."""

    def __init__(self, learning_rate: float = 0.0, error: float = 0.0) -> None:
        self.weights, self.biases, self.learning_rate, self.error = normal(4, 3), normal(3), learning_rate, error

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weights + self.biases

    def backward(self, grad: Array) -> Array:
        return self.made(grad, self.learning_rate)

    def made(self, grad: Array, rate: float) -> Array:
        passed = grad @ self.weights.T
        self.weights = self.weights - rate * (1 + self.error) * self.x.T @ grad
        self.biases = self.biases - rate * grad.sum(0)
        return passed


class AtRestByDefault(AtRest):
    def __init__(self, error: float = 0.0) -> None:
        super().__init__(error=error)
        del self.learning_rate

    def backward(self, grad: Array, lr: float | None = None) -> Array:
        return self.made(grad, lr if lr is not None else 0.0)


@pytest.mark.parametrize("kind", [AtRest, AtRestByDefault])
def test_a_layer_at_a_rate_of_nothing_is_asked_at_another(kind: Any) -> None:
    result = crosscheck.check_layer(kind(), X)
    assert result, result
    assert set(result.gradients) == {"x", "weights", "biases"}
    assert "at which nothing moves: its step was made at another rate" in " ".join(str(result).split())
    wrong = crosscheck.check_layer(kind(error=1e-6), X, diagnose=False)
    assert wrong.gradients["weights"].verdict == "disagree"


class LogSoftmax:
    """bprop(x, dedy)."""

    def __call__(self, x: Array) -> Array:
        self.e = np.exp(x)
        return x - np.log(self.e.sum(1, keepdims=True))

    def bprop(self, x: Array, dedy: Array) -> Array:
        assert x.shape == dedy.shape
        return dedy - self.e / self.e.sum(1, keepdims=True) * dedy.sum(1, keepdims=True)


def test_the_gradient_of_a_loss_by_what_arrives_behind_the_input() -> None:
    assert crosscheck.check_layer(LogSoftmax(), X)
