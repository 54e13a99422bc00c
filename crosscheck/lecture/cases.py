"""What the project checks about itself: one table, a row per case.

A case is a named configuration of a layer, a composition of layers, or the complete network. Some look at one spot:
the cotangent is then nonzero at one output position, or in one output channel, only (the lecture's spatial and channel
tests); some at one parameter. Every case is drawn from a seed of its own, so that it gives the same numbers alone as
in the whole table.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.draws import cotangent
from crosscheck.lecture import spaces
from crosscheck.lecture.architectures import ARCHITECTURES, IMAGE_BATCH
from crosscheck.lecture.losses import with_loss
from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.rows import LOSSES, ROWS
from crosscheck.lecture.tangent_cases import tangent_cases
from crosscheck.operation import Operation
from crosscheck.spaces.space import Space
from crosscheck.witnesses.namespaces import ONE_AT_A_TIME
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
    SoftmaxCrossEntropy,
    SoftReLUActivation,
    TanhActivation,
)
from manual.data import load_digits

Array = np.ndarray
Rng = np.random.Generator
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One row.

    Args:
        name: unique, also the id in the test suite.
        kind: layer, tangent, spatial, channel, parameter, composition or end-to-end.
        layer: the file of `manual` that it checks.
        configuration: sizes and hyper-parameters in words.
        build: draws the operation.
        spot: index into the output outside which the cotangent is zero; None keeps all of it.
        differences: whether finite differences speak too.
    """

    name: str
    kind: str
    layer: str
    configuration: str
    build: Callable[[Rng], Operation]
    spot: tuple[Any, ...] | None = None
    differences: bool = True

    def operation(self, seed: int = 0) -> Operation:
        """The case's operation, drawn from the seed and the name of what is built.

        Not while another case's code runs with other names (in longdouble, or recorded): these are this one's, too.
        """
        base = self.name.split(" @ ")[0]
        with ONE_AT_A_TIME:
            return self.build(np.random.default_rng([seed, zlib.crc32(base.encode())]))

    def grad_output(self, shape: Shape, seed: int = 0) -> Array:
        """The case's cotangent: random with both signs, zero outside the spot."""
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        v = cotangent(shape, rng)
        if self.spot is None:
            return v
        masked = np.zeros(shape)
        masked[self.spot] = v[self.spot]
        return masked


def layer_case(
    layer: str,
    configuration: str,
    make: Callable[[Rng], Layer],
    shape: Shape,
    *,
    kind: str = "layer",
    offset: float = 0.0,
) -> Case:
    """A layer on normal inputs of `shape`, in the layer's own dtype."""

    def build(rng: Rng) -> Operation:
        made = nonzero(make(rng), rng)
        return from_layer(made, (rng.normal(size=shape) + offset).astype(made.dtype))

    return Case(f"{layer} {configuration}", kind, layer, configuration, build)


def spots(case: Case, kind: str, places: dict[str, tuple[Any, ...]]) -> list[Case]:
    """The same case, looked at in one place after another."""
    return [
        replace(
            case, name=f"{case.name} @ {place}", kind=kind, configuration=f"{case.configuration}, {place}", spot=spot
        )
        for place, spot in places.items()
    ]


def positions(rows: int, columns: int) -> dict[str, tuple[Any, ...]]:
    """Corners, borders and the interior of an output plane, by name."""
    r, c = rows // 2, columns // 2
    everything = slice(None)
    named = {
        "top left corner": (0, 0),
        "top right corner": (0, columns - 1),
        "bottom left corner": (rows - 1, 0),
        "bottom right corner": (rows - 1, columns - 1),
        "top border": (0, c),
        "bottom border": (rows - 1, c),
        "left border": (r, 0),
        "right border": (r, columns - 1),
        "interior": (r, c),
    }
    return {place: (everything, everything, h, w) for place, (h, w) in named.items()}


def channels(count: int) -> dict[str, tuple[Any, ...]]:
    return {f"channel {c}": (slice(None), c) for c in range(count)}


# ---------------------------------------------------------------------- the layers: named points of their spaces


