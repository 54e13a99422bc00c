"""Which of a layer's arrays its output depends on: asked by nudging one and looking whether the output changes.

Nothing is computed from the change; it is looked at bit by bit. What forward itself writes (a cache, a buffer) is
overwritten before it is read, and does not move the output, whatever stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from crosscheck.doors.layers.places import Held, private
from crosscheck.operation import Array

# Of the size of the array: a nudge that most code takes, one that a dead unit or a clipped value notices, one to
# numbers that have nothing to do with those that stood there.
SIZES = (2.0**-4, 1.0, 16.0)

Runs = Callable[[Any], Any]


def nudged(a: Any, size: float, rng: np.random.Generator) -> Any:
    """Numbers beside those of `a`, none of them the same."""
    a = np.asarray(a) if isinstance(a, np.ndarray) else a
    largest = float(np.max(np.abs(a), initial=0.0, where=np.isfinite(a)))
    away = np.asarray(rng.uniform(0.5, 1.0, np.shape(a)) * rng.choice([-1.0, 1.0], np.shape(a)))
    moved = np.asarray(a) + away * size * (largest or 1.0)
    return np.asarray(moved, a.dtype) if isinstance(a, np.ndarray) else type(a)(moved)


def all_nudged(base: Any, held: Sequence[Held], size: float, rng: np.random.Generator) -> Any:
    """A copy of the layer with numbers beside those of these arrays."""
    layer = private(base)
    for place in held:
        place.put(layer, nudged(place.value(layer), size, rng))
    return layer


def unchanged(y: Any, z: Any) -> bool:
    """Whether two outputs are the same, NaN and NaN too."""
    a, b = np.asarray(y), np.asarray(z)
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def moves(base: Any, run: Runs, y: Array, held: Sequence[Held]) -> bool:
    """Whether the output depends on any of these arrays; what refuses every nudged value reads it, too."""
    refused = 0
    for number, size in enumerate(SIZES):
        rng = np.random.default_rng([2, number])
        layer = all_nudged(base, held, size, rng)
        try:
            if not unchanged(run(layer), y):
                return True
        except Exception:  # the code at values that its author did not choose
            refused += 1
    return refused == len(SIZES)


def moving(base: Any, run: Runs, y: Array, held: Sequence[Held]) -> list[Held]:
    """Those of the arrays that the output depends on; all are nudged at once first, which mostly settles it.

    What does not move it alone is asked again where all others have other values: behind an array of zeros (a last
    layer that starts at zero, a gate that is closed) nothing moves.
    """
    held = [place for place in held if np.size(place.value(base))]
    if not held or not moves(base, run, y, held):
        return []
    found = [place for place in held if moves(base, run, y, [place])]
    rest = [place for place in held if place not in found]
    there = shaken(base, run, held) if rest else None
    if there is not None:
        elsewhere = run(private(there))
        found += [place for place in rest if moves(there, run, elsewhere, [place])]
    return [place for place in held if place in found]


def shaken(base: Any, run: Runs, held: Sequence[Held]) -> Any:
    """A copy in which all of these arrays have other values, with which it runs; None if it runs with none."""
    for number, size in enumerate(SIZES):
        rng = np.random.default_rng([4, number])
        layer = all_nudged(base, held, size, rng)
        try:
            run(private(layer))
        except Exception:  # the code at values that its author did not choose
            continue
        return layer
    return None


def kept(base: Any, run: Runs, place: Held) -> bool:
    """Whether forward leaves an array as it is, at every entry."""
    layer = private(base)
    here = nudged(place.value(layer), SIZES[0], np.random.default_rng(3))
    place.put(layer, here)
    try:
        run(layer)
        return unchanged(place.value(layer), here)
    except Exception:  # it refuses the value, and has not written to it
        return True
