"""The spaces of our layers: what each can be configured to, and how an operation is made of a point.

The case table names some points; the random healthy checks and the Hypothesis strategy draw others.
"""

from __future__ import annotations

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.lecture.layer_row import LayerRow
from crosscheck.lecture.losses import from_loss
from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.rows import LOSSES, ROWS, LossRow
from crosscheck.operation import Operation
from crosscheck.spaces.space import Array, Choices, Rng, Space
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
    TanhActivation,
)

# ---------------------------------------------------------------------- kinds of values

VALUES = ("normal", "zeros", "ties", "scaled", "offset", "decades")


def drawn(kind: str, shape: tuple[int, ...], rng: Rng) -> Array:
    """Numbers of one kind: normal, a third zeros, quarters that tie, of an extreme scale, far from 0, over decades."""
    a = rng.normal(size=shape)
    if kind == "zeros":
        return np.where(rng.random(shape) < 0.3, 0.0, a)
    if kind == "ties":
        return np.round(4 * a) / 4
    if kind == "scaled":
        return a * 10.0 ** rng.uniform(-6, 2)
    if kind == "offset":
        return a + 10.0 ** rng.uniform(0, 1.5)
    if kind == "decades":
        return a * 10.0 ** rng.uniform(-6, 1, shape)
    return a


def layer_operation(layer: Layer, shape: tuple[int, ...], values: str, rng: Rng) -> Operation:
    """The layer with all parameters nonzero, at inputs of one kind."""
    layer = nonzero(layer, rng)
    return from_layer(layer, drawn(values, shape, rng).astype(layer.dtype))


# ---------------------------------------------------------------------- the spaces

DTYPES = (np.float64, np.float32)
ACTIVATIONS = (None, ReLUActivation, TanhActivation, SigmoidActivation, SoftReLUActivation, LinearActivation)


def convolution(p: Choices, rng: Rng) -> Operation:
    layer = ConvolutionalLayer(
        p["channels"] * p["groups"],
        p["filters"] * p["groups"],
        p["kernel"],
        p["stride"],
        p["padding"],
        p["activation"],
        dilation=p["dilation"],
        groups=p["groups"],
        dtype=p["dtype"],
        rng=rng,
    )
    return layer_operation(layer, (p["batch"], p["channels"] * p["groups"], *p["size"]), p["values"], rng)


def convolution_exists(p: Choices) -> bool:
    if p["padding"] == "same":
        return True
    reach = [d * (k - 1) + 1 for d, k in zip(p["dilation"], p["kernel"], strict=True)]
    sides = [sum(side) if isinstance(side, tuple) else 2 * side for side in p["padding"]]
    return all(n + side >= r for n, side, r in zip(p["size"], sides, reach, strict=True))


CONVOLUTION = Space(
    "convolution",
    {
        "batch": (1, 2, 4),
        "channels": (1, 2, 3),
        "filters": (1, 3, 2),
        "size": ((1, 1), (3, 5), (5, 6), (7, 4)),
        "kernel": ((1, 1), (2, 3), (3, 3), (3, 2)),
        "stride": ((1, 1), (2, 1), (2, 2), (3, 4)),
        "padding": ((0, 0), (1, 1), (1, 2), ((1, 0), (0, 2)), "same"),
        "dilation": ((1, 1), (2, 1)),
        "groups": (1, 2),
        "activation": ACTIVATIONS,
        "dtype": DTYPES,
        "values": VALUES,
    },
    convolution,
    convolution_exists,
)

POOLING = Space(
    "max_pooling",
    {
        "batch": (1, 2),
        "channels": (1, 3),
        "size": ((1, 1), (4, 6), (5, 4), (7, 9)),
        "window": ((1, 1), (2, 2), (3, 2), (3, 3)),
        "stride": (None, (1, 1), (2, 1), (3, 4)),
        "dtype": DTYPES,
        "values": VALUES,
    },
    lambda p, rng: layer_operation(
        MaxPoolingLayer(p["window"], p["stride"], dtype=p["dtype"]),
        (p["batch"], p["channels"], *p["size"]),
        p["values"],
        rng,
    ),
    lambda p: all(n >= k for n, k in zip(p["size"], p["window"], strict=True)),
)

FLATTEN = Space(
    "flatten",
    {
        "shape": ((1, 1), (2, 3, 4), (3, 2, 4, 5)),
        "start": (1, 0, -2),
        "end": (-1,),
        "dtype": DTYPES,
        "values": VALUES,
    },
    lambda p, rng: layer_operation(FlattenLayer(p["start"], p["end"], dtype=p["dtype"]), p["shape"], p["values"], rng),
)

