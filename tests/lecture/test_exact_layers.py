"""The exact run on our own layers: networks with units turned off, a missing mask, layers that step aside."""

from __future__ import annotations

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.exact.points import Points
from crosscheck.exact.run import exact_run
from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    SigmoidActivation,
)

Array = np.ndarray
Rng = np.random.Generator


def small_network(rng: Rng) -> LayeredNeuralNetwork:
    return LayeredNeuralNetwork(
        [
            ConvolutionalLayer(1, 3, 3, padding=1, activation=ReLUActivation(), rng=rng),
            MaxPoolingLayer(2),
            FlattenLayer(),
            LinearLayer(27, 4, rng=rng),
        ]
    )


def test_a_relu_network_is_exact_with_its_biases_low_too(rng: Rng) -> None:
    operation = from_layer(small_network(rng), rng.normal(size=(2, 1, 6, 6)))
    run = exact_run(operation, seed=0)
    assert run.applies, run.reason
    assert set(run.outcomes.values()) == {"equal"}
    assert run.points == 3
    assert all(d.agrees for d in run.difference.values())
    assert run.difference["0.biases"].checked.all()
    points = Points(operation, seed=0)
    for _ in range(2):
        points.next()
    assert (points.drawn[0].inputs["0.biases"] > -9).all()
    assert all((p.inputs["0.biases"] < 1).all() for p in points.drawn[1:])


def test_a_missing_mask_shows_at_the_low_points(rng: Rng) -> None:
    class NoMask(ReLUActivation):
        def forward(self, x: Array) -> Array:
            return np.maximum(x, 0)

        def backward(self, grad_output: Array) -> Array:
            self.keep_gradients()
            return grad_output

    network = small_network(rng)
    convolution = ConvolutionalLayer(1, 3, 3, padding=1, rng=rng)
    broken = LayeredNeuralNetwork([convolution, NoMask(), *network.layers[1:]])
    whole = from_layer(
        LayeredNeuralNetwork([convolution, ReLUActivation(), *network.layers[1:]]),
        rng.normal(size=(2, 1, 6, 6)),
    )
    operation = from_layer(broken, whole.inputs["x"], whole.reference)
    for seed in range(5):
        assert set(exact_run(operation, seed=seed).different) == {"x", "0.filters", "0.biases"}


def test_a_sigmoid_layer_steps_aside(rng: Rng) -> None:
    run = exact_run(from_layer(SigmoidActivation(), rng.normal(size=(2, 3))), seed=0)
    assert run.reason == "the reference is not polynomial: logistic is no polynomial"


def test_a_large_convolution_is_one_point(rng: Rng) -> None:
    layer = ConvolutionalLayer(8, 8, 3, padding=1, rng=rng)
    run = exact_run(from_layer(layer, rng.normal(size=(4, 8, 48, 48))), seed=0)
    assert run.points == 1
    assert set(run.outcomes.values()) == {"equal"}
    assert run.choices == 2**17
    assert "1/131,072" in run.statement
