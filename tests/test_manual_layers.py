"""Layers together: a layer as a chain of operations, networks in networks, equal layers side by side."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    SigmoidActivation,
    SoftReLUActivation,
    TanhActivation,
    convolution,
    relu,
)

Array = np.ndarray
Rng = np.random.Generator
IMAGES = (2, 2, 5, 4)


def layers() -> list[Layer]:
    return [
        ConvolutionalLayer(2, 3, (3, 2), padding=1, activation=ReLUActivation, rng=0),
        MaxPoolingLayer(2),
        FlattenLayer(),
        FullyConnectedLayer(12, 4, TanhActivation, rng=1),
        SigmoidActivation(),
        LinearLayer(4, 3, rng=2),
    ]


def nested() -> LayeredNeuralNetwork:
    """The same layers, three networks deep."""
    convolutional, pool, flatten, dense, sigmoid, linear = layers()
    inner = LayeredNeuralNetwork([dense, sigmoid])
    return LayeredNeuralNetwork([convolutional, pool, LayeredNeuralNetwork([flatten, inner, linear])])


def test_a_layer_is_its_operations_one_after_another(rng: Rng) -> None:
    layer = ConvolutionalLayer(2, 3, (3, 2), (1, 2), (1, 0), ReLUActivation(), rng=0)
    x = rng.normal(size=IMAGES)
    z, of_convolution = convolution.forward(x, layer.filters, layer.biases, stride=(1, 2), padding=(1, 0))
    y, of_relu = relu.forward(z)
    np.testing.assert_array_equal(layer.forward(x), y)
    g = rng.normal(size=y.shape)
    grad_x, grad_filters, grad_biases = convolution.backward(relu.backward(g, of_relu)[0], of_convolution)
    np.testing.assert_array_equal(layer.backward(g), grad_x)
    np.testing.assert_array_equal(layer.named_gradients()["filters"], grad_filters)
    np.testing.assert_array_equal(layer.named_gradients()["biases"], grad_biases)


def test_nesting_changes_nothing_but_the_names(rng: Rng) -> None:
    flat, deep = LayeredNeuralNetwork(layers()), nested()
    x, g = rng.normal(size=IMAGES), rng.normal(size=(2, 3))
    np.testing.assert_array_equal(flat.parameters, deep.parameters)
    np.testing.assert_array_equal(flat.forward(x), deep.forward(x))
    np.testing.assert_array_equal(flat.backward(g), deep.backward(g))
    np.testing.assert_array_equal(flat.gradients, deep.gradients)
    flat.parameters = deep.parameters = flat.parameters + 1
    np.testing.assert_array_equal(flat.predict(x), deep.predict(x))
    names = ["0.filters", "0.biases", "2.1.0.weights", "2.1.0.biases", "2.2.weights", "2.2.biases"]
    assert list(deep.named_gradients()) == names
    assert [name for stage in deep.stages() for name in stage.parameters] == names


def test_equal_layers_do_not_disturb_each_other(rng: Rng) -> None:
    """Whatever is kept per shape (a plan, a buffer) serves all three, forward before any of them goes back."""
    together = [ConvolutionalLayer(3, 3, 3, padding=1, rng=seed) for seed in range(3)]
    alone = copy.deepcopy(together)
    network = LayeredNeuralNetwork(together)
    x = rng.normal(size=(2, 3, 6, 6))
    g = rng.normal(size=network.forward(x).shape)
    inputs = [x]
    for layer in alone[:-1]:
        inputs.append(layer.predict(inputs[-1]))
    expected = g
    for layer, seen in zip(reversed(alone), reversed(inputs), strict=True):
        layer.forward(seen)
        expected = layer.backward(expected)
    np.testing.assert_array_equal(network.backward(g), expected)
    np.testing.assert_array_equal(network.gradients, np.concatenate([layer.gradients for layer in alone]))


def test_an_activation_may_serve_many_layers(rng: Rng) -> None:
    def three(first: Any, second: Any, third: Layer) -> LayeredNeuralNetwork:
        dense = [FullyConnectedLayer(4, 4, activation, rng=n) for n, activation in enumerate((first, second))]
        return LayeredNeuralNetwork([*dense, third])

    shared = SoftReLUActivation()
    one, many = three(shared, shared, shared), three(SoftReLUActivation, SoftReLUActivation, SoftReLUActivation())
    x, g = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    np.testing.assert_array_equal(one.forward(x), many.forward(x))
    np.testing.assert_array_equal(one.backward(g), many.backward(g))


def test_an_empty_batch_goes_through_a_network() -> None:
    network = nested()
    y = network.forward(np.zeros((0, *IMAGES[1:])))
    assert y.shape == (0, 3)
    assert network.backward(y).shape == (0, *IMAGES[1:])
    assert network.gradients.shape == network.parameters.shape
    assert not network.gradients.any()


ASSIGNMENTS: dict[str, Callable[[LayeredNeuralNetwork, LinearLayer], None]] = {
    "too short": lambda whole, _: setattr(whole, "parameters", np.zeros(5)),
    "two axes": lambda whole, _: setattr(whole, "parameters", np.zeros((3, 3))),
    "complex": lambda whole, _: setattr(whole, "parameters", np.zeros(9, complex)),
    "words": lambda whole, _: setattr(whole, "parameters", ["a"] * 9),
    "an overflow at the end": lambda whole, _: setattr(whole, "parameters", [1.0] * 8 + [1e300]),
    "weights transposed": lambda _, layer: setattr(layer, "weights", np.zeros((3, 2))),
    "weights to be broadcast": lambda _, layer: setattr(layer, "weights", 1.0),
    "complex biases": lambda _, layer: setattr(layer, "biases", np.zeros(3, complex)),
}


@pytest.mark.parametrize("assign", ASSIGNMENTS.values(), ids=ASSIGNMENTS.keys())
def test_a_failing_assignment_leaves_nothing_half_written(assign: Callable[..., None]) -> None:
    """float32 does not hold 1e300, and a warning is an error in this suite: all entries before it stay as they were."""
    layer = LinearLayer(2, 3, dtype=np.float32, rng=0)
    network = LayeredNeuralNetwork([LayeredNeuralNetwork([layer])])
    before = network.parameters
    with pytest.raises((ValueError, TypeError, RuntimeWarning)):
        assign(network, layer)
    np.testing.assert_array_equal(network.parameters, before)


def test_a_warning_or_not_decides_whether_an_overflow_is_an_error() -> None:
    layer = LinearLayer(1, 1, dtype=np.float32)
    with np.errstate(over="ignore"):
        layer.parameters = np.array([1e300, 0.0])
    np.testing.assert_array_equal(layer.parameters, [np.inf, 0])