def row(space: Space, configuration: str, *, layer: str = "", **choices: Any) -> Case:
    """A point of a space with a name."""
    layer = layer or space.name
    point, make = space.point(**choices), space.make
    assert make is not None
    return Case(f"{layer} {configuration}", "layer", layer, configuration, lambda rng: make(point, rng))


IMAGES = {"batch": 2, "channels": 2, "filters": 3, "size": (5, 6), "kernel": (3, 3)}
PADDED = row(spaces.CONVOLUTION, "2→3, 3×3, padding 1", **IMAGES, padding=(1, 1))
POOLED = row(spaces.POOLING, "3×3, stride 2", batch=2, channels=3, size=(7, 9), window=(3, 3), stride=(2, 2))


def convolutions() -> Iterator[Case]:
    def point(configuration: str, **choices: Any) -> Case:
        return row(spaces.CONVOLUTION, configuration, **choices)

    yield PADDED
    yield point(
        "3→2, 2×3, stride (2, 1), padding (1, 2)",
        **{"batch": 2, "channels": 3, "filters": 2, "size": (6, 5), "kernel": (2, 3), "stride": (2, 1)},
        padding=(1, 2),
    )
    yield point("4→2, 1×1", batch=3, channels=4, filters=2, size=(2, 5))
    yield point("2→3, kernel as large as the input", batch=4, channels=2, filters=3, size=(3, 5), kernel=(3, 5))
    yield point("1→1, every size one")
    yield point(
        "2→4, 2×2, stride 3, ragged end", batch=3, channels=2, filters=4, size=(8, 9), kernel=(2, 2), stride=(3, 3)
    )
    yield point(
        "3→2, 3×2, padding wider than kernel", channels=3, filters=2, size=(2, 3), kernel=(3, 2), padding=(3, 2)
    )
    yield point(
        "2→3, 3×2, dilation (2, 3)", batch=2, channels=2, filters=3, size=(7, 8), kernel=(3, 2), dilation=(2, 3)
    )
    yield point(
        "4→6, 2×3, 2 groups, padding per side",
        **{"batch": 2, "channels": 2, "filters": 3, "groups": 2, "size": (5, 6), "kernel": (2, 3)},
        padding=((1, 0), (0, 2)),
    )
    yield point(
        "3→6, 3×3, depthwise, same, stride 2",
        **{"batch": 2, "filters": 2, "groups": 3, "size": (6, 5), "kernel": (3, 3), "stride": (2, 2)},
        padding="same",
    )
    for activation, title in TITLES.items():
        yield point(f"2→3, 3×3, {title}", **IMAGES, padding=(1, 1), activation=activation)
    yield point("2→3, 3×3, ReLU, float32", **IMAGES, padding=(1, 1), activation=ReLUActivation, dtype=np.float32)


def poolings() -> Iterator[Case]:
    def point(configuration: str, **choices: Any) -> Case:
        return row(spaces.POOLING, configuration, **choices)

    yield point("2×2", batch=2, channels=3, size=(4, 6), window=(2, 2))
    yield POOLED
    yield point("3×2, stride 1: every window overlaps", batch=2, channels=2, size=(5, 4), window=(3, 2), stride=(1, 1))
    yield point("2×3, stride (3, 4): gaps", channels=2, size=(8, 9), window=(2, 3), stride=(3, 4))
    yield point("2×2, ragged end", batch=3, size=(5, 7), window=(2, 2))
    yield point("window as large as the input", batch=2, channels=3, size=(4, 5), window=(4, 5))
    yield point("1×1", batch=2, size=(3, 4))
    yield point(
        "3×3, stride 2, float32",
        **{"batch": 2, "channels": 3, "size": (7, 9), "window": (3, 3), "stride": (2, 2)},
        dtype=np.float32,
    )


def dense() -> Iterator[Case]:
    yield row(spaces.FLATTEN, "from axis 1", shape=(3, 2, 4, 5))
    yield row(spaces.FLATTEN, "axes 2 to 3", shape=(3, 2, 4, 5), start=2)
    yield row(spaces.FLATTEN, "axes 1 to 2", shape=(3, 2, 4, 5), end=-2)
    yield row(spaces.LINEAR, "7→4", batch=3, inputs=7, outputs=4)
    yield row(spaces.LINEAR, "1→1, one sample")
    yield row(spaces.LINEAR, "5→6, float32", batch=4, inputs=5, outputs=6, dtype=np.float32)
    for activation, title in TITLES.items():
        yield row(spaces.LINEAR, f"7→4, {title}", batch=3, inputs=7, outputs=4, activation=activation)


