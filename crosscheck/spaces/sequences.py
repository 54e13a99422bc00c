"""The spaces of what works on sequences: attention and recurrent layers."""

from __future__ import annotations

from itertools import combinations

from crosscheck.spaces.rows import SEVERAL_ARE, of_sizes
from crosscheck.spaces.sizes import EQUAL, ONE_OR_SEVERAL, equal_exists, equalities, sized
from crosscheck.spaces.space import Choices, Rng, Space

ORDERS = ("NTC", "TNC")


def attention() -> Space:
    """The configurations of attention: batch, heads, queries, keys, size (of a head), causal, masked, bias.

    As many keys as queries where `causal`. `shape` is (batch, queries, heads · size), `keys_shape` that of the keys.
    """
    ranges = {"batch": SEVERAL_ARE, "heads": (2, 3), "queries": SEVERAL_ARE, "keys": SEVERAL_ARE, "size": SEVERAL_ARE}
    itself = ("queries", "keys")
    dimensions = {
        **dict.fromkeys(ranges, ONE_OR_SEVERAL),
        EQUAL: (None, *(pair for pair in equalities(*ranges) if pair is not None)),
        "causal": (False, True),
        "masked": (False, True),
        "bias": (False, True),
    }

    def valid(point: Choices) -> bool:
        if point["causal"] and point["queries"] == point["keys"] and point[EQUAL] != itself and point["keys"] != 1:
            return False
        return equal_exists(point, point[EQUAL]) and (not point["causal"] or point["queries"] == point["keys"])

    def settled(point: Choices, rng: Rng | None) -> Choices | None:
        sizes = sized(point, ranges, rng, tied=(point[EQUAL],))
        if sizes is None:
            return None
        configuration = {k: v for k, v in point.items() if k != EQUAL} | sizes
        batch, width = sizes["batch"], sizes["heads"] * sizes["size"]
        shapes = {"shape": (batch, sizes["queries"], width), "keys_shape": (batch, sizes["keys"], width)}
        return {**configuration, **shapes}

    return Space(
        "attention",
        dimensions,
        valid=valid,
        settled=settled,
        repeats=("shape", "keys_shape"),
        shaped=tuple(ranges),
        related=tuple(combinations(ranges, 2)),
    )


def recurrent(layout: str | tuple[str, ...] = "NTC") -> Space:
    """The configurations of a recurrent layer: batch, steps, inputs, hidden, initial (whether a first state is given),
    reverse, last (whether the last state alone is returned), bias, layout, shape.

    Args:
        layout: "NTC", "TNC" (steps first), or a tuple of both.
    """
    given = (layout,) if isinstance(layout, str) else tuple(layout)
    for one in given:
        if one not in ORDERS:
            raise ValueError(f"layout is {one!r}; it must be one of {', '.join(ORDERS)}, or a tuple of them")
    sizes = {"N": "batch", "T": "steps", "C": "inputs"}
    flags = {name: (False, True) for name in ("initial", "reverse", "last")}
    return of_sizes(
        "recurrent",
        ("batch", "steps", "inputs", "hidden"),
        {**flags, "bias": (True, False), "layout": given},
        lambda c: tuple(sizes[letter] for letter in c["layout"]),
    )
