"""Resize and Upsample: ONNX's places of the outputs as lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.onnx.calls import Call, NotHere, adapts, call, floating
from tests.onnx.nodes import Node

ROUNDINGS = {"round_prefer_floor": "half down", "round_prefer_ceil": "half up", "floor": "down", "ceil": "up"}
PLACINGS = {"half_pixel": "centres", "align_corners": "corners", "asymmetric": "origins"}


@adapts("Resize", "Upsample")
def resized(node: Node) -> Call:
    x = floating(node.inputs[0])
    mode = node.attributes.get("mode", "nearest")
    if mode == "cubic":
        raise NotHere("cubic: issue 13 names nearest and bilinear")
    if "extrapolation_value" in node.attributes:
        raise NotHere("a constant beyond the border, which is no weighted sum of the input")
    scales, sizes = factors(node, x.shape)
    assert scales[:2] == [1, 1]
    region = node.input(1) if node.operator == "Resize" else None
    way = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    way = "asymmetric" if node.operator == "Upsample" else way
    along = list(zip(x.shape, sizes, scales, strict=True))
    whole = way in PLACINGS and all(scale == count / n for n, count, scale in along)
    lines = tuple(line(way, *along[axis], part(node, region, axis, x.ndim)) for axis in range(2, x.ndim))
    rounding = "floor" if node.operator == "Upsample" else node.attributes.get("nearest_mode", "round_prefer_floor")
    hyper: dict[str, Any] = {
        "size": tuple(sizes[2:]),
        "rule": {"nearest": "nearest", "linear": "bilinear"}[mode],
        "placing": PLACINGS[way] if whole else lines,
        "rounding": ROUNDINGS[rounding],
        "antialias": bool(node.attributes.get("antialias", 0)),
    }
    return call("resampling", x, hyper=hyper)


def factors(node: Node, shape: tuple[int, ...]) -> tuple[list[float], list[int]]:
    """The scale and the size of every axis."""
    axes = [axis % len(shape) for axis in node.attributes.get("axes", range(len(shape)))]
    scales, sizes = [1.0] * len(shape), list(shape)
    given = node.input(2) if node.operator == "Resize" else node.input(1)
    if given is not None and np.size(given):
        for axis, scale in zip(axes, given, strict=True):
            scales[axis], sizes[axis] = float(scale), int(np.floor(float(scale) * shape[axis]))
        return scales, sizes
    wanted = [int(n) for n in node.inputs[3]]
    policy = node.attributes.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        choose = {"not_larger": min, "not_smaller": max}[policy]
        one = choose(n / shape[axis] for axis, n in zip(axes, wanted, strict=True))
        for axis in axes:
            scales[axis], sizes[axis] = one, int(np.floor(one * shape[axis] + 0.5))
        return scales, sizes
    for axis, n in zip(axes, wanted, strict=True):
        scales[axis], sizes[axis] = n / shape[axis], n
    return scales, sizes


def part(node: Node, region: Any, axis: int, ndim: int) -> tuple[float, float]:
    """Where the region of an axis begins and ends, as shares."""
    if region is None or not np.size(region):
        return 0.0, 1.0
    axes = [a % ndim for a in node.attributes.get("axes", range(ndim))]
    at = axes.index(axis)
    return float(region[at]), float(region[at + len(axes)])


def line(way: str, entries: int, count: int, scale: float, region: tuple[float, float]) -> tuple[float, float]:
    """The place of the first output and the step to the next."""
    length, (begin, end) = scale * entries, region
    if way == "asymmetric":
        return 0.0, 1 / scale
    if way == "align_corners":
        return (0.0, 0.0) if length == 1 else (0.0, (entries - 1) / (length - 1))
    if way == "tf_crop_and_resize":
        return begin * (entries - 1), (end - begin) * (entries - 1) / (length - 1)
    if way == "pytorch_half_pixel" and length == 1:
        return -0.5, 0.0
    first = 0.5 / scale - 0.5
    if way == "half_pixel_symmetric":
        first += entries / 2 * (1 - count / length)
    return first, 1 / scale
