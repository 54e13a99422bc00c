"""Rows of convolutions along one axis and three, and of transposed ones.

A size in a point has three entries, of which a layer along fewer axes takes the last.
"""

from __future__ import annotations

from typing import Any

import manual
from crosscheck.lecture.layer_row import Choices, LayerRow, Rng, Shape
from manual import ConvolutionalLayer

SPREAD: tuple[Shape, ...] = ((1, 2, 1), (2, 2, 3, 4), (2, 2, 5), (2, 2, 2, 3, 2), (1, 4, 2, 3))
VOLUMES: tuple[Shape, ...] = ((1, 2, 1), (2, 2, 7), (2, 2, 3, 4, 5), (1, 4, 2, 3, 4))


def along(sizes: Any, count: int) -> Any:
    """The last `count` entries of a size; a word as it is."""
    return sizes if isinstance(sizes, str) else sizes[-count:]


def convolution(rng: Rng, p: Choices) -> ConvolutionalLayer:
    """A layer along as many axes as the shape has."""
    _, channels, *size = p["shape"]
    kind = {1: manual.ConvolutionalLayer1d, 3: manual.ConvolutionalLayer3d}[len(size)]
    sizes = {name: along(p[name], len(size)) for name in ("stride", "padding", "dilation")}
    kernel, groups = along(p["kernel"], len(size)), p["groups"]
    return kind(channels, p["filters"] * groups, kernel, **sizes, groups=groups, rng=rng)


def transposed(rng: Rng, p: Choices) -> manual.TransposedConvolutionalLayer:
    """The same, transposed."""
    _, channels, *size = p["shape"]
    kind = {
        1: manual.TransposedConvolutionalLayer1d,
        2: manual.TransposedConvolutionalLayer,
        3: manual.TransposedConvolutionalLayer3d,
    }[len(size)]
    sizes = {name: along(p[name], len(size)) for name in ("stride", "padding", "dilation", "output_padding")}
    kernel, groups = along(p["kernel"], len(size)), p["groups"]
    return kind(channels, p["filters"] * groups, kernel, **sizes, groups=groups, rng=rng)


def something_is_left(p: Choices) -> bool:
    """Whether the groups divide, the output padding is allowed, and padding leaves something."""
    _, channels, *size = p["shape"]
    if channels % p["groups"]:
        return False
    names = ("stride", "kernel", "dilation", "padding", "output_padding")
    for n, s, k, d, crop, more in zip(size, *(along(p[name], len(size)) for name in names), strict=True):
        before, after = crop if isinstance(crop, tuple) else (crop, crop)
        if more >= max(s, d) or (n - 1) * s + d * (k - 1) + 1 <= before + max(after - more, 0):
            return False
    return True


def fits(p: Choices) -> bool:
    """Whether the windows fit, and the groups divide."""
    _, channels, *size = p["shape"]
    if channels % p["groups"]:
        return False
    if p["padding"] == "same":
        return True
    kernel, padding, dilation = (along(p[name], len(size)) for name in ("kernel", "padding", "dilation"))
    sides = [sum(side) if isinstance(side, tuple) else 2 * side for side in padding]
    return all(n + a >= d * (k - 1) + 1 for n, a, d, k in zip(size, sides, dilation, kernel, strict=True))


CONVOLUTIONS: tuple[LayerRow, ...] = (
    LayerRow(
        "convolution",
        convolution,
        VOLUMES,
        {
            "1-D, 2→3, 3": {"kernel": (3, 3, 3)},
            "1-D, 2 groups, stride 3, ragged, dilation 2, padding per side": {
                "kernel": (2, 2, 2),
                "stride": (3, 3, 3),
                "dilation": (2, 2, 2),
                "padding": ((1, 0), (0, 1), (2, 1)),
                "groups": 2,
            },
            "3-D, 2→2, 2×3×2, padding (1, 0, 2)": {
                "shape": (2, 2, 3, 4, 5),
                "filters": 2,
                "kernel": (2, 3, 2),
                "padding": (1, 0, 2),
            },
            "3-D, 2 groups, stride (2, 1, 3), dilation (1, 2, 2), same": {
                "shape": (1, 4, 2, 3, 4),
                "kernel": (2, 2, 2),
                "stride": (2, 1, 3),
                "dilation": (1, 2, 2),
                "padding": "same",
                "groups": 2,
            },
        },
        {
            "filters": (3, 1, 2),
            "kernel": ((1, 1, 1), (3, 3, 3), (2, 3, 2), (1, 2, 3), (2, 2, 2)),
            "stride": ((1, 1, 1), (2, 1, 3), (1, 2, 2), (3, 3, 3)),
            "padding": ((0, 0, 0), (1, 0, 2), ((1, 0), (0, 1), (2, 1)), "same"),
            "dilation": ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
            "groups": (1, 2),
        },
        fits,
    ),
    LayerRow(
        "transposed_convolution",
        transposed,
        SPREAD,
        {
            "3×2, stride 2, padding 1, output padding 1": {
                "kernel": (1, 3, 2),
                "stride": (2, 2, 2),
                "padding": (0, 1, 0),
                "output_padding": (0, 1, 1),
            },
            "2 groups, 2×3, dilation 2, cropped per side": {
                "shape": (1, 4, 2, 3),
                "filters": 2,
                "kernel": (2, 2, 3),
                "padding": ((0, 0), (0, 1), (2, 0)),
                "dilation": (1, 2, 2),
                "groups": 2,
            },
            "1-D, 2, stride 5, dilation 2: gaps": {
                "shape": (2, 2, 5),
                "kernel": (1, 1, 2),
                "stride": (1, 1, 5),
                "dilation": (1, 1, 2),
            },
            "3-D, 2×1×3, stride (2, 1, 2)": {
                "shape": (2, 2, 2, 3, 2),
                "filters": 2,
                "kernel": (2, 1, 3),
                "stride": (2, 1, 2),
                "padding": (0, 0, 1),
                "output_padding": (1, 0, 1),
            },
        },
        {
            "filters": (3, 1, 2),
            "kernel": ((1, 1, 1), (2, 3, 2), (1, 2, 3), (2, 1, 4)),
            "stride": ((1, 1, 1), (2, 2, 2), (2, 1, 3)),
            "padding": ((0, 0, 0), (0, 1, 1), ((0, 1), (1, 0), (2, 1))),
            "output_padding": ((0, 0, 0), (1, 0, 1)),
            "dilation": ((1, 1, 1), (1, 2, 2)),
            "groups": (1, 2),
        },
        something_is_left,
    ),
)
