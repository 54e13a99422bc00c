"""What every layer refuses, and that a refusal leaves it as it was."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    ReLUActivation,
)
from tests.manual.layers import conv
from tests.refusals import refused

ones = np.ones


class Own(ReLUActivation):
    """A forward of one's own, which a layer that only runs stages would not call."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, x, 0.1 * x)


def assign(layer: Layer, name: str, value: Any) -> None:
    setattr(layer, name, value)


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    # dtypes
    "integers as dtype": (lambda: conv(dtype=np.int64), TypeError, ("dtype", "int64", "float32 or float64")),
    "half as dtype": (lambda: ReLUActivation(dtype="f2"), TypeError, ("dtype", "float16", "float32 or float64")),
    "None as dtype": (lambda: conv(dtype=None), TypeError, ("dtype", "None", "float32 or float64")),
    "no dtype": (lambda: conv().astype("fast"), TypeError, ("dtype", "'fast'", "float32 or float64")),
    "x in float32": (
        lambda: conv().forward(ones((1, 2, 3, 3), np.float32)),
        TypeError,
        ("x", "float32", "computes in float64"),
    ),
    "x in float64": (
        lambda: conv(dtype=np.float32).forward(ones((1, 2, 3, 3))),
        TypeError,
        ("x", "float64", "computes in float32"),
    ),
    "x in integers": (lambda: ReLUActivation().forward([1, 2]), TypeError, ("x", "int64", "in float64")),  # type: ignore[arg-type]
    "complex x": (
        lambda: LinearLayer(1, 1).forward(ones((1, 1)) * 1j),
        TypeError,
        ("x", "complex128", "in float64"),
    ),
    "grad_output in float32": (
        lambda: conv(seen=(1, 2, 3, 3)).backward(ones((1, 3, 1, 1), np.float32)),
        TypeError,
        ("grad_output", "float32", "computes in float64"),
    ),
    # the gradient that arrives
    "shape of grad_output": (
        lambda: conv(seen=(1, 2, 3, 3)).backward(ones((1, 3, 2, 1))),
        ValueError,
        ("grad_output", "(1, 3, 2, 1)", "the output", "(1, 3, 1, 1)"),
    ),
    "grad_output that would broadcast": (
        lambda: conv(seen=(1, 2, 3, 3), activation=ReLUActivation).backward(np.float64(1)),  # type: ignore[arg-type]
        ValueError,
        ("grad_output", "()", "the output", "(1, 3, 1, 1)"),
    ),
    # the order of calls
    "backward first": (
        lambda: conv().backward(ones((1, 3, 1, 1))),
        RuntimeError,
        ("backward of ConvolutionalLayer", "before forward"),
    ),
    "gradients first": (
        lambda: conv(seen=(1, 2, 3, 3)).gradients,
        RuntimeError,
        ("gradients of ConvolutionalLayer", "before backward"),
    ),
    "named gradients first": (
        lambda: LinearLayer(1, 1).named_gradients(),
        RuntimeError,
        ("gradients of LinearLayer", "before backward"),
    ),
    # parameters
    "vector too short": (
        lambda: assign(conv(), "parameters", ones(56)),
        ValueError,
        ("parameters", "(56,)", "ConvolutionalLayer", "length 57"),
    ),
    "vector as matrix": (
        lambda: assign(LinearLayer(1, 1), "parameters", ones((2, 1))),
        ValueError,
        ("parameters", "(2, 1)", "a vector"),
    ),
    "vector for nothing": (
        lambda: assign(ReLUActivation(), "parameters", ones(1)),
        ValueError,
        ("parameters", "(1,)", "length 0"),
    ),
    "complex vector": (
        lambda: assign(LinearLayer(1, 1), "parameters", [1j, 1]),
        TypeError,
        ("parameters", "complex128", "real numbers"),
    ),
    "filters of another shape": (
        lambda: assign(conv(), "filters", ones((3, 2, 3, 2))),
        ValueError,
        ("filters", "(3, 2, 3, 2)", "the parameter", "(3, 2, 3, 3)"),
    ),
    "a number for biases": (lambda: assign(conv(), "biases", 0.0), ValueError, ("biases", "()", "(3,)")),
    "bools for biases": (
        lambda: assign(conv(), "biases", ones(3, bool)),
        TypeError,
        ("biases", "bool", "real numbers"),
    ),
    # activations
    "name of an activation": (
        lambda: conv(activation="relu"),
        TypeError,
        ("activation", "'relu'", "an activation layer"),
    ),
    "layer with parameters": (
        lambda: conv(activation=LinearLayer(1, 1)),
        TypeError,
        ("activation", "LinearLayer", "an activation layer"),
    ),
    "class with parameters": (
        lambda: conv(activation=LinearLayer),
        TypeError,
        ("activation", "LinearLayer", "an activation layer"),
    ),
    "forward of one's own": (lambda: conv(activation=Own), TypeError, ("activation", "Own", "of its own")),
    "network": (
        lambda: FullyConnectedLayer(1, 1, LayeredNeuralNetwork([LinearLayer(1, 1)])),
        TypeError,
        ("activation", "LayeredNeuralNetwork", "put it into a network"),
    ),
    # layers of one's own
    "a string of names": (
        lambda: type("Scale", (Layer,), {"parameter_names": "scale"}),
        TypeError,
        ("parameter_names of Scale", "'scale'", "a tuple"),
    ),
    "gradients by other names": (
        lambda: LinearLayer(1, 1).keep_gradients(weights=ones((1, 1))),
        ValueError,
        ("gradients", "['weights']", "LinearLayer", "['biases', 'weights']"),
    ),
    "gradients of other shapes": (
        lambda: LinearLayer(1, 1).keep_gradients(weights=ones((1, 1)), biases=ones(2)),
        ValueError,
        ("gradient of biases", "(2,)", "the parameter", "(1,)"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)


def test_a_refused_gradient_leaves_the_gradients_of_before() -> None:
    layer = conv(seen=(1, 2, 3, 3))
    layer.backward(ones((1, 3, 1, 1)))
    before = layer.gradients
    with pytest.raises(ValueError, match="grad_output"):
        layer.backward(ones((1, 3, 1, 2)))
    np.testing.assert_array_equal(layer.gradients, before)
