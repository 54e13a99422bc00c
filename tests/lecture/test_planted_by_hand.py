"""The judge on planted mistakes: each one, in every gradient it fits, must be caught and blamed on the hand-derived
side."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crosscheck.doors.layers import from_layer
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND
from crosscheck.judge import judge
from crosscheck.lecture.losses import from_loss, with_loss
from crosscheck.operation import Arrays, Operation
from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanSquaredError,
    ReLUActivation,
    SoftmaxCrossEntropy,
    TanhActivation,
    convolution,
    max_pooling,
    relu,
)

pytestmark = pytest.mark.proof

Array = np.ndarray


def convolution_operation(rng: np.random.Generator) -> Operation:
    layer = ConvolutionalLayer(2, 3, (3, 2), stride=(1, 2), padding=1, rng=rng)
    layer.biases = rng.normal(size=3)
    return from_layer(layer, rng.normal(size=(2, 2, 5, 6)))


def network_operation(rng: np.random.Generator) -> Operation:
    network = LayeredNeuralNetwork(
        [
            ConvolutionalLayer(1, 2, 3, activation=ReLUActivation(), rng=rng),
            MaxPoolingLayer(2, 1),
            FlattenLayer(),
            FullyConnectedLayer(12, 5, TanhActivation(), rng=rng),
            LinearLayer(5, 3, rng=rng),
        ]
    )
    network.parameters = network.parameters + rng.normal(size=network.parameters.size) / 10
    return with_loss(from_layer(network, rng.normal(size=(4, 1, 5, 6))), SoftmaxCrossEntropy(), rng.integers(0, 3, 4))


OPERATIONS: dict[str, Callable[[np.random.Generator], Operation]] = {
    "convolution": convolution_operation,
    "max_pooling": lambda rng: from_layer(MaxPoolingLayer((2, 3), 1), rng.normal(size=(2, 3, 4, 5))),
    "flatten": lambda rng: from_layer(FlattenLayer(), rng.normal(size=(2, 3, 4))),
    "linear": lambda rng: from_layer(LinearLayer(4, 3, rng=rng), rng.normal(size=(5, 4))),
    "relu": lambda rng: from_layer(ReLUActivation(), rng.normal(size=(3, 5))),
    "tanh": lambda rng: from_layer(TanhActivation(), rng.normal(size=(3, 5))),
    "mean_squared_error": lambda rng: from_loss(MeanSquaredError(), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))),
    "softmax_cross_entropy": lambda rng: from_loss(
        SoftmaxCrossEntropy(), rng.normal(size=(5, 4)), rng.integers(0, 4, 5)
    ),
    "network": network_operation,
}


def one_entry(gradient: Array) -> Array:
    wrong = gradient.copy()
    at = np.argmax(np.abs(wrong))  # an entry that matters: where the gradient is 0 there is nothing to plant
    wrong.flat[at] *= 1 + 1e-6
    return wrong


RESULT_MISTAKES: dict[str, Callable[[Array], Array]] = {
    "sign": lambda gradient: -gradient,
    "factor 1 + 1e-9": lambda gradient: gradient * (1 + 1e-9),
    "one entry": one_entry,
}

NAMES = {
    "convolution": ("x", "filters", "biases"),
    "linear": ("x", "weights", "biases"),
    "mean_squared_error": ("prediction",),
    "softmax_cross_entropy": ("prediction",),
    "network": ("x", "0.filters", "0.biases", "3.weights", "3.biases", "4.weights", "4.biases"),
}
PLACES = [(operation, name) for operation in OPERATIONS for name in NAMES.get(operation, ("x",))]


def planted(operation: Operation, name: str, mistake: Callable[[Array], Array]) -> Operation:
    """The operation with a mistake in the gradient of one input."""

    def backward(grad_output: Array, inputs: Arrays) -> Arrays:
        gradients = dict(operation.backward(grad_output, inputs))
        gradients[name] = mistake(np.array(gradients[name]))
        return gradients

    return replace(operation, backward=backward)


@pytest.mark.parametrize("place", PLACES, ids="-".join)
@pytest.mark.parametrize("mistake", list(RESULT_MISTAKES))
def test_a_mistake_in_one_gradient_is_caught_there(
    place: tuple[str, str], mistake: str, rng: np.random.Generator
) -> None:
    operation, name = OPERATIONS[place[0]](rng), place[1]
    assert judge(operation, differences=False), "healthy"
    result = judge(planted(operation, name, RESULT_MISTAKES[mistake]), differences=False)
    assert result.verdict == "disagree"
    assert {k for k, g in result.gradients.items() if not g} == {name}
    if mistake == "one entry":
        assert result.gradients[name].mismatched.sum() == 1
        assert result.gradients[name].mismatched[result.gradients[name].worst_index]


@pytest.mark.parametrize("place", [p for p in PLACES if p[0] != "network"], ids="-".join)
def test_finite_differences_alone_catch_a_sign(place: tuple[str, str], rng: np.random.Generator) -> None:
    operation, name = replace(OPERATIONS[place[0]](rng), reference=None), place[1]
    assert judge(operation), "healthy"
    result = judge(planted(operation, name, RESULT_MISTAKES["sign"]))
    assert result.verdict == "disagree"
    assert not result.gradients[name]


def test_the_odd_one_out_is_named(rng: np.random.Generator) -> None:
    operation = convolution_operation(rng)
    wrong_hand = judge(planted(operation, "filters", lambda g: 2 * g))
    assert wrong_hand.gradients["filters"].odd_one_out == HAND
    assert wrong_hand.gradients["filters"].pairs[AUTODIFF, DIFFERENCE].agree.all()
    assert wrong_hand.gradients["x"]


# ---------------------------------------------------------------------- mistakes of derivation


def convolution_mistake(wrong: Callable[..., Arrays]) -> Callable[[Array, Arrays], Arrays]:
    def backward(grad_output: Array, inputs: Arrays) -> Arrays:
        hyper: dict[str, Any] = {"stride": (1, 1), "padding": (0, 0)}
        _, saved = convolution.forward(inputs["x"], inputs["filters"], inputs["biases"], **hyper)
        grads = dict(zip(("x", "filters", "biases"), convolution.backward(grad_output, saved), strict=True))
        return {**grads, **wrong(grad_output, inputs)}

    return backward


def unflipped(grad_output: Array, inputs: Arrays) -> dict[str, Array]:
    """∂L/∂X with the kernel the wrong way round."""
    turned = inputs["filters"][:, :, ::-1, ::-1].copy()
    _, saved = convolution.forward(inputs["x"], turned, inputs["biases"], stride=(1, 1), padding=(0, 0))
    return {"x": convolution.backward(grad_output, saved)[0]}


def flipped_filters(grad_output: Array, inputs: Arrays) -> dict[str, Array]:
    _, saved = convolution.forward(inputs["x"], inputs["filters"], inputs["biases"], stride=(1, 1), padding=(0, 0))
    return {"filters": convolution.backward(grad_output, saved)[1][:, :, ::-1, ::-1]}


@pytest.mark.parametrize(("mistake", "name"), [(unflipped, "x"), (flipped_filters, "filters")])
def test_a_flipped_kernel_is_caught(mistake: Callable[..., Arrays], name: str, rng: np.random.Generator) -> None:
    healthy = from_layer(ConvolutionalLayer(2, 3, 3, rng=rng), rng.normal(size=(2, 2, 5, 6)))
    result = judge(replace(healthy, backward=convolution_mistake(mistake)))
    assert {k for k, g in result.gradients.items() if not g} == {name}
    assert result.gradients[name].odd_one_out == HAND


@pytest.mark.parametrize("name", ["x", "filters", "biases"])
def test_a_missing_relu_mask_is_caught(name: str, rng: np.random.Generator) -> None:
    layer = ConvolutionalLayer(2, 3, 3, activation=ReLUActivation(), rng=rng)
    healthy = from_layer(layer, rng.normal(size=(2, 2, 5, 6)))

    def backward(grad_output: Array, inputs: Arrays) -> Arrays:
        z, saved = convolution.forward(inputs["x"], inputs["filters"], inputs["biases"], stride=(1, 1), padding=(0, 0))
        masked = relu.backward(grad_output, relu.forward(z)[1])[0]
        names = ["x", "filters", "biases"]
        right = dict(zip(names, convolution.backward(masked, saved), strict=True))
        wrong = dict(zip(names, convolution.backward(grad_output, saved), strict=True))
        return {**right, name: wrong[name]}

    result = judge(replace(healthy, backward=backward))
    assert {k for k, g in result.gradients.items() if not g} == {name}


def test_overlapping_windows_overwritten_are_caught(rng: np.random.Generator) -> None:
    healthy = from_layer(MaxPoolingLayer(3, 1), rng.normal(size=(2, 3, 6, 5)))

    def backward(grad_output: Array, inputs: Arrays) -> Arrays:
        x = inputs["x"]
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        winner = windows.reshape(*grad_output.shape, 9).argmax(-1)
        b, c, h, w = np.indices(grad_output.shape)
        grad_x = np.zeros_like(x)
        grad_x[b, c, h + winner // 3, w + winner % 3] = grad_output  # = where += belongs
        return {"x": grad_x}

    result = judge(replace(healthy, backward=backward))
    assert result.verdict == "disagree"
    assert result.gradients["x"].odd_one_out == HAND
    right, _ = max_pooling.forward(healthy.inputs["x"], pool_size=(3, 3), stride=(1, 1))
    assert (right == healthy.output()).all()
