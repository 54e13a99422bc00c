"""Parameters that are lists of plain numbers, or lists of lists of them: `weights = [[0.1, 0.2], [0.3, 0.4]]`.

Plain numbers are constants, mostly. A list for which backward leaves an array that is called its gradient is a
parameter, and is put into the copy that is worked on as an array, if forward then says the same bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from crosscheck import draws
from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.places import Path, at, every, private, put, spelled, walk
from crosscheck.doors.layers.route import ORDINARY_RATE
from crosscheck.doors.layers.spelling import TIERS, gradient_names, named_as, parameter_names
from crosscheck.doors.layers.steps import rate_argument


def as_arrays(look: Looking) -> Any:
    """The layer with arrays for those lists of numbers that are parameters."""
    lists = dict(lists_of(look.base))
    found = [path for path in lists if is_parameter(look, path, lists[path])] if lists else []
    if not found:
        return look.base
    layer = private(look.base)
    for path in found:
        put(layer, path, lists[path])
    try:
        same = nudges.unchanged(look.run(private(layer)), look.run(private(look.base)))
    except Exception:  # it appends to the list, or asks whether it is one
        same = False
    if not same:
        return look.base
    look.say("lists", f"lists of numbers in {look.title}, taken as arrays: {', '.join(map(spelled, found))}")
    return layer


def lists_of(root: Any) -> Iterator[tuple[Path, np.ndarray]]:
    """Every list of floats, or of equally long lists of them, as an array; the outermost."""
    seen: list[Path] = []
    for path, thing in sorted(every(root), key=lambda row: len(row[0])):
        if isinstance(thing, list) and not any(path[: len(p)] == p for p in seen) and numbers(thing):
            try:
                a = np.array(thing)
            except ValueError:  # of unequal lengths
                continue
            seen.append(path)
            yield path, a


def numbers(thing: Any) -> bool:
    """Whether it is a number, or lists of nothing else, to the bottom."""
    return isinstance(thing, float) or (isinstance(thing, list) and bool(thing) and all(map(numbers, thing)))


def is_parameter(look: Looking, path: Path, a: np.ndarray) -> bool:
    """Whether backward leaves an array of this shape that is called the gradient of what stands there."""
    layer, calling = private(look.base), look.calling
    try:
        y, handed = calling.run(layer, look.inputs)
        asked = rate_argument(calling, True)
        v = draws.cotangent(np.shape(y), np.random.default_rng(0))
        calling.back(layer, v, handed, {} if asked is None else {asked: ORDINARY_RATE})
        names = parameter_names(path)
        return any(
            np.shape(g) == a.shape and any(named_as(names, gradient_names(where), tier) for tier in TIERS)
            for where, g in walk(layer)
            if where != path and np.ndim(at(layer, where))
        )
    except Exception:  # what is asked here is asked again, and then said
        return False
