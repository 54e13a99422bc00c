"""The healthy operations that mistakes are planted in.

Sizes are pairwise different unless the mistake needs two of them equal to survive the shapes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.lecture.losses import from_loss, with_loss
from crosscheck.lecture.nonzero import nonzero
from crosscheck.operation import Operation
from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanSquaredError,
    ReLUActivation,
    SigmoidActivation,
    SoftmaxCrossEntropy,
    SoftReLUActivation,
    TanhActivation,
)

Rng = np.random.Generator
Healthy = Callable[[Rng], Operation]


def layer(make: Callable[[Rng], Layer], *shape: int, dtype: type = np.float64) -> Healthy:
    """A layer with every parameter nonzero, on normal inputs."""

    def healthy(rng: Rng) -> Operation:
        made = nonzero(make(rng), rng)
        return from_layer(made.astype(dtype), rng.normal(size=shape).astype(dtype))

    return healthy


conv = layer(lambda rng: ConvolutionalLayer(2, 3, (3, 2), rng=rng), 4, 2, 6, 7)
padded = layer(lambda rng: ConvolutionalLayer(2, 3, 3, padding=1, rng=rng), 4, 2, 6, 7)
strided = layer(lambda rng: ConvolutionalLayer(2, 3, 3, stride=2, padding=1, rng=rng), 5, 2, 7, 9)
square = layer(lambda rng: ConvolutionalLayer(3, 3, 3, padding=1, rng=rng), 4, 3, 6, 7)
even_batch = layer(lambda rng: ConvolutionalLayer(2, 4, (3, 2), rng=rng), 4, 2, 6, 7)
single = layer(lambda rng: ConvolutionalLayer(2, 3, (3, 2), rng=rng), 4, 2, 6, 7, dtype=np.float32)
conv_relu = layer(lambda rng: ConvolutionalLayer(2, 3, 3, padding=1, activation=ReLUActivation(), rng=rng), 4, 2, 6, 7)
same_relu = layer(lambda rng: ConvolutionalLayer(3, 3, 3, padding=1, activation=ReLUActivation(), rng=rng), 4, 3, 6, 7)
pool = layer(lambda rng: MaxPoolingLayer(2), 3, 2, 6, 8)
overlapping = layer(lambda rng: MaxPoolingLayer(3, 1), 2, 3, 6, 7)
wide_pool = layer(lambda rng: MaxPoolingLayer((2, 3)), 2, 3, 8, 9)
dense = layer(lambda rng: LinearLayer(5, 3, rng=rng), 4, 5)
square_dense = layer(lambda rng: LinearLayer(4, 4, rng=rng), 3, 4)
batch_dense = layer(lambda rng: LinearLayer(5, 4, rng=rng), 4, 5)
flat = layer(lambda rng: FlattenLayer(), 3, 2, 4, 5)
relu = layer(lambda rng: ReLUActivation(), 4, 7)
sigmoid = layer(lambda rng: SigmoidActivation(), 4, 7)
tanh = layer(lambda rng: TanhActivation(), 4, 7)
soft = layer(lambda rng: SoftReLUActivation(), 4, 7)


def mse(rng: Rng) -> Operation:
    return from_loss(MeanSquaredError(), rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))


def cross_entropy(rng: Rng) -> Operation:
    return from_loss(SoftmaxCrossEntropy(), rng.normal(size=(5, 4)), rng.integers(0, 4, 5))


def network_layers(rng: Rng) -> list[Layer]:
    return [
        ConvolutionalLayer(1, 3, 3, padding=1, activation=ReLUActivation(), rng=rng),
        MaxPoolingLayer(2),
        FlattenLayer(),
        FullyConnectedLayer(18, 5, ReLUActivation(), rng=rng),
        LinearLayer(5, 4, rng=rng),
    ]


def network(rng: Rng) -> Operation:
    made = nonzero(LayeredNeuralNetwork(network_layers(rng)), rng)
    return with_loss(from_layer(made, rng.normal(size=(7, 1, 4, 6))), SoftmaxCrossEntropy(), rng.integers(0, 4, 7))
