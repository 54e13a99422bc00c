"""Networks: layers one after another, networks in networks, equal layers side by side."""

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
    LinearActivation,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    SigmoidActivation,
    SoftReLUActivation,
    Stage,
    TanhActivation,
)
from tests.manual.layers import IMAGES, ROWS, backed, nested

Array = np.ndarray
Rng = np.random.Generator


def layers() -> list[Layer]:
    return [
        ConvolutionalLayer(2, 3, (3, 2), padding=1, activation=ReLUActivation, rng=0),
        MaxPoolingLayer(2),
        FlattenLayer(),
        FullyConnectedLayer(12, 4, TanhActivation, rng=1),
        SigmoidActivation(),
        LinearLayer(4, 3, rng=2),
    ]


def deeply_nested() -> LayeredNeuralNetwork:
    """The same layers, three networks deep."""
    convolutional, pool, flatten, dense, sigmoid, linear = layers()
    inner = LayeredNeuralNetwork([dense, sigmoid])
    return LayeredNeuralNetwork([convolutional, pool, LayeredNeuralNetwork([flatten, inner, linear])])


def test_nesting_changes_nothing_but_the_names(rng: Rng) -> None:
    flat, deep = LayeredNeuralNetwork(layers()), deeply_nested()
    x, g = rng.normal(size=(2, 2, 5, 4)), rng.normal(size=(2, 3))
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
    network = deeply_nested()
    y = network.forward(np.zeros((0, 2, 5, 4)))
    assert y.shape == (0, 3)
    assert network.backward(y).shape == (0, 2, 5, 4)
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


def test_names_of_a_nested_network() -> None:
    names = ["0.filters", "0.biases", "1.2.weights", "1.2.biases", "2.weights", "2.biases"]
    assert list(nested().named_parameters()) == names


def test_stages_of_a_nested_network() -> None:
    stages = nested().stages()
    assert [stage.operation for stage in stages] == [
        "convolution", "relu", "max_pooling", "flatten", "linear", "linear", "tanh",
    ]  # fmt: skip
    assert [stage.parameters for stage in stages if stage.parameters] == [
        ("0.filters", "0.biases"),
        ("1.2.weights", "1.2.biases"),
        ("2.weights", "2.biases"),
    ]
    pooling = Stage("max_pooling", (), {"pool_size": (2, 2), "stride": (2, 2)}, reads=("0",), writes="1.0")
    assert stages[2] == pooling


def test_assigning_to_a_network_reaches_its_layers() -> None:
    network = nested()
    network.parameters = np.arange(network.parameters.size)
    values = iter(range(network.parameters.size))
    for array in network.named_parameters().values():
        np.testing.assert_array_equal(array.ravel(), [next(values) for _ in range(array.size)])
    first = network.layers[0]
    assert isinstance(first, ConvolutionalLayer)
    np.testing.assert_array_equal(first.parameters, np.arange(57))


def test_a_network_is_its_layers_one_after_another(rng: Rng) -> None:
    network, alone = nested(), nested()
    x, y, g, grad_x = backed(network, IMAGES, rng)
    for layer in alone.layers:
        x = layer.forward(x)
    np.testing.assert_array_equal(x, y)
    for layer in reversed(alone.layers):
        g = layer.backward(g)
    np.testing.assert_array_equal(g, grad_x)
    np.testing.assert_array_equal(np.concatenate([layer.gradients for layer in alone.layers]), network.gradients)


def test_a_network_takes_any_iterable_and_keeps_its_layers() -> None:
    layers = [ReLUActivation(), LinearLayer(2, 2)]
    network = LayeredNeuralNetwork(iter(layers))
    layers.clear()
    assert [type(layer) for layer in network.layers] == [ReLUActivation, LinearLayer]


class Scale(Layer):
    """y = scale · x, with a forward and backward of its own."""

    parameter_names = ("scale",)
    scale: Array

    def __init__(self, channels: int, **options: Any) -> None:
        super().__init__(**options)
        self.scale = np.full(channels, 2)
        self.inner = LinearActivation(**options)

    def forward(self, x: Array) -> Array:
        self.x = self.inner.forward(x)
        return self.x * self.scale

    def backward(self, grad_output: Array) -> Array:
        self.keep_gradients(scale=np.sum(grad_output * self.x, axis=0))
        return self.inner.backward(grad_output * self.scale)


class Residual(LayeredNeuralNetwork):
    """y = x + f(x), where f is the network."""

    def forward(self, x: Array) -> Array:
        return x + super().forward(x)

    def backward(self, grad_output: Array) -> Array:
        return grad_output + super().backward(grad_output)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_of_ones_own_works_alone_and_in_a_network(dtype: Any, rng: Rng) -> None:
    network = LayeredNeuralNetwork([Residual([LinearLayer(4, 4, rng=0), Scale(4)]), Scale(4)]).astype(dtype)
    assert isinstance(network.layers[0], Residual)
    x, y, g, grad_x = backed(network, ROWS, rng)
    names = ["0.0.weights", "0.0.biases", "0.1.scale", "1.scale"]
    assert list(network.named_gradients()) == names
    assert network.gradients.dtype == grad_x.dtype == y.dtype == dtype
    weights = network.named_parameters()["0.0.weights"]
    np.testing.assert_allclose(y, 2 * (x + 2 * (x @ weights)), rtol=1e-5)
    np.testing.assert_allclose(grad_x, 2 * g + 2 * (2 * g @ weights.T), rtol=1e-5, atol=1e-5)
    gradients = network.gradients
    np.testing.assert_array_equal(network.predict(x), y)
    network.predict(rng.normal(size=(1, 4)).astype(dtype))
    np.testing.assert_array_equal(network.backward(g), grad_x)
    np.testing.assert_array_equal(network.gradients, gradients)
