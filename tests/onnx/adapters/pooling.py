"""Pooling: ONNX's attributes, "auto_pad" among them, as the layers take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.onnx.calls import Array, Call, adapts, call, floating
from tests.onnx.nodes import Node

Pairs = tuple[tuple[int, int], ...]


def padding(node: Node, size: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]) -> Pairs:
    """((before, after), ...) for every spatial axis."""
    way = node.attributes.get("auto_pad", "NOTSET")
    dilation = node.attributes.get("dilations", [1] * len(size))
    if way in ("SAME_UPPER", "SAME_LOWER"):
        found = []
        for n, k, s, d in zip(size, window, stride, dilation, strict=True):
            total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            half, rest = total // 2, total - total // 2
            found.append((half, rest) if way == "SAME_UPPER" else (rest, half))
        return tuple(found)
    pads = node.attributes.get("pads", [0] * 2 * len(size))
    return tuple(zip(pads[: len(size)], pads[len(size) :], strict=True))


def windows(node: Node, size: tuple[int, ...]) -> dict[str, Any]:
    """pool_size, stride, padding, and dilation and ceil where they are set."""
    window = tuple(node.attributes["kernel_shape"])
    stride = tuple(node.attributes.get("strides", [1] * len(size)))
    hyper: dict[str, Any] = {"pool_size": window, "stride": stride, "padding": padding(node, size, window, stride)}
    if "dilations" in node.attributes:
        hyper["dilation"] = tuple(node.attributes["dilations"])
    if node.attributes.get("ceil_mode"):
        hyper["ceil"] = True
    return hyper


@adapts("MaxPool")
def largest(node: Node) -> Call:
    x = floating(node.inputs[0])
    further = {1: lambda layer, at: places(layer, at, node)} if node.output(1) is not None else {}
    return call("max_pooling", x, hyper=windows(node, x.shape[2:]), further=further)


def places(layer: Any, x: Array, node: Node) -> Array:
    """The places of the maxima, read off where a backward puts numbers that are all different."""
    y = layer.forward(x)
    indices = np.asarray(node.outputs[1])
    g = np.arange(1.0, y.size + 1).reshape(y.shape)
    expected = np.zeros(x.size)
    flat = np.ravel(indices if not node.attributes.get("storage_order") else by_rows(indices, x.shape))
    np.add.at(expected, flat, g.ravel())
    same = np.array_equal(layer.backward(g).ravel(), expected)
    return indices if same else np.full(indices.shape, -1)


def by_rows(indices: Array, shape: tuple[int, ...]) -> Array:
    """Indices that count along columns first as those that count along rows."""
    plane = int(np.prod(shape[2:]))
    image, place = np.divmod(indices, plane)
    columns_first = np.unravel_index(place, shape[:1:-1])
    return image * plane + np.ravel_multi_index(columns_first[::-1], shape[2:])


@adapts("AveragePool")
def mean(node: Node) -> Call:
    x = floating(node.inputs[0])
    hyper = windows(node, x.shape[2:])
    hyper["counting"] = bool(node.attributes.get("count_include_pad", 0))
    if node.name == "averagepool_2d_ceil_last_window_starts_on_pad":
        # 4 entries in a window of 9 places, and what comes of them, each stated to 4 decimals.
        stated = (1 + 4 / 9) * 0.5e-4
        note = "ONNX states the input and the output to 4 decimals"
        return call("average_pooling", x, hyper=hyper, stated=stated, note=note)
    return call("average_pooling", x, hyper=hyper)


@adapts("LpPool")
def norm(node: Node) -> Call:
    x = floating(node.inputs[0])
    return call("lp_pooling", x, hyper={**windows(node, x.shape[2:]), "order": float(node.attributes.get("p", 2))})


@adapts("GlobalAveragePool", "GlobalMaxPool")
def whole(node: Node) -> Call:
    x = floating(node.inputs[0])
    operation = {"GlobalAveragePool": "average_pooling", "GlobalMaxPool": "max_pooling"}[node.operator]
    return call(operation, x, hyper={"pool_size": x.shape[2:]})
