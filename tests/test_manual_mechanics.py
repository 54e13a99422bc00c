"""What layers and networks do beside the mathematics: parameters, gradients, dtypes, state, copies, names."""

import copy
import pickle
from collections.abc import Callable
from enum import IntEnum
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
    MeanSquaredError,
    ReLUActivation,
    SigmoidActivation,
    SoftmaxCrossEntropy,
    SoftReLUActivation,
    Stage,
    TanhActivation,
)

Array = np.ndarray
Rng = np.random.Generator


def nested(dtype: Any = np.float64) -> LayeredNeuralNetwork:
    """A network with another one inside."""
    head = LayeredNeuralNetwork(
        [MaxPoolingLayer(2, dtype=dtype), FlattenLayer(dtype=dtype), LinearLayer(12, 4, dtype=dtype, rng=2)]
    )
    first = ConvolutionalLayer(2, 3, 3, activation=ReLUActivation, dtype=dtype, rng=1)
    return LayeredNeuralNetwork([first, head, FullyConnectedLayer(4, 2, TanhActivation, dtype=dtype, rng=3)])


IMAGES, ROWS = (2, 2, 6, 6), (3, 4)
LAYERS: dict[str, tuple[Callable[[Any], Layer], tuple[int, ...]]] = {
    "convolution": (lambda d: ConvolutionalLayer(2, 3, (3, 2), (2, 1), 1, dtype=d, rng=0), IMAGES),
    "convolution and ReLU": (lambda d: ConvolutionalLayer(2, 3, 3, 1, 0, ReLUActivation, dtype=d, rng=0), IMAGES),
    "max pooling": (lambda d: MaxPoolingLayer((2, 3), 1, dtype=d), IMAGES),
    "flatten": (lambda d: FlattenLayer(dtype=d), IMAGES),
    "linear": (lambda d: LinearLayer(4, 5, dtype=d, rng=0), ROWS),
    "fully connected": (lambda d: FullyConnectedLayer(4, 5, SigmoidActivation(), dtype=d, rng=0), ROWS),
    "linear activation": (lambda d: LinearActivation(dtype=d), ROWS),
    "relu": (lambda d: ReLUActivation(dtype=d), ROWS),
    "sigmoid": (lambda d: SigmoidActivation(dtype=d), ROWS),
    "tanh": (lambda d: TanhActivation(dtype=d), ROWS),
    "soft relu": (lambda d: SoftReLUActivation(dtype=d), ROWS),
    "network": (nested, IMAGES),
}
every_layer = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS.keys())


def backed(layer: Layer, shape: tuple[int, ...], rng: Rng) -> tuple[Array, Array, Array, Array]:
    """x, y, G and ∂L/∂x of one pass forward and back."""
    x = rng.normal(size=shape).astype(layer.dtype)
    y = layer.forward(x)
    g = rng.normal(size=y.shape).astype(layer.dtype)
    return x, y, g, layer.backward(g)


# ---------------------------------------------------------------------- parameters and gradients


@every_layer
def test_vectors_are_the_named_arrays_in_order(make: Any, shape: tuple[int, ...], rng: Rng) -> None:
    layer = make(np.float64)
    backed(layer, shape, rng)
    for vector, named in ((layer.parameters, layer.named_parameters()), (layer.gradients, layer.named_gradients())):
        assert vector.shape == (sum(a.size for a in named.values()),)
        np.testing.assert_array_equal(vector, np.concatenate([np.zeros(0), *(a.ravel() for a in named.values())]))
    shapes = {name: a.shape for name, a in layer.named_parameters().items()}
    assert {name: a.shape for name, a in layer.named_gradients().items()} == shapes
    assert list(layer.named_gradients()) == list(layer.named_parameters())


@every_layer
def test_what_is_read_back_cannot_be_written_to(make: Any, shape: tuple[int, ...], rng: Rng) -> None:
    layer = make(np.float64)
    backed(layer, shape, rng)
    for vector in (layer.parameters, layer.gradients):
        if vector.size:
            with pytest.raises(ValueError, match="read-only"):
                vector[0] += 1e-6
    for array in (*layer.named_parameters().values(), *layer.named_gradients().values()):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@every_layer
def test_assigned_parameters_are_copied_and_in_the_layers_dtype(make: Any, shape: tuple[int, ...], rng: Rng) -> None:
    layer = make(np.float32)
    new = rng.integers(-9, 9, layer.parameters.size)
    layer.parameters = new
    kept = new.copy()
    new[...] = 0
    assert layer.parameters.dtype == np.float32
    np.testing.assert_array_equal(layer.parameters, kept)
    layer.parameters = layer.parameters
    np.testing.assert_array_equal(layer.parameters, kept)
    layer.parameters = list(layer.parameters)
    np.testing.assert_array_equal(layer.parameters, kept)


