"""Every layer of the package with the shape of an input, for laws that all of them keep."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from crosscheck.lecture import rows
from crosscheck.lecture.layer_row import LayerRow
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
    Stage,
    TanhActivation,
)
from manual.program import Step, run_forward

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


def beyond(row: LayerRow, name: str) -> tuple[Callable[[Any], Layer], tuple[int, ...]]:
    """A named point of a row as the table above has it, evaluated: what is predicted is then what comes forward."""

    def make(dtype: Any) -> Layer:
        made = row.layer(name, np.random.default_rng(0)).astype(dtype)
        made.training = False
        return made

    return make, row.point(name)["shape"]


# Of layers that read numbers; a layer that reads indices has laws of its own (test_embedding.py).
NUMBERS = [row for row in rows.ROWS if row.indices is None]
LAYERS |= {f"{row.operation} {name}": beyond(row, name) for row in NUMBERS for name in list(row.cases)[:1]}


class Called(NamedTuple):
    """An operation as a layer calls it."""

    operation: str
    shapes: tuple[tuple[int, ...], ...]  # of what it reads and of its parameters
    keywords: dict[str, Any]  # hyper-parameters and state
    indices: dict[int, Array] = {}  # noqa: RUF012  by position: arrays of integers, which are taken as they are


def calls(layer: Layer, x: Array) -> list[Called]:
    """What a layer calls for an input."""
    found: list[Called] = []
    state = layer.named_state()

    def noting(stage: Stage, step: Step) -> Step:
        def forward(*inputs: Array) -> Any:
            arrays = [*inputs, *step.parameters.values()]
            held = {name.rpartition(".")[2]: np.array(state[name]) for name in stage.state}
            shapes = tuple(a.shape for a in arrays)
            indices = {n: a for n, a in enumerate(arrays) if a.dtype.kind in "iu"}
            found.append(Called(stage.operation, shapes, {**stage.hyperparameters, **held}, indices))
            return step.forward(*inputs)

        return step._replace(forward=forward)

    run_forward([noting(*pair) for pair in zip(layer.stages(), layer.program(), strict=True)], x)
    return found


def called_by_rows() -> dict[str, Called]:
    """Every row's own operation, at every named point."""
    found = {}
    for row in rows.ROWS:
        for name in row.cases:
            rng = np.random.default_rng(0)
            for call in calls(row.layer(name, rng), row.input(row.point(name), rng)):
                if call.operation == row.operation:
                    found[f"{row.operation} {name}"] = call
    for loss in rows.LOSSES:
        for name in loss.cases:
            point = loss.point(name)
            target = loss.target(np.random.default_rng(0), point)
            keywords = {**loss.make(point).hyperparameters, "target": target}
            found[f"{loss.operation} {name}"] = Called(loss.operation, (point["shape"],), keywords)
    return found


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
