"""The spaces of what works on rows of features: dense layers, norms, elementwise functions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

from crosscheck.spaces.layouts import image_shape, layouts_of
from crosscheck.spaces.sizes import EQUAL, ONE_OR_SEVERAL, SEVERAL, Equal, equal_exists, equalities, sized
from crosscheck.spaces.space import Choices, Rng, Space

SEVERAL_ARE = (2, 6)
SQUARE = "square"
GROUPS = (1, 2)


def dense() -> Space:
    """The configurations of a dense layer: batch, inputs, outputs, bias, and shape, that of the input."""
    names = ("batch", "inputs", "outputs")
    return of_sizes("dense", names, {"bias": (True, False)}, lambda c: ("batch", "inputs"))


def of_sizes(
    name: str, names: tuple[str, ...], others: dict[str, Any], axes: Callable[[Choices], tuple[str, ...]]
) -> Space:
    """A space of sizes, any two of which may be equal, and of choices that have nothing to do with them; `axes` says
    which sizes the input's shape is made of."""
    dimensions = {**dict.fromkeys(names, ONE_OR_SEVERAL), EQUAL: equalities(*names), **others}

    def settled(point: Choices, rng: Rng | None) -> Choices | None:
        sizes = sized(point, dict.fromkeys(names, SEVERAL_ARE), rng, tied=(point[EQUAL],))
        if sizes is None:
            return None
        configuration = {k: v for k, v in point.items() if k != EQUAL} | sizes
        return {**configuration, "shape": tuple(configuration[axis] for axis in axes(configuration))}

    return Space(
        name,
        dimensions,
        valid=lambda point: equal_exists(point, point[EQUAL]),
        settled=settled,
        repeats=("shape",),
        shaped=axes({k: choices[0] for k, choices in dimensions.items()}),
        related=tuple(combinations(names, 2)),
    )


def normalization(layout: str | tuple[str, ...] | None = None) -> Space:
    """The configurations of a norm: batch, features, eps, affine, training, and shape, that of the input.

    Args:
        layout: None, for rows of features; for images "NCHW", "NHWC", or a tuple of both: then channels, height, width,
            groups (which divide the channels) and layout in the place of features.
    """
    others = {"eps": (1e-5, 0.5), "affine": (True, False), "training": (True, False)}
    if layout is None:
        return of_sizes("normalization", ("batch", "features"), others, lambda c: ("batch", "features"))
    ranges = {"batch": SEVERAL_ARE, "channels": SEVERAL_ARE, "height": SEVERAL_ARE, "width": SEVERAL_ARE}
    dimensions = {
        **dict.fromkeys(ranges, ONE_OR_SEVERAL),
        EQUAL: equalities("batch", "channels"),
        SQUARE: (False, True),
        "groups": GROUPS,
        **others,
        "layout": layouts_of(layout),
    }

    def valid(point: Choices) -> bool:
        if point[SQUARE] and point["height"] != point["width"]:
            return False
        return equal_exists(point, point[EQUAL]) and (point["groups"] == 1 or point["channels"] == SEVERAL)

    def settled(point: Choices, rng: Rng | None) -> Choices | None:
        square: Equal = ("height", "width")
        tied = [point[EQUAL]] if point[EQUAL] else []
        tied += [square] if point[SQUARE] and equal_exists(point, square) else []
        sizes = sized(point, ranges, rng, lambda s: s["channels"] % point["groups"] == 0, tuple(tied))
        if sizes is None:
            return None
        configuration = {k: v for k, v in point.items() if k not in (EQUAL, SQUARE)} | sizes
        return {**configuration, "shape": image_shape(configuration)}

    return Space(
        "normalization",
        dimensions,
        valid=valid,
        settled=settled,
        facts=lambda c: {"channels of a group": c["channels"] // c["groups"], "positions": c["height"] * c["width"]},
        repeats=("shape",),
        shaped=(*ranges, "layout"),
        related=(("batch", "channels"), ("height", "width"), ("groups", "channels")),
    )


BROADCAST = ("same", "row", "column", "scalar")


def elementwise() -> Space:
    """The configurations of an elementwise function: shape, and for one of two arrays other_shape.

    `make` may also take: axes (1, 2 or 3), rows, columns, depth, and broadcast, which says what the other array is to
    the first: "same", "row" (a last axis alone), "column" (the last axis is 1) or "scalar".
    """
    ranges = {"rows": SEVERAL_ARE, "columns": SEVERAL_ARE, "depth": SEVERAL_ARE}
    dimensions = {
        "axes": (2, 1, 3),
        **dict.fromkeys(ranges, ONE_OR_SEVERAL),
        EQUAL: (None, ("rows", "columns")),
        "broadcast": BROADCAST,
    }

    def valid(point: Choices) -> bool:
        if point["axes"] == 1 and (point["rows"] != 1 or point["broadcast"] == "column"):
            return False
        return equal_exists(point, point[EQUAL]) and (point["axes"] == 3 or point["depth"] == 1)

    def settled(point: Choices, rng: Rng | None) -> Choices | None:
        sizes = sized(point, ranges, rng, tied=(point[EQUAL],))
        if sizes is None:
            return None
        shape = (sizes["depth"], sizes["rows"], sizes["columns"])[3 - point["axes"] :]
        others = {"same": shape, "row": shape[-1:], "column": (*shape[:-1], 1), "scalar": ()}
        configuration = {k: v for k, v in point.items() if k != EQUAL} | sizes
        return {**configuration, "shape": shape, "other_shape": others[point["broadcast"]]}

    return Space(
        "elementwise",
        dimensions,
        valid=valid,
        settled=settled,
        facts=lambda c: {"entries": c["rows"] * c["columns"] * c["depth"]},
        repeats=("shape", "other_shape"),
        shaped=tuple(k for k in dimensions if k != EQUAL),
        related=(("rows", "columns"),),
    )