def test_an_assigned_array_is_copied_too() -> None:
    layer, filters = ConvolutionalLayer(1, 1, 2, rng=0), np.ones((1, 1, 2, 2), np.float32)
    layer.filters = filters
    filters[...] = 5
    assert layer.filters.dtype == np.float64
    np.testing.assert_array_equal(layer.filters, np.ones((1, 1, 2, 2)))
    layer.filters[0, 0, 1, 1] = 7  # a student's finite difference
    assert layer.parameters[3] == 7
    layer.filters -= 1
    np.testing.assert_array_equal(layer.filters.ravel(), [0, 0, 0, 6])


def test_gradients_belong_to_the_parameters_of_the_forward_pass(rng: Rng) -> None:
    layer = LinearLayer(2, 3, rng=0)
    weights = layer.weights.copy()
    _, _, g, _ = backed(layer, (4, 2), rng)
    gradients = layer.gradients
    layer.parameters = np.zeros(9)
    np.testing.assert_array_equal(layer.gradients, gradients)
    np.testing.assert_allclose(layer.backward(g), g @ weights.T, rtol=1e-14)


def test_each_backward_replaces_the_gradients_and_old_views_stay(rng: Rng) -> None:
    layer = LinearLayer(2, 3, rng=0)
    _, _, g, _ = backed(layer, (4, 2), rng)
    old = layer.named_gradients()["weights"]
    kept = old.copy()
    layer.backward(2 * g)
    np.testing.assert_array_equal(old, kept)
    np.testing.assert_array_equal(layer.named_gradients()["weights"], 2 * kept)


def test_a_layer_without_parameters_has_empty_vectors() -> None:
    layer = MaxPoolingLayer(2)
    assert layer.parameters.shape == layer.gradients.shape == (0,)
    assert layer.named_parameters() == layer.named_gradients() == {}
    layer.parameters = np.zeros(0, int)


# ---------------------------------------------------------------------- weights


def test_a_seed_gives_the_same_weights_as_its_generator() -> None:
    one, same, other = (ConvolutionalLayer(2, 3, 3, rng=rng) for rng in (5, np.random.default_rng(5), 6))
    np.testing.assert_array_equal(one.filters, same.filters)
    assert not np.array_equal(one.filters, other.filters)
    single = ConvolutionalLayer(2, 3, 3, rng=5, dtype=np.float32)
    np.testing.assert_array_equal(single.filters, one.filters.astype(np.float32))
    assert not np.array_equal(LinearLayer(2, 2).weights, LinearLayer(2, 2).weights)


def test_a_generator_goes_on() -> None:
    rng = np.random.default_rng(0)
    assert not np.array_equal(LinearLayer(2, 2, rng=rng).weights, LinearLayer(2, 2, rng=rng).weights)


@pytest.mark.parametrize(
    ("weights", "biases", "fan_in"),
    [
        (ConvolutionalLayer(8, 64, (5, 3), rng=0).filters, ConvolutionalLayer(8, 64, (5, 3), rng=0).biases, 120),
        (LinearLayer(50, 400, rng=0).weights, LinearLayer(50, 400, rng=0).biases, 50),
    ],
)
def test_weights_have_the_scale_of_he_and_biases_are_zero(weights: Array, biases: Array, fan_in: int) -> None:
    wanted = 2 / fan_in
    assert abs(np.mean(weights**2) - wanted) < 6 * wanted * np.sqrt(2 / weights.size)  # six standard deviations
    assert abs(np.mean(weights)) < 6 * np.sqrt(wanted / weights.size)
    assert not biases.any()


# ---------------------------------------------------------------------- dtype


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_has_the_layers_dtype(make: Any, shape: tuple[int, ...], dtype: Any, rng: Rng) -> None:
    for layer in (make(dtype), make(np.float64).astype(dtype), make(np.float32).astype(dtype)):
        _, y, _, grad_x = backed(layer, shape, rng)
        arrays = (y, grad_x, layer.parameters, layer.gradients, layer.predict(np.zeros(shape, dtype)))
        assert {a.dtype for a in (*arrays, *layer.named_gradients().values())} == {layer.dtype} == {np.dtype(dtype)}


@every_layer
def test_astype_gives_a_copy_of_its_own(make: Any, shape: tuple[int, ...], rng: Rng) -> None:
    layer = make(np.float64)
    x, y, g, grad_x = backed(layer, shape, rng)
    before, gradients = layer.parameters, layer.gradients
    for dtype in (np.float32, np.float64):
        other = layer.astype(dtype)
        assert type(other) is type(layer)
        with pytest.raises(RuntimeError, match="before forward"):
            other.backward(g.astype(dtype))
        other.forward(x.astype(dtype))
        other.backward(g.astype(dtype))
        other.parameters = np.zeros(before.size)
        for array in other.named_parameters().values():
            assert not array.any()
    np.testing.assert_array_equal(layer.parameters, before)
    np.testing.assert_array_equal(layer.gradients, gradients)
    np.testing.assert_array_equal(layer.forward(x), y)
    np.testing.assert_array_equal(layer.backward(g), grad_x)


