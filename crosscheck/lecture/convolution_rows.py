"""Rows of convolutions along one axis and three, and of transposed ones.

A size in a point has three entries, of which a layer along fewer axes takes the last.
"""

from __future__ import annotations

from typing import Any

import manual
from crosscheck.lecture.layer_row import Choices, LayerRow, Rng, Shape
from manual import ConvolutionalLayer

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
)
