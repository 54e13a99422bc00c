"""The tangents of the case table: every operation's once, as its first case has it, and every loss's twice.

A layer's is asked whether it is JAX's, and the transpose of the layer's own backward (`tangents`). So is a loss's; and
its second derivatives times a nudge are asked whether they are the nudge of JAX's gradient, and, being symmetric, their
own transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import manual
from crosscheck.lecture.layer_row import LayerRow
from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.rows import LOSSES, ROWS, LossRow
from crosscheck.lecture.tangents import adjoint, hessian_of_loss, point, tangent_of_loss
from crosscheck.operation import Operation
from manual import Layer

Rng = np.random.Generator


class TangentCase(NamedTuple):
    """What is drawn, and for which operation."""

    operation: str  # the file of `manual`
    configuration: str
    build: Callable[[Rng], Operation]


# The lecture's layers, which have no row: how to make one, and the shape of its input.
LECTURE: dict[str, tuple[str, Callable[[Rng], Layer], tuple[int, ...]]] = {
    "convolution": (
        "4→6, 3×2, stride (1, 2), padding 1, 2 groups",
        lambda rng: manual.ConvolutionalLayer(4, 6, (3, 2), (1, 2), 1, groups=2, rng=rng),
        (2, 4, 5, 7),
    ),
    "flatten": ("axes 1 to 2", lambda rng: manual.FlattenLayer(1, 2), (3, 2, 4, 5)),
    "linear": ("7→4", lambda rng: manual.LinearLayer(7, 4, rng=rng), (3, 7)),
    "relu": ("3×5", lambda rng: manual.ReLUActivation(), (3, 5)),
    "sigmoid": ("3×5", lambda rng: manual.SigmoidActivation(), (3, 5)),
    "tanh": ("3×5", lambda rng: manual.TanhActivation(), (3, 5)),
    "soft_relu": ("3×5", lambda rng: manual.SoftReLUActivation(), (3, 5)),
    "linear_activation": ("3×5", lambda rng: manual.LinearActivation(), (3, 5)),
}
SQUARED_ROW = LossRow(
    "mean_squared_error",
    lambda p: manual.MeanSquaredError(p["reduction"]),
    lambda rng, p: rng.normal(size=p["shape"]),
    {"4×3": {}},
    {"shape": ((4, 3),), "reduction": ("mean",)},
)


def of_layer(make: Callable[[Rng], Layer], shape: tuple[int, ...], dtype: Any = np.float64) -> Callable[..., Operation]:
    """The layer at normal numbers, along a normal nudge of everything."""

    def build(rng: Rng) -> Operation:
        made = nonzero(make(rng), rng).astype(dtype)
        x = rng.normal(size=shape).astype(dtype)
        return adjoint(made, x, {k: rng.normal(size=a.shape).astype(dtype) for k, a in point(made, x).items()})

    return build


def of_indices(row: LayerRow, name: str, dtype: Any) -> Callable[..., Operation]:
    """The layer at indices, along a normal nudge of its parameters."""

    def build(rng: Rng) -> Operation:
        made = nonzero(row.layer(name, rng), rng).astype(dtype)
        x, parameters = row.input(row.point(name), rng), made.named_parameters()
        return adjoint(made, x, {k: rng.normal(size=a.shape).astype(dtype) for k, a in parameters.items()})

    return build


def of_row(row: LayerRow, name: str, dtype: Any = np.float64) -> TangentCase:
    """The layer at a named point of its row."""
    shape = row.point(name)["shape"]
    said = f"tangent, {name}" + (", float32" if dtype == np.float32 else "")
    if row.indices is not None:
        return TangentCase(row.operation, said, of_indices(row, name, dtype))
    return TangentCase(row.operation, said, of_layer(lambda rng: row.layer(name, rng), shape, dtype))


def of_loss(row: LossRow, name: str) -> Iterator[TangentCase]:
    """The loss at a named point of its row."""
    for said, make in (("tangent", tangent_of_loss), ("second derivatives", hessian_of_loss)):

        def build(rng: Rng, make: Callable[..., Operation] = make) -> Operation:
            at = row.point(name)
            prediction, nudge = rng.normal(size=(2, *at["shape"]))
            return make(row.make(at), prediction, row.target(rng, at), nudge, rng)

        yield TangentCase(row.operation, f"{said}, {name}", build)


def tangent_cases() -> Iterator[TangentCase]:
    """One for each operation, and for each loss two."""
    for operation, (said, make, shape) in LECTURE.items():
        yield TangentCase(operation, f"tangent, {said}", of_layer(make, shape))
    yield TangentCase(
        "linear", "tangent, 5→6, float32", of_layer(lambda rng: manual.LinearLayer(5, 6, rng=rng), (4, 5), np.float32)
    )
    for row in ROWS:
        yield of_row(row, next(iter(row.cases)))
    for loss in (SQUARED_ROW, *LOSSES):
        yield from of_loss(loss, next(iter(loss.cases)))
