"""Shape and flow: what joins, gates, moves, pads and cuts."""

from __future__ import annotations

from math import prod

import numpy as np

from manual import Stage
from manual.program import INPUT
from tests.onnx.calls import Array, Call, NotHere, adapts, call, floating
from tests.onnx.nodes import Node


@adapts("Concat")
def concatenation(node: Node) -> Call:
    return call("concatenation", *map(floating, node.inputs), hyper={"axis": node.attributes["axis"]})


@adapts("Add", "Sum")
def addition(node: Node) -> Call:
    first, *others = (floating(a) for a in node.inputs)
    if not others:
        return call("linear_activation", first)
    shape = np.broadcast_shapes(*(a.shape for a in node.inputs))
    if any(a.shape != shape for a in (first, *others)):
        first, *others = (np.broadcast_to(a, shape).copy() for a in (first, *others))
    names = tuple(f"array_{place}" for place in range(1, len(others) + 1))
    stages = tuple(Stage("add", (name,)) for name in names)
    return Call(stages, first, dict(zip(names, others, strict=True)), read=wrapped(node))


@adapts("Mul")
def multiplication(node: Node) -> Call:
    x, other = (floating(a) for a in node.inputs)
    other = other.reshape((1,) * (x.ndim - other.ndim) + other.shape)
    return call("multiply", x, other, read=wrapped(node))


def wrapped(node: Node):  # noqa: ANN201
    """Integers beyond their type's largest begin again, as in ONNX."""
    dtype = node.outputs[0].dtype
    return (lambda y: y) if dtype.kind == "f" else (lambda y: np.mod(y, 2.0 ** (8 * dtype.itemsize)).astype(dtype))


@adapts("Flatten")
def flatten(node: Node) -> Call:
    """From the axis on by the layer; the axes before it are joined in what is read."""
    x, axis = floating(node.inputs[0]), node.attributes.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    shape = prod(x.shape[:axis]), prod(x.shape[axis:])
    first = {"start_dim": axis} if axis < x.ndim else {"start_dim": 0}
    return call("flatten", x, hyper=first, read=lambda y: y.reshape(shape))


@adapts("Dropout")
def dropout(node: Node) -> Call:
    x = floating(node.inputs[0])
    rate = node.input(1)
    rate = float(rate) if rate is not None else node.attributes.get("ratio", 0.5)
    training = node.input(2) is not None and bool(node.input(2))
    stage = Stage("dropout", hyperparameters={"rate": rate, "training": training}, state=("seed",))
    if training and rate:
        raise NotHere("the mask comes from NumPy's generator, ours is a function of its own seed")
    further = {1: lambda layer, at: np.ones(at.shape, bool)} if node.output(1) is not None else {}
    return Call((stage,), x, state={"seed": np.array(7, np.uint64)}, further=further)
