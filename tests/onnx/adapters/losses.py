"""Losses."""

from __future__ import annotations

import numpy as np

from tests.onnx.calls import Array, Call, adapts, call, constant, floating
from tests.onnx.nodes import Node


@adapts("SoftmaxCrossEntropyLoss")
def entropy(node: Node) -> Call:
    """With the positions of every sample as samples, the classes last."""
    scores, labels = floating(node.inputs[0]), np.asarray(node.inputs[1])
    behind = labels.shape

    def rows(array: Array) -> Array:
        return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])

    def images(y: Array) -> Array:
        return np.moveaxis(y.reshape(*behind, -1), -1, 1)

    hyper = {
        "target": labels.reshape(-1),
        "weights": None if node.input(2) is None else constant(np.asarray(node.inputs[2])),
        "ignored": node.attributes.get("ignore_index"),
        "reduction": node.attributes.get("reduction", "mean"),
    }
    also = {1: call("log_softmax", rows(scores), read=images)} if node.output(1) is not None else {}

    def read(y: Array) -> Array:
        return np.reshape(y, behind if np.ndim(y) else ())

    return call("softmax_cross_entropy", rows(scores), hyper=hyper, read=read, also=also)
