"""Convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.onnx.adapters.pooling import padding
from tests.onnx.calls import Call, adapts, call, floating
from tests.onnx.nodes import Node


@adapts("Conv")
def convolution(node: Node) -> Call:
    x, filters = (floating(a) for a in node.inputs[:2])
    biases = np.zeros(len(filters), x.dtype) if node.input(2) is None else floating(node.inputs[2])
    axes = x.ndim - 2
    stride = tuple(node.attributes.get("strides", [1] * axes))
    hyper: dict[str, Any] = {
        "stride": stride,
        "padding": padding(node, x.shape[2:], filters.shape[2:], stride),
        "dilation": tuple(node.attributes.get("dilations", [1] * axes)),
        "groups": node.attributes.get("group", 1),
    }
    return call("convolution", x, filters, biases, hyper=hyper)
