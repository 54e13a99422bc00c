"""Normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import Stage
from tests.onnx.calls import Array, Call, adapts, call, floating
from tests.onnx.nodes import Node


@adapts("BatchNormalization")
def batch(node: Node) -> Call:
    x, scales, biases, mean, variance = map(floating, node.inputs)
    training = bool(node.attributes.get("training_mode", 0))
    hyper = {
        "training": training,
        "momentum": 1 - node.attributes.get("momentum", 0.9),  # ONNX's is the share of the old ones
        "eps": node.attributes.get("epsilon", 1e-5),
    }
    state = {"running_mean": mean, "running_variance": variance}
    stage = Stage("batch_norm", ("scales", "biases"), hyper, state=tuple(state))
    return Call((stage,), x, {"scales": scales, "biases": biases}, state)


def sizes(x: Array, axis: int) -> tuple[int, ...]:
    return x.shape[axis % x.ndim :]


@adapts("LayerNormalization")
def layer(node: Node) -> Call:
    x, scales, *biases = (floating(a) for a in node.inputs if a is not None)
    shape = sizes(x, node.attributes.get("axis", -1))
    zeros = np.zeros(shape, x.dtype)
    offsets = np.reshape(biases[0], shape) if biases else zeros
    hyper = {"eps": node.attributes.get("epsilon", 1e-5)}
    return call("layer_norm", x, np.reshape(scales, shape), offsets, hyper=hyper)


@adapts("RMSNormalization")
def root_mean_square(node: Node) -> Call:
    x, scales = map(floating, node.inputs)
    shape = sizes(x, node.attributes.get("axis", -1))
    hyper = {"eps": node.attributes.get("epsilon", 1e-5)}
    return call("rms_norm", x, np.broadcast_to(scales, shape).copy(), hyper=hyper)


@adapts("GroupNormalization", "InstanceNormalization")
def group(node: Node) -> Call:
    x, scales, biases = map(floating, node.inputs)
    groups = node.attributes.get("num_groups", x.shape[1])
    hyper: dict[str, Any] = {"groups": groups, "eps": node.attributes.get("epsilon", 1e-5)}
    return call("group_norm", x, scales, biases, hyper=hyper)


@adapts("MeanVarianceNormalization")
def standardized(node: Node) -> Call:
    axes = tuple(node.attributes.get("axes", (0, 2, 3)))
    # ONNX adds 1e-9 to the standard deviation, not under the root.
    return call("standardization", floating(node.inputs[0]), hyper={"axes": axes, "eps": 1e-9})