TITLES: dict[type[Layer], str] = {
    LinearActivation: "linear activation",
    ReLUActivation: "ReLU",
    SigmoidActivation: "sigmoid",
    TanhActivation: "tanh",
    SoftReLUActivation: "soft ReLU",
}


def activations() -> Iterator[Case]:
    for layer in TITLES:
        file = layer().stages()[0].operation
        yield row(spaces.ACTIVATION, "3×5", layer=file, activation=layer, shape=(3, 5))
        yield row(
            spaces.ACTIVATION, "2×3×2×4, float32", layer=file, activation=layer, shape=(2, 3, 2, 4), dtype=np.float32
        )


def losses() -> Iterator[Case]:
    yield row(spaces.SQUARED, "4×3", shape=(4, 3))
    yield row(spaces.ENTROPY, "5 samples, 4 classes, labels", batch=5, classes=4)
    yield row(spaces.ENTROPY, "3 samples, 5 classes, probabilities", batch=3, classes=5, target="probabilities")
    yield row(spaces.ENTROPY, "4 samples, 6 classes, float32", batch=4, classes=6, dtype=np.float32)


def beyond() -> Iterator[Case]:
    """The layers beyond the lecture's: the named points of their rows, the first also in float32."""
    for described in ROWS:
        space = spaces.space_of(described)
        for number, name in enumerate(described.cases):
            yield row(space, name, layer=described.operation, **described.point(name))
            if number == 0:
                single = {**described.point(name), "dtype": np.float32}
                yield row(space, f"{name}, float32", layer=described.operation, **single)
    for described in LOSSES:
        space = spaces.space_of_loss(described)
        for name in described.cases:
            yield row(space, name, layer=described.operation, **described.point(name))


# All of them take some 12 s, and the table its two minutes without: the suite's proofs ask the others.
IN_TABLE = ("linear", "relu", "batch_norm", "softmax_cross_entropy")


def tangents() -> Iterator[Case]:
    """Forward mode: what each operation makes of nudges."""
    for case in tangent_cases():
        name = f"{case.operation} {case.configuration}"
        yield Case(name, "tangent", case.operation, case.configuration, case.build)


# ---------------------------------------------------------------------- compositions


def small_network(rng: Rng) -> LayeredNeuralNetwork:
    return LayeredNeuralNetwork(
        [
            ConvolutionalLayer(1, 3, 3, padding=1, activation=ReLUActivation(), rng=rng),
            MaxPoolingLayer(2),
            FlattenLayer(),
            FullyConnectedLayer(18, 4, TanhActivation(), rng=rng),
            LinearLayer(4, 3, rng=rng),
        ]
    )


SMALL_NETWORK = layer_case(
    "network", "convolution, pool, flatten, dense, linear", small_network, (2, 1, 4, 6), kind="composition"
)


def compositions() -> Iterator[Case]:
    def row(configuration: str, shape: Shape, make: Callable[[Rng], list[Layer]]) -> Case:
        return layer_case(
            "network", configuration, lambda rng: LayeredNeuralNetwork(make(rng)), shape, kind="composition"
        )

    yield SMALL_NETWORK
    yield row(
        "pool, convolution with stride, flatten, linear",
        (2, 2, 7, 9),
        lambda rng: [
            MaxPoolingLayer(3, 1),
            ConvolutionalLayer(2, 3, 2, stride=2, rng=rng),
            FlattenLayer(),
            LinearLayer(18, 2, rng=rng),
        ],
    )
    yield row(
        "a network inside a network",
        (2, 1, 5, 4),
        lambda rng: [
            LayeredNeuralNetwork([ConvolutionalLayer(1, 2, 2, rng=rng), SoftReLUActivation()]),
            LayeredNeuralNetwork([FlattenLayer(), LayeredNeuralNetwork([LinearLayer(24, 3, rng=rng)])]),
        ],
    )


