"""Every layer of the package with the shape of an input, for laws that all of them keep."""

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
    TanhActivation,
)

Array = np.ndarray
Rng = np.random.Generator
ones = np.ones


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


def conv(*, seen: tuple[int, ...] | None = None, **options: Any) -> ConvolutionalLayer:
    layer = ConvolutionalLayer(**{"input_channels": 2, "output_channels": 3, "kernel_size": 3, "rng": 0, **options})
    if seen is not None:
        layer.forward(ones(seen, layer.dtype))
    return layer