@pytest.mark.parametrize("activation", [ReLUActivation, ReLUActivation(), ReLUActivation(dtype=np.float32)])
def test_an_activation_computes_in_the_dtype_of_its_layer(activation: Any) -> None:
    layer = FullyConnectedLayer(2, 2, activation, dtype=np.float32, rng=0)
    for made in (layer, layer.astype(np.float64)):
        assert made.activation is not None
        assert made.activation.dtype == made.dtype
        assert made.forward(np.ones((1, 2), made.dtype)).dtype == made.dtype


# ---------------------------------------------------------------------- state


@every_layer
def test_arguments_stay_and_results_belong_to_the_caller(make: Any, shape: tuple[int, ...], rng: Rng) -> None:
    layer = make(np.float64)
    x = rng.normal(size=shape)
    bits = x.tobytes()
    y = layer.forward(x)
    g = rng.normal(size=y.shape)
    bits_of_g = g.tobytes()
    first = layer.backward(g)
    assert (x.tobytes(), g.tobytes()) == (bits, bits_of_g)
    if isinstance(layer, FlattenLayer):
        return
    assert not any(np.shares_memory(a, b) for a in (y, first) for b in (x, g))
    y[...] = first[...] = 0  # what the caller does to a result does not reach what was kept
    again = layer.backward(g)
    assert again.any()
    np.testing.assert_array_equal(layer.forward(x), layer.predict(x))
    np.testing.assert_array_equal(layer.backward(g), again)


@every_layer
def test_predict_gives_the_output_and_leaves_everything(make: Any, shape: tuple[int, ...], rng: Rng) -> None:
    layer = make(np.float64)
    x, y, g, grad_x = backed(layer, shape, rng)
    gradients = layer.gradients
    np.testing.assert_array_equal(layer.predict(x), y)
    layer.predict(rng.normal(size=(1, *shape[1:])))
    np.testing.assert_array_equal(layer.gradients, gradients)
    np.testing.assert_array_equal(layer.backward(g), grad_x)
    fresh = make(np.float64)
    fresh.predict(x)
    with pytest.raises(RuntimeError, match="before forward"):
        fresh.backward(g)


@every_layer
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_layers_can_be_copied_and_pickled(make: Any, shape: tuple[int, ...], duplicate: Any, rng: Rng) -> None:
    layer = make(np.float32)
    x, y, g, grad_x = backed(layer, shape, rng)
    other = duplicate(layer)
    np.testing.assert_array_equal(other.parameters, layer.parameters)
    np.testing.assert_array_equal(other.gradients, layer.gradients)
    np.testing.assert_array_equal(other.backward(g), grad_x)
    other.parameters = np.zeros(layer.parameters.size)
    np.testing.assert_array_equal(layer.forward(x), y)


def test_hyper_parameters_changed_after_forward_do_not_reach_backward(rng: Rng) -> None:
    layer = FullyConnectedLayer(4, 5, ReLUActivation, rng=0)
    _, _, g, grad_x = backed(layer, ROWS, rng)
    layer.activation = None
    np.testing.assert_array_equal(layer.backward(g), grad_x)


# ---------------------------------------------------------------------- sizes


class Side(IntEnum):
    THREE = 3


@pytest.mark.parametrize("size", [3, np.int64(3), np.uint8(3), Side.THREE, (3, 3), [3, np.int8(3)]], ids=repr)
def test_any_integer_is_a_size_and_becomes_a_pair_of_ints(size: Any) -> None:
    layer = ConvolutionalLayer(1, 1, size, size, size)
    pool = MaxPoolingLayer(size)
    for pair in (layer.kernel_size, layer.stride, pool.pool_size, pool.stride):
        assert pair == (3, 3)
        assert [type(n) for n in pair] == [int, int]


def test_a_pooling_stride_is_the_pool_size_unless_given() -> None:
    assert MaxPoolingLayer((2, 3)).stride == (2, 3)
    assert MaxPoolingLayer((2, 3), 1).stride == (1, 1)


# ---------------------------------------------------------------------- networks


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
    assert stages[2] == Stage("max_pooling", (), {"pool_size": (2, 2), "stride": (2, 2)})


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


# ---------------------------------------------------------------------- layers of one's own


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


def test_a_layer_that_says_nothing_of_itself() -> None:
    with pytest.raises(NotImplementedError, match="Layer does not say what operations it is made of"):
        Layer().forward(np.ones(1))


# ---------------------------------------------------------------------- losses


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype_of_the_prediction(dtype: Any) -> None:
    prediction, targets = np.arange(6, dtype=dtype).reshape(2, 3), np.ones((2, 3))
    for loss, target in ((MeanSquaredError(), targets), (SoftmaxCrossEntropy(), np.array([0, 2]))):
        assert loss.forward(prediction, target).dtype == dtype
        assert np.shape(loss.forward(prediction, target)) == ()
        gradient = loss.gradient(prediction, target)
        assert gradient.dtype == dtype
        assert gradient.shape == (2, 3)


def test_losses_take_lists_as_targets() -> None:
    assert MeanSquaredError().forward(np.array([[1.0, 2.0]]), [[0, 0]]) == 2.5  # type: ignore[arg-type]
    assert SoftmaxCrossEntropy().forward(np.zeros((1, 1)), [0]) == 0  # type: ignore[arg-type]
