"""The spaces of what moves a window over images: convolution and pooling."""

from __future__ import annotations

from typing import Any

from crosscheck.spaces.layouts import SIDES, free, image_shape, layouts_of, of_side, remainder, window_facts
from crosscheck.spaces.sizes import EQUAL, ONE_OR_SEVERAL, Equal, equal_exists, equalities, sized
from crosscheck.spaces.space import PARTS, Choices, Rng, Space

# Small: what is wrong with 64 channels is wrong with three, and a difference of every entry takes a moment.
COUNTS = (2, 5)
LENGTHS = (3, 7)
SQUARE, REMAINDER = "square", "remainder"


def convolution(layout: str | tuple[str, ...] = "NCHW", pairs: bool = False) -> Space:
    """The configurations of a convolution of images.

    `make` may take: batch, channels, filters, height, width, kernel, stride, padding, dilation, groups, bias, layout,
    and shape, that of the input in the layout.

    Args:
        layout: "NCHW", "NHWC", or a tuple of both.
        pairs: whether kernel, stride and padding are pairs, of rows and columns.
    """
    dimensions = {
        "batch": ONE_OR_SEVERAL,
        "channels": ONE_OR_SEVERAL,
        "filters": ONE_OR_SEVERAL,
        EQUAL: equalities("batch", "channels", "filters"),
        "kernel": ((1, 1), (2, 3), (3, 2), (3, 3)) if pairs else (1, 2, 3),
        "stride": ((1, 1), (2, 1), (1, 2), (2, 2)) if pairs else (1, 2, 3),
        "padding": ((0, 0), (1, 1), (1, 0), (0, 2)) if pairs else (0, 1, 2),
        **of_sides(),
        "dilation": (1, 2),
        "groups": (1, 2),
        "bias": (True, False),
        "layout": layouts_of(layout),
    }
    related = (("batch", "channels"), ("batch", "filters"), ("channels", "filters"))
    return over_images("convolution", dimensions, pairs, related)


def pooling(layout: str | tuple[str, ...] = "NCHW", pairs: bool = False) -> Space:
    """The configurations of a pool: batch, channels, height, width, kernel, stride, padding, layout, shape.

    Args:
        layout, pairs: as of a convolution.
    """
    dimensions = {
        "batch": ONE_OR_SEVERAL,
        "channels": ONE_OR_SEVERAL,
        EQUAL: equalities("batch", "channels"),
        "kernel": ((2, 2), (1, 1), (2, 3), (3, 2)) if pairs else (2, 1, 3),
        "stride": ((2, 2), (1, 1), (2, 1), (1, 3)) if pairs else (2, 1, 3),
        "padding": ((0, 0), (1, 1), (1, 0)) if pairs else (0, 1),
        **of_sides(),
        "layout": layouts_of(layout),
    }
    return over_images("pooling", dimensions, pairs, (("batch", "channels"),))


def of_sides() -> dict[str, tuple[Any, ...]]:
    """What may be of the two sides of an image: one entry long, equal, and whether windows leave something of them."""
    return {"height": ("several", 1), "width": ("several", 1), SQUARE: (False, True), REMAINDER: (False, True)}


def over_images(name: str, dimensions: dict[str, Any], pairs: bool, related: tuple[tuple[str, str], ...]) -> Space:
    counts = tuple(k for k in ("batch", "channels", "filters") if k in dimensions)

    def valid(point: Choices) -> bool:
        if not equal_exists(point, point[EQUAL]):
            return False
        if point[SQUARE] and point["height"] != point["width"]:
            return False
        # A pool's border may be half a window at most, or a window lies in it.
        kernel, padding, stride = point["kernel"], point["padding"], point["stride"]
        if name == "pooling" and any(2 * p > k for p, k in both(padding, kernel)):
            return False
        # A border of a window or more, in steps, leaves windows that see nothing else, or one entry.
        if any(s > 1 and p >= k for (p, k), (s, _) in zip(both(padding, kernel), both(stride, stride), strict=True)):
            return False
        # What is one entry long must hold the window, and leaves what it leaves. It has no border: of a window that
        # sees one entry and else only zeros most mistakes are none.
        single = [side for side, size in enumerate(SIDES) if point[size] == 1]
        left = [remainder(point, side) > 0 for side in single]
        if any(free(point, side) < 0 or of_side(padding, side) for side in single):
            return False
        if any(left) and not point[REMAINDER]:
            return False
        may = any(of_side(stride, side) > 1 for side in (0, 1) if side not in single)
        return not point[REMAINDER] or may or any(left)

    def settled(point: Choices, rng: Rng | None) -> Choices | None:
        groups = point.get("groups", 1)

        def whole(sizes: Any) -> Choices:
            configuration = {k: v for k, v in point.items() if k not in (EQUAL, SQUARE, REMAINDER)} | dict(sizes)
            for grouped in ("channels", "filters"):
                if grouped in sizes:
                    configuration[grouped] = groups * sizes[grouped]
            configuration["shape"] = image_shape(configuration)
            return configuration

        def fits(sizes: Any) -> bool:
            configuration = whole(sizes)
            left = [remainder(configuration, side) > 0 for side in (0, 1)]
            if min(free(configuration, 0), free(configuration, 1)) < 0 or any(left) != point[REMAINDER]:
                return False
            return point[SQUARE] or sizes["height"] != sizes["width"] or sizes["height"] == 1

        ranges = {**dict.fromkeys(counts, COUNTS), "height": LENGTHS, "width": LENGTHS}
        tied: tuple[Equal, ...] = (point[EQUAL], ("height", "width") if point[SQUARE] else None)
        tied = tuple(pair for pair in tied if pair is not None and equal_exists(point, pair))
        sizes = sized(point, ranges, rng, fits, tied)
        return None if sizes is None else whole(sizes)

    relations = (*related, *SIDES_RELATED, *(pairs_related() if pairs else WINDOWS_RELATED))
    return Space(
        name,
        dimensions,
        valid=valid,
        settled=settled,
        facts=window_facts,
        repeats=("shape",),
        shaped=SHAPED,
        related=relations,
    )


SHAPED = ("batch", "channels", "height", "width", "layout")
SIDES_RELATED = (("height", "width"), ("output height", "output width"))
WINDOWS_RELATED = (("stride", "kernel"), ("padding", "kernel"), ("padding", "stride"))


def pairs_related() -> tuple[tuple[str, str], ...]:
    """Of hyper-parameters that are pairs: each side for itself, and the two sides of one."""
    along = [(f"{x} {side}", f"{y} {side}") for x, y in WINDOWS_RELATED for side in PARTS]
    return (*along, *((f"{x} {PARTS[0]}", f"{x} {PARTS[1]}") for x in ("kernel", "stride", "padding")))


def both(first: Any, second: Any) -> list[tuple[int, int]]:
    """Two hyper-parameters side by side: rows, then columns."""
    a, b = (x if isinstance(x, tuple) else (x, x) for x in (first, second))
    return list(zip(a, b, strict=True))