LINEAR = Space(
    "linear",
    {
        "batch": (1, 3, 8),
        "inputs": (1, 5, 12),
        "outputs": (1, 4, 7),
        "activation": ACTIVATIONS,
        "dtype": DTYPES,
        "values": VALUES,
    },
    lambda p, rng: layer_operation(
        FullyConnectedLayer(p["inputs"], p["outputs"], p["activation"], dtype=p["dtype"], rng=rng),
        (p["batch"], p["inputs"]),
        p["values"],
        rng,
    ),
)

ACTIVATION = Space(
    "activation",
    {
        "activation": ACTIVATIONS[1:],
        "shape": ((1,), (3, 5), (2, 3, 2, 4)),
        "dtype": DTYPES,
        "values": VALUES,
    },
    lambda p, rng: layer_operation(p["activation"](dtype=p["dtype"]), p["shape"], p["values"], rng),
)


def squared(p: Choices, rng: Rng) -> Operation:
    prediction, target = (drawn(p["values"], p["shape"], rng).astype(p["dtype"]) for _ in range(2))
    return from_loss(MeanSquaredError(), prediction, target)


SQUARED = Space("mean_squared_error", {"shape": ((1,), (4, 3), (2, 3, 5)), "dtype": DTYPES, "values": VALUES}, squared)


def entropy(p: Choices, rng: Rng) -> Operation:
    prediction = drawn(p["values"], (p["batch"], p["classes"]), rng).astype(p["dtype"])
    labels = rng.integers(0, p["classes"], p["batch"])
    target = labels if p["target"] == "labels" else rng.dirichlet(np.ones(p["classes"]), p["batch"]).astype(p["dtype"])
    return from_loss(SoftmaxCrossEntropy(), prediction, target)


ENTROPY = Space(
    "softmax_cross_entropy",
    {
        "batch": (1, 2, 5),
        "classes": (1, 2, 6),
        "target": ("labels", "probabilities"),
        "dtype": DTYPES,
        "values": VALUES,
    },
    entropy,
)


def network(p: Choices, rng: Rng) -> Operation:
    rows, columns = p["size"][0] // 2, p["size"][1] // 2
    layers = [
        ConvolutionalLayer(1, p["filters"], 3, padding=1, activation=p["activation"], rng=rng),
        MaxPoolingLayer(2),
        FlattenLayer(),
        LinearLayer(p["filters"] * rows * columns, p["classes"], rng=rng),
    ]
    made = LayeredNeuralNetwork(layers).astype(p["dtype"])
    return layer_operation(made, (p["batch"], 1, *p["size"]), p["values"], rng)


NETWORK = Space(
    "network",
    {
        "batch": (1, 3),
        "size": ((2, 2), (4, 6)),
        "filters": (1, 3),
        "classes": (1, 4),
        "activation": ACTIVATIONS[:3],
        "dtype": DTYPES,
        "values": VALUES,
    },
    network,
)


def space_of(row: LayerRow) -> Space:
    """The space that a row of the layers beyond the lecture's describes."""
    lecture = {space.name for space in LECTURE}

    def make(p: Choices, rng: Rng) -> Operation:
        layer = row.make(rng, p).astype(p["dtype"])
        if row.indices is None:
            return layer_operation(layer, p["shape"], p["values"], rng)
        return from_layer(nonzero(layer, rng), row.input(p, rng))

    return Space(
        f"{row.operation} beyond" if row.operation in lecture else row.operation,
        {"shape": row.shapes, **row.choices, "dtype": DTYPES, "values": row.values or VALUES},
        make,
        row.valid,
    )


def space_of_loss(row: LossRow) -> Space:
    """The space that a row of the losses describes."""

    def make(p: Choices, rng: Rng) -> Operation:
        prediction = drawn(p["values"], p["shape"], rng).astype(p["dtype"])
        target = row.target(rng, p)
        return from_loss(row.make(p), prediction, target if target.dtype.kind in "iu" else target.astype(p["dtype"]))

    name = f"{row.operation} beyond" if row.operation == ENTROPY.name else row.operation
    return Space(name, {**row.choices, "dtype": DTYPES, "values": VALUES}, make, row.valid)


LECTURE = (CONVOLUTION, POOLING, FLATTEN, LINEAR, ACTIVATION, SQUARED, ENTROPY, NETWORK)
SPACES: dict[str, Space] = {
    space.name: space for space in (*LECTURE, *map(space_of, ROWS), *map(space_of_loss, LOSSES))
}
