"""Shape and flow: what joins, gates, moves, pads and cuts."""

from __future__ import annotations

from math import prod

import numpy as np

from manual import Stage
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


def wrapped(node: Node):
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


def around(x: Array, before: list[int], after: list[int], mode: str = "constant", value: float = 0.0) -> Call:
    """Padding of any axes, below 0 where it crops; those that change are put last, as rows and columns."""
    changing = [axis for axis in range(x.ndim) if before[axis] or after[axis]]
    if len(changing) > 2:
        raise NotHere("more than two axes change: padding here is of images")
    rest = [axis for axis in range(x.ndim) if axis not in changing]
    still = rest[len(rest) - (2 - len(changing)) :] if len(changing) < 2 else []
    last = [*still, *changing]
    first = [axis for axis in range(x.ndim) if axis not in last]
    order = [*first, *last]
    moved = x.transpose(order)
    sides = tuple((before[axis], after[axis]) for axis in last)
    while len(sides) < 2:
        sides, moved = ((0, 0), *sides), moved[None]
    lead = moved.shape[:-2]

    def read(y: Array) -> Array:
        whole = y.reshape(*lead, *y.shape[-2:])
        whole = whole.reshape(whole.shape[whole.ndim - x.ndim :])
        return whole.transpose(np.argsort(order))

    images = moved.reshape(1, prod(lead), *moved.shape[-2:])
    return call("pad", images, hyper={"sides": sides, "mode": mode, "value": value}, read=read)


@adapts("Pad")
def padded(node: Node) -> Call:
    x, pads = floating(node.inputs[0]), [int(n) for n in node.inputs[1]]
    axes = node.input(3) if node.input(3) is not None else range(x.ndim)
    before, after = [0] * x.ndim, [0] * x.ndim
    for place, axis in enumerate(axes):
        before[axis], after[axis] = pads[place], pads[place + len(pads) // 2]
    value = 0.0 if node.input(2) is None else float(node.inputs[2])
    return around(x, before, after, node.attributes.get("mode", "constant"), value)


@adapts("CenterCropPad")
def centred(node: Node) -> Call:
    x, wanted = floating(node.inputs[0]), [int(n) for n in node.inputs[1]]
    before, after = [0] * x.ndim, [0] * x.ndim
    for axis, n in zip(node.attributes.get("axes", range(x.ndim)), wanted, strict=True):
        more = n - x.shape[axis]
        half = abs(more) // 2
        before[axis], after[axis] = (half, more - half) if more > 0 else (-half, more + half)
    return around(x, before, after)


@adapts("Slice")
def sliced(node: Node) -> Call:
    x = floating(node.inputs[0])
    starts, ends = ([int(n) for n in node.inputs[place]] for place in (1, 2))
    axes = [int(a) for a in (node.input(3) if node.input(3) is not None else range(len(starts)))]
    if node.input(4) is not None and any(step != 1 for step in node.inputs[4]):
        raise NotHere("steps other than 1: a crop takes what lies together")
    before, after = [0] * x.ndim, [0] * x.ndim
    for axis, start, end in zip(axes, starts, ends, strict=True):
        n = x.shape[axis]
        first, stop = (min(max(at + n if at < 0 else at, 0), n) for at in (start, end))
        before[axis], after[axis] = -first, stop - n
        if first >= stop:
            raise NotHere("nothing is left: a crop leaves something")
    return around(x, before, after)


@adapts("DepthToSpace", "SpaceToDepth")
def shuffled(node: Node) -> Call:
    inverse = node.operator == "SpaceToDepth"
    hyper = {
        "scale": node.attributes["blocksize"],
        "depth_first": node.attributes.get("mode", "DCR") == "DCR",
        "inverse": inverse,
    }
    return call("pixel_shuffle", floating(node.inputs[0]), hyper=hyper)


@adapts("Gather")
def looked_up(node: Node) -> Call:
    """The axis that is looked up along first, and the others as the features of its rows."""
    data, indices = floating(node.inputs[0]), np.asarray(node.inputs[1])
    axis = node.attributes.get("axis", 0)
    count, rest = data.shape[axis], data.shape[:axis] + data.shape[axis + 1 :]
    table = np.moveaxis(data, axis, 0).reshape(count, -1)
    behind = tuple(range(indices.ndim))

    def read(y: Array) -> Array:
        whole = y.reshape(*indices.shape, *rest)
        return np.moveaxis(whole, behind, tuple(axis + place for place in behind))

    return call("embedding", np.where(indices < 0, indices + count, indices), table, read=read)