# Judging these takes as long as the rest of the blocks together: the suite's proofs do.
LONG = ("ResNet bottleneck block", "ConvNeXt block")


def architectures() -> Iterator[Case]:
    """What networks are built of today."""
    for name, make in ARCHITECTURES.items():
        yield layer_case("network", name, make, IMAGE_BATCH, kind="composition")


def parameters() -> Iterator[Case]:
    """Every parameter of a network alone."""
    for name in ("0.filters", "0.biases", "3.weights", "3.biases", "4.weights", "4.biases"):
        yield replace(
            SMALL_NETWORK,
            name=f"{SMALL_NETWORK.name} @ {name}",
            kind="parameter",
            configuration=f"{name} alone",
            build=lambda rng, name=name: replace(SMALL_NETWORK.build(rng), wrt=(name,)),
        )


# ---------------------------------------------------------------------- the complete network on real images

BATCH = 16
OFFSET = 2.0**-12  # every pixel's own offset stays below this: enough to part ties, far below a grey level


def lecture_network(rng: Rng | int | None = None) -> LayeredNeuralNetwork:
    """The lecture's complete CNN for 8×8 images: two convolutions, two pools, a dense layer, a linear one."""
    rng = np.random.default_rng(rng)
    return LayeredNeuralNetwork(
        [
            ConvolutionalLayer(1, 8, 3, padding=1, activation=ReLUActivation(), rng=rng),
            MaxPoolingLayer(2),
            ConvolutionalLayer(8, 16, 3, padding=1, activation=ReLUActivation(), rng=rng),
            MaxPoolingLayer(2),
            FlattenLayer(),
            FullyConnectedLayer(64, 32, ReLUActivation(), rng=rng),
            LinearLayer(32, 10, rng=rng),
        ]
    )


def digits_as_they_are(rng: Rng) -> Operation:
    """Zero biases and untouched images: many pre-activations are exactly 0 and many pooling windows tie."""
    images, labels = load_digits()
    chosen = rng.choice(len(labels), BATCH, replace=False)
    network = from_layer(lecture_network(rng), images[chosen])
    return with_loss(network, SoftmaxCrossEntropy(), labels[chosen])


def digits_parted(rng: Rng) -> Operation:
    """Nonzero biases and a distinct dyadic offset on every pixel: no ties, so that differences can speak."""
    images, labels = load_digits()
    chosen = rng.choice(len(labels), BATCH, replace=False)
    pixels = images[chosen]
    steps = rng.permutation(pixels.size).reshape(pixels.shape) + 1
    pixels = pixels + steps * (OFFSET / 2.0 ** np.ceil(np.log2(pixels.size + 1)))
    network = from_layer(nonzero(lecture_network(rng), rng), pixels)
    return with_loss(network, SoftmaxCrossEntropy(), labels[chosen])


def end_to_end() -> Iterator[Case]:
    yield Case(
        "lecture network, digits as they are",
        "end-to-end",
        "network",
        "the lecture's CNN, 16 digits as they are",
        digits_as_they_are,
        differences=False,
    )
    yield Case(
        "lecture network, digits with ties parted",
        "end-to-end",
        "network",
        "the lecture's CNN, 16 digits, ties parted",
        digits_parted,
    )


def all_cases() -> list[Case]:
    """The whole table, the complete network last."""
    return [
        *convolutions(),
        *spots(PADDED, "spatial", positions(5, 6)),
        *spots(PADDED, "channel", channels(3)),
        *poolings(),
        *spots(POOLED, "spatial", positions(3, 4)),
        *spots(POOLED, "channel", channels(3)),
        *dense(),
        *activations(),
        *losses(),
        *beyond(),
        *(case for case in tangents() if case.layer in IN_TABLE),
        *compositions(),
        *(case for case in architectures() if case.configuration not in LONG),
        *parameters(),
        *end_to_end(),
    ]


def layers() -> list[str]:
    """The names that a case can be filtered by, in the table's order."""
    return list(dict.fromkeys(case.layer for case in all_cases()))
