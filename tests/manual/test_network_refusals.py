"""What a network refuses, and how an error inside it names the layer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    SigmoidActivation,
)
from tests.manual.layers import conv
from tests.refusals import refused

ones = np.ones


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "no layers": (lambda: LayeredNeuralNetwork([]), ValueError, ("layers", "empty", "at least one layer")),
    "no layer": (
        lambda: LayeredNeuralNetwork([ReLUActivation(), np.tanh]),  # type: ignore[list-item]
        TypeError,
        ("layers[1]", "<ufunc 'tanh'>", "not a Layer"),
    ),
    "class of a layer": (
        lambda: LayeredNeuralNetwork([ReLUActivation]),  # type: ignore[list-item]
        TypeError,
        ("layers[0]", "ReLUActivation", "not a Layer (an instance of one)"),
    ),
    "mixed dtypes": (
        lambda: LayeredNeuralNetwork([conv(), ReLUActivation(dtype=np.float32)]),
        TypeError,
        ("layer 0 (ConvolutionalLayer) in float64", "layer 1 (ReLUActivation) in float32", "one dtype"),
    ),
    "backward of a network first": (
        lambda: LayeredNeuralNetwork([ReLUActivation()]).backward(ones(1)),
        RuntimeError,
        ("backward of LayeredNeuralNetwork", "before forward"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)


def test_the_same_layer_twice_is_refused_wherever_it_stands() -> None:
    relu = ReLUActivation()
    with pytest.raises(ValueError, match="layers 0 and 2 are the same ReLUActivation"):
        LayeredNeuralNetwork([relu, ReLUActivation(), relu])
    deep = LayeredNeuralNetwork([SigmoidActivation(), LayeredNeuralNetwork([relu])])
    with pytest.raises(ValueError, match=r"layers 0 and 1\.1\.0 are the same ReLUActivation"):
        LayeredNeuralNetwork([relu, deep])
    inner = LayeredNeuralNetwork([LinearLayer(2, 2)])
    with pytest.raises(ValueError, match="layers 0 and 1 are the same LayeredNeuralNetwork"):
        LayeredNeuralNetwork([inner, inner])
    LayeredNeuralNetwork([ReLUActivation(), relu, LayeredNeuralNetwork([ReLUActivation()])])


def test_two_layers_may_share_an_activation() -> None:
    relu = ReLUActivation()
    LayeredNeuralNetwork([LinearLayer(2, 2), FullyConnectedLayer(2, 2, relu), FullyConnectedLayer(2, 2, relu), relu])


def network() -> LayeredNeuralNetwork:
    return LayeredNeuralNetwork(
        [
            conv(activation=ReLUActivation),
            LayeredNeuralNetwork([MaxPoolingLayer(2), FlattenLayer()]),
            LinearLayer(12, 2),
        ]
    )


def test_an_error_inside_names_the_layer() -> None:
    net = network()
    with pytest.raises(ValueError, match=r"^layer 0 \(ConvolutionalLayer\): x has 1 channels"):
        net.forward(ones((1, 1, 6, 6)))
    with pytest.raises(TypeError, match=r"^layer 0 \(ConvolutionalLayer\): x has dtype float32"):
        net.forward(ones((1, 2, 6, 6), np.float32))
    with pytest.raises(ValueError, match=r"^layer 1 \(LayeredNeuralNetwork\): layer 0 \(MaxPoolingLayer\): pool_size"):
        net.forward(ones((1, 2, 3, 3)))
    with pytest.raises(ValueError, match=r"^layer 2 \(LinearLayer\): x has 27 features"):
        net.forward(ones((1, 2, 8, 8)))
    with pytest.raises(ValueError, match=r"^layer 2 \(LinearLayer\): x has 27 features"):
        net.predict(ones((1, 2, 8, 8)))
    net.forward(ones((1, 2, 6, 6)))
    with pytest.raises(ValueError, match=r"^layer 2 \(LinearLayer\): grad_output has shape \(1, 3\)"):
        net.backward(ones((1, 3)))
    with pytest.raises(TypeError, match=r"^layer 2 \(LinearLayer\): grad_output has dtype float32"):
        net.backward(ones((1, 2), np.float32))


class Broken(ReLUActivation):
    def forward(self, x: np.ndarray) -> np.ndarray:
        raise error_of(x)


def error_of(x: np.ndarray) -> Exception:
    return ArithmeticError("no") if x.ndim else UnicodeDecodeError("ascii", b"", 0, 1, "no")


@pytest.mark.parametrize("x", [ones(1), ones(())])
def test_an_exception_of_another_type_keeps_it_and_notes_the_layer(x: np.ndarray) -> None:
    with pytest.raises(type(error_of(x))) as caught:
        LayeredNeuralNetwork([ReLUActivation(), Broken()]).forward(x)
    assert caught.value.__notes__ == ["layer 1 (Broken)"]


@pytest.mark.parametrize("make", [conv, network])
def test_after_a_failed_forward_backward_refuses_and_forward_works(make: Callable[[], Layer]) -> None:
    layer, x = make(), ones((1, 2, 6, 6))
    y = layer.forward(x)
    grad_x = layer.backward(y)
    gradients = layer.gradients
    with pytest.raises(ValueError, match="x has shape"):
        layer.forward(ones((2, 6, 6)))
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(y)
    np.testing.assert_array_equal(layer.forward(x), y)
    np.testing.assert_array_equal(layer.backward(y), grad_x)
    np.testing.assert_array_equal(layer.gradients, gradients)


def test_a_refused_vector_leaves_the_parameters() -> None:
    net = network()
    before = net.parameters
    with pytest.raises(ValueError, match=f"takes a vector of length {before.size}"):
        net.parameters = np.zeros(before.size + 1)
    np.testing.assert_array_equal(net.parameters, before)
