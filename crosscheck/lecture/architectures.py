"""What networks are built of today, small enough to be judged: a block of each kind, and a classifier behind it.

Sources: Y. LeCun et al., Proc. IEEE 86 (1998); K. Simonyan and A. Zisserman, arXiv 1409.1556; K. He et al., arXiv
1512.03385; C. Szegedy et al., arXiv 1409.4842; A. Howard et al., arXiv 1905.02244; O. Ronneberger, P. Fischer, T. Brox,
arXiv 1505.04597; Z. Liu et al., arXiv 2201.03545.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from manual import (
    GELU,
    AveragePoolingLayer,
    BatchNorm2d,
    Concat,
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Gate,
    GlobalAveragePooling,
    HardSwish,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    Residual,
    SigmoidActivation,
    Standardization,
    TanhActivation,
    Upsampling,
)

Rng = np.random.Generator

CLASSES = 3
IMAGE_BATCH = (4, 2, 8, 8)  # of every network but the first


def classified(layers: list[Layer], channels: int, rng: Rng) -> LayeredNeuralNetwork:
    """The layers, and a classifier of the means of their channels."""
    head = [GlobalAveragePooling(), FlattenLayer(), LinearLayer(channels, CLASSES, rng=rng)]
    return LayeredNeuralNetwork([*layers, *head])


def convolved(inputs: int, outputs: int, size: int, rng: Rng, *, stride: int = 1, groups: int = 1) -> list[Layer]:
    """A convolution that keeps the shape for stride 1, and its batch normalization."""
    convolution = ConvolutionalLayer(inputs, outputs, size, stride, size // 2, groups=groups, rng=rng)
    return [convolution, BatchNorm2d(outputs)]


def lenet(rng: Rng) -> LayeredNeuralNetwork:
    """LeNet-5 with fewer units: two convolutions with means between them, three dense layers."""
    return LayeredNeuralNetwork(
        [
            ConvolutionalLayer(2, 3, 3, padding=1, activation=TanhActivation, rng=rng),
            AveragePoolingLayer(2),
            ConvolutionalLayer(3, 4, 3, activation=TanhActivation, rng=rng),
            AveragePoolingLayer(2),
            FlattenLayer(),
            FullyConnectedLayer(4, 6, TanhActivation, rng=rng),
            FullyConnectedLayer(6, 5, TanhActivation, rng=rng),
            LinearLayer(5, CLASSES, rng=rng),
        ]
    )


def vgg(rng: Rng) -> LayeredNeuralNetwork:
    """A VGG block: two convolutions of 3×3, and a pooling."""
    first, second = (ConvolutionalLayer(n, 3, 3, padding=1, activation=ReLUActivation, rng=rng) for n in (2, 3))
    return classified([first, second, MaxPoolingLayer(2)], 3, rng)


def basic(rng: Rng) -> LayeredNeuralNetwork:
    """A ResNet's basic block with stride 2: its shortcut has a convolution, too."""
    body = [*convolved(2, 3, 3, rng, stride=2), ReLUActivation(), *convolved(3, 3, 3, rng)]
    shortcut = [*convolved(2, 3, 1, rng, stride=2)]
    block = Residual(LayeredNeuralNetwork(body), LayeredNeuralNetwork(shortcut))
    return classified([block, ReLUActivation()], 3, rng)


def bottleneck(rng: Rng) -> LayeredNeuralNetwork:
    """A ResNet's bottleneck: fewer channels for the 3×3 convolution, and the input as it is beside it."""
    narrow = [*convolved(4, 2, 1, rng), ReLUActivation(), *convolved(2, 2, 3, rng), ReLUActivation()]
    block = Residual(LayeredNeuralNetwork([*narrow, *convolved(2, 4, 1, rng)]))
    return classified([ConvolutionalLayer(2, 4, 1, rng=rng), block, ReLUActivation()], 4, rng)


def inception(rng: Rng) -> LayeredNeuralNetwork:
    """An inception block: four branches side by side."""

    def convolution(inputs: int, outputs: int, size: int) -> Layer:
        return ConvolutionalLayer(inputs, outputs, size, 1, size // 2, ReLUActivation, rng=rng)

    branches = [
        convolution(2, 2, 1),
        LayeredNeuralNetwork([convolution(2, 2, 1), convolution(2, 3, 3)]),
        LayeredNeuralNetwork([convolution(2, 1, 1), convolution(1, 2, 5)]),
        LayeredNeuralNetwork([MaxPoolingLayer(3, 1, 1), convolution(2, 1, 1)]),
    ]
    return classified([Concat(branches)], 8, rng)


def inverted(rng: Rng) -> LayeredNeuralNetwork:
    """MobileNet's inverted residual: more channels inside, one filter each, squeezed and excited."""
    excitation = LayeredNeuralNetwork(
        [
            GlobalAveragePooling(),
            ConvolutionalLayer(4, 2, 1, activation=ReLUActivation, rng=rng),
            ConvolutionalLayer(2, 4, 1, activation=SigmoidActivation, rng=rng),
        ]
    )
    expanded = [*convolved(2, 4, 1, rng), HardSwish(), *convolved(4, 4, 3, rng, groups=4)]
    block = Residual(LayeredNeuralNetwork([*expanded, Gate(excitation), HardSwish(), *convolved(4, 2, 1, rng)]))
    return classified([block], 2, rng)


def u_net(rng: Rng) -> LayeredNeuralNetwork:
    """A U-Net of one level: down, and up again beside what was there before."""
    below = LayeredNeuralNetwork(
        [
            MaxPoolingLayer(2),
            ConvolutionalLayer(3, 4, 3, padding=1, activation=ReLUActivation, rng=rng),
            Upsampling(8, "bilinear"),
        ]
    )
    return classified(
        [
            ConvolutionalLayer(2, 3, 3, padding=1, activation=ReLUActivation, rng=rng),
            Concat([below], passed=True),
            ConvolutionalLayer(7, 3, 3, padding=1, activation=ReLUActivation, rng=rng),
        ],
        3,
        rng,
    )


def convnext(rng: Rng) -> LayeredNeuralNetwork:
    """A ConvNeXt block: one filter of 7×7 each, channels standardized at every position, a small network there.

    The scale and bias of its layer normalization are part of the convolution of 1×1 behind it.
    """
    block = Residual(
        LayeredNeuralNetwork(
            [
                ConvolutionalLayer(2, 2, 7, padding=3, groups=2, rng=rng),
                Standardization((1,), 1e-2),
                ConvolutionalLayer(2, 5, 1, activation=GELU, rng=rng),
                ConvolutionalLayer(5, 2, 1, rng=rng),
            ]
        )
    )
    return classified([block], 2, rng)


ARCHITECTURES: dict[str, Callable[[Rng], LayeredNeuralNetwork]] = {
    "LeNet-5": lenet,
    "VGG block": vgg,
    "ResNet basic block": basic,
    "ResNet bottleneck block": bottleneck,
    "inception block": inception,
    "MobileNet inverted residual": inverted,
    "U-Net": u_net,
    "ConvNeXt block": convnext,
}
