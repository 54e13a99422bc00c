"""Convolution, and the transposed one."""

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


@adapts("ConvTranspose")
def transposed(node: Node) -> Call:
    x, filters = (floating(a) for a in node.inputs[:2])
    axes, attributes = x.ndim - 2, node.attributes
    groups = attributes.get("group", 1)
    outputs = groups * filters.shape[1]
    biases = np.zeros(outputs, x.dtype) if node.input(2) is None else floating(node.inputs[2])
    stride, dilation = (tuple(attributes.get(name, [1] * axes)) for name in ("strides", "dilations"))
    more = list(attributes.get("output_padding", [0] * axes))
    way, pads = attributes.get("auto_pad", "NOTSET"), attributes.get("pads", [0] * 2 * axes)
    sides = list(zip(pads[:axes], pads[axes:], strict=True))
    wanted = attributes.get("output_shape")
    if wanted is None and way in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    for axis, size in enumerate(wanted or ()):
        whole = stride[axis] * (x.shape[2 + axis] - 1) + dilation[axis] * (filters.shape[2 + axis] - 1) + 1
        total = whole + more[axis] - size
        half, rest = max(total, 0) // 2, max(total, 0) - max(total, 0) // 2
        sides[axis] = (half, rest) if way == "SAME_UPPER" else (rest, half)
        more[axis] += max(-total, 0)  # an output that is longer than all that the filter reaches
    hyper: dict[str, Any] = {
        "stride": stride,
        "padding": tuple(sides),
        "output_padding": tuple(more),
        "dilation": dilation,
        "groups": groups,
    }
    return call("transposed_convolution", x, filters, biases, hyper=hyper)
