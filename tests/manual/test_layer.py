"""What every layer does beside the mathematics: parameters, gradients, dtypes, state, copies."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    convolution,
    relu,
)
from tests.manual.layers import IMAGES, ROWS, backed, every_layer

Array = np.ndarray
Rng = np.random.Generator


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


def test_a_warning_or_not_decides_whether_an_overflow_is_an_error() -> None:
    layer = LinearLayer(1, 1, dtype=np.float32)
    with np.errstate(over="ignore"):
        layer.parameters = np.array([1e300, 0.0])
    np.testing.assert_array_equal(layer.parameters, [np.inf, 0])


def test_a_layer_that_says_nothing_of_itself() -> None:
    with pytest.raises(NotImplementedError, match="Layer does not say what operations it is made of"):
        Layer().forward(np.ones(1))
