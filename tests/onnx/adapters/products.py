"""Linear maps: Gemm and MatMul."""

from __future__ import annotations

import numpy as np

from manual import Stage
from tests.onnx.calls import Call, NotHere, adapts, call, floating
from tests.onnx.nodes import Node


@adapts("Gemm")
def general(node: Node) -> Call:
    """alpha and beta stand before the product of the layer: they scale what it is given, in float64."""
    x, weights = (floating(a) for a in node.inputs[:2])
    x = x.T if node.attributes.get("transA") else x
    weights = weights.T if node.attributes.get("transB") else weights
    alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
    shape = len(x), weights.shape[1]
    offsets = np.zeros(()) if node.input(2) is None else floating(node.inputs[2])
    if alpha != 1 or beta != 1:
        x, weights, offsets = (np.asarray(a, np.float64) for a in (x, weights, offsets))
        weights, offsets = alpha * weights, beta * offsets
    biases = np.broadcast_to(offsets, shape).astype(x.dtype)
    if (biases == biases[0]).all():
        return call("linear", x.copy(), weights.copy(), biases[0].copy())
    # A number for every entry: the layer without its bias, and an addition.
    arrays = {"weights": weights.copy(), "zeros": np.zeros(shape[1], x.dtype), "offsets": biases}
    stages = (Stage("linear", ("weights", "zeros")), Stage("add", ("offsets",)))
    return Call(stages, x.copy(), arrays)


@adapts("MatMul")
def product(node: Node) -> Call:
    x, weights = (floating(a) for a in node.inputs)
    if x.ndim != 2 or weights.ndim != 2:
        if weights.ndim == 1 and x.ndim > 1:
            zeros = np.zeros(1, x.dtype)
            return call("projection", x, weights[:, None], zeros, read=lambda y: y[..., 0])
        raise NotHere("other weights for every sample: a layer shares them")
    return call("linear", x, weights, np.zeros(weights.shape[1], x.dtype))
