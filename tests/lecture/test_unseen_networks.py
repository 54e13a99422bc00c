"""Networks that nobody had in mind: of the public layers, of a layer with passes of its own, and of shared weights.

A dense block hands everything on; a shuffle unit splits channels and mixes them, by layers that a user writes; a block
reads its input through the same filters twice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from crosscheck.doors.layers import from_layer
from crosscheck.judge import judge
from crosscheck.lecture.architectures import classified
from crosscheck.lecture.checked_training import cross_checked_fit
from crosscheck.lecture.figures import feature_maps, gradient_flow_sheet
from crosscheck.lecture.flow import gradient_flow
from manual import (
    SGD,
    AveragePoolingLayer,
    BatchNorm,
    BatchNorm2d,
    Concat,
    ConvolutionalLayer,
    Gate,
    GlobalAveragePooling,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    ReLUActivation,
    SigmoidActivation,
    SoftmaxCrossEntropy,
    Stage,
)
from manual.gauss_newton import gauss_newton_product
from manual.summary import costs

Array = np.ndarray
Rng = np.random.Generator


def convolved(inputs: int, outputs: int, size: int, rng: Rng) -> Layer:
    return ConvolutionalLayer(inputs, outputs, size, padding=size // 2, rng=rng)


def dense(rng: Rng) -> LayeredNeuralNetwork:
    """DenseNet: what a unit makes stands beside all that came before."""

    def unit(channels: int) -> Layer:
        narrow = [BatchNorm2d(channels), ReLUActivation(), convolved(channels, 2, 1, rng)]
        return Concat([LayeredNeuralNetwork([*narrow, convolved(2, 2, 3, rng)])], passed=True)

    return classified([unit(2), unit(4), convolved(6, 3, 1, rng), AveragePoolingLayer(2)], 3, rng)


class Channels(Layer):
    """Some channels of its input, by passes of its own."""

    def __init__(self, begin: int, end: int) -> None:
        super().__init__()
        self.some = slice(begin, end)

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x[:, self.some].copy()

    def backward(self, grad_output: Array) -> Array:
        grad_x = np.zeros(self.shape, grad_output.dtype)
        grad_x[:, self.some] = grad_output
        self.keep_gradients()
        return grad_x

    def tangent(self, nudge_x: Array, nudge_parameters: object = None) -> Array:
        return nudge_x[:, self.some].copy()


class Shuffle(Layer):
    """Channels of two groups in turns, by passes of its own."""

    def forward(self, x: Array) -> Array:
        return np.concatenate([x[:, n :: x.shape[1] // 2] for n in range(x.shape[1] // 2)], axis=1)

    def backward(self, grad_output: Array) -> Array:
        self.keep_gradients()
        return np.concatenate([grad_output[:, n::2] for n in range(2)], axis=1)

    def tangent(self, nudge_x: Array, nudge_parameters: object = None) -> Array:
        return self.forward(nudge_x)


def shuffled(rng: Rng) -> LayeredNeuralNetwork:
    """ShuffleNet's unit: one half of the channels goes on as it is, the other through a block, and they are mixed."""
    block = [Channels(2, 4), convolved(2, 2, 3, rng), BatchNorm2d(2), ReLUActivation(), convolved(2, 2, 1, rng)]
    halves = Concat([Channels(0, 2), LayeredNeuralNetwork(block)])
    return classified([convolved(2, 4, 1, rng), halves, Shuffle()], 4, rng)


class Twice(Layer):
    """The same filters near and far, the one a gate of the other."""

    parameter_names = ("filters", "biases")
    filters: Array
    biases: Array

    def __init__(self, inputs: int, outputs: int, rng: Rng) -> None:
        super().__init__()
        self.filters, self.biases = rng.normal(size=(outputs, inputs, 3, 3)) / 3, rng.normal(size=outputs)

    def stages(self) -> tuple[Stage, ...]:
        far = {"padding": (2, 2), "dilation": (2, 2)}
        return (
            Stage("convolution", self.parameter_names, {"padding": (1, 1)}, reads=("x",), writes="near"),
            Stage("convolution", self.parameter_names, far, reads=("x",), writes="far"),
            Stage("sigmoid", reads=("far",), writes="gate"),
            Stage("multiply", reads=("near", "gate")),
        )


def shared(rng: Rng) -> LayeredNeuralNetwork:
    """Shared filters, squeezed and excited."""
    gate = [GlobalAveragePooling(), convolved(3, 3, 1, rng), SigmoidActivation()]
    return classified([Twice(2, 3, rng), Gate(LayeredNeuralNetwork(gate)), ReLUActivation()], 3, rng)


NETWORKS: dict[str, Callable[[Rng], LayeredNeuralNetwork]] = {"dense": dense, "shuffled": shuffled, "shared": shared}
OWN = ("shuffled",)  # with passes of its own, so without a twin


def images(count: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, count)
    return rng.normal(size=(count, 2, 6, 8)) + labels[:, None, None, None], labels


@pytest.mark.proof
@pytest.mark.parametrize("name", NETWORKS)
def test_its_passes_and_its_pictures_work(name: str, rng: Rng) -> None:
    network, (x, labels) = NETWORKS[name](rng), images(5)
    loss = SoftmaxCrossEntropy()
    y = network.forward(x)
    g, nudge_x, nudge = rng.normal(size=y.shape), rng.normal(size=x.shape), rng.normal(size=network.parameters.size)
    along = np.vdot(g, network.tangent(nudge_x, nudge))
    back = np.vdot(network.backward(g), nudge_x) + np.vdot(network.gradients, nudge)
    assert along == pytest.approx(back, rel=1e-11)
    stations = gradient_flow(network, loss, x, labels)
    assert gradient_flow_sheet(stations).axes
    assert feature_maps(network, x[:2]).axes
    one, other = (rng.normal(size=nudge.size) for _ in range(2))
    of_one, of_other = (gauss_newton_product(network, loss, x, labels, v).parameters for v in (one, other))
    assert np.vdot(other, of_one) == pytest.approx(np.vdot(one, of_other), rel=1e-9)
    if name not in OWN:
        assert costs(network, x.shape[1:])[-1].parameters == network.parameters.size


@pytest.mark.proof
@pytest.mark.parametrize("name", NETWORKS)
def test_its_gradients_agree(name: str, rng: Rng) -> None:
    judge(from_layer(NETWORKS[name](rng), images(3)[0]), progress=False).raise_for_failure()


@pytest.mark.proof
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in OWN])
def test_it_trains_and_every_step_agrees(name: str, rng: Rng) -> None:
    x, labels = images(80)
    optimizer = SGD(0.05, momentum=0.9)
    done = cross_checked_fit(
        NETWORKS[name](rng), SoftmaxCrossEntropy(), optimizer, x, labels, epochs=2, batch_size=8, rng=0
    )
    assert len(done.verdicts) == 20
    assert done.verdict == "agree", str(done)
    assert np.mean(done.history.step_loss[-5:]) < np.mean(done.history.step_loss[:5])


def test_a_network_with_state_and_a_layer_without_a_twin_is_judged(rng: Rng) -> None:
    network = LayeredNeuralNetwork([LinearLayer(4, 3, rng=rng), BatchNorm(3), Channels(1, 3)])
    result = judge(from_layer(network, rng.normal(size=(5, 4))), progress=False)
    assert result.verdict == "agree", str(result)
