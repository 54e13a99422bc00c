"""Activations: elementwise, and along an axis."""

from __future__ import annotations

import numpy as np

from manual import Stage
from tests.onnx.calls import Call, NotHere, adapts, call, floating
from tests.onnx.nodes import Node

# operator -> (the operation, {its attribute: our hyper-parameter}, what an attribute is where it is not set)
ELEMENTWISE: dict[str, tuple[str, dict[str, str], dict[str, float]]] = {
    "Relu": ("relu", {}, {}),
    "LeakyRelu": ("leaky_relu", {"alpha": "share"}, {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": "depth"}, {"alpha": 1.0}),
    "HardSwish": ("hard_swish", {}, {}),
    "Sigmoid": ("sigmoid", {}, {}),
    "Tanh": ("tanh", {}, {}),
    "Softplus": ("soft_relu", {}, {}),
    "Identity": ("linear_activation", {}, {}),
}


@adapts(*ELEMENTWISE)
def elementwise(node: Node) -> Call:
    operation, names, defaults = ELEMENTWISE[node.operator]
    if isinstance(node.inputs[0], list):
        raise NotHere("a list of tensors, not one")
    set_to = {**defaults, **node.attributes}
    return call(operation, floating(node.inputs[0]), hyper={ours: set_to[theirs] for theirs, ours in names.items()})


@adapts("Selu")
def selu(node: Node) -> Call:
    """With other constants than SELU's own it is an ELU, scaled."""
    x = floating(node.inputs[0])
    if not node.attributes:
        return call("selu", x)
    stages = (
        Stage("elu", hyperparameters={"depth": node.attributes["alpha"]}),
        Stage("multiply", ("gamma",)),
    )
    return Call(stages, x, {"gamma": np.full((1,) * x.ndim, node.attributes["gamma"], x.dtype)})


@adapts("Swish")
def swish(node: Node) -> Call:
    if node.attributes.get("alpha", 1.0) != 1.0:
        raise NotHere("alpha other than 1: SiLU is Swish with alpha 1")
    return call("silu", floating(node.inputs[0]))


@adapts("Gelu")
def gelu(node: Node) -> Call:
    return call("gelu", floating(node.inputs[0]), hyper={"by_tanh": node.attributes.get("approximate") == "tanh"})


@adapts("PRelu")
def prelu(node: Node) -> Call:
    """The axis along which the slopes differ is that of the channels; where all do, every entry is a channel."""
    x, slope = map(floating, node.inputs)
    if slope.shape == x.shape:
        return call("prelu", x.reshape(1, -1), slope.reshape(-1), read=lambda y: y.reshape(x.shape))
    if slope.ndim > 1 or slope.shape[0] != x.shape[-1]:
        raise NotHere("slopes along several axes: a share per channel, or one for all")
    return call("prelu", x.reshape(-1, x.shape[-1]), slope, read=lambda y: y.reshape(x.shape))


@adapts("Softmax", "LogSoftmax")
def softmax(node: Node) -> Call:
    operation = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[node.operator]
    return call(operation, floating(node.inputs[0]), hyper={"axis": node.attributes.get("axis", -1)})
