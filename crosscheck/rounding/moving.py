"""What only rearranges entries, done by NumPy: where a program is evaluated by equations it need not be compiled.

An unrolled loop reads `x[0]`, `x[1]`, …: as many different slices, and their transposes as many different paddings,
each of which would be compiled for a tenth of a second. They round nothing: value, copies and terms are moved alike.

    by_numpy(eqn, planes, run)      the planes of the results, or None for an equation that is not of this kind
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.extend import core

from crosscheck.rounding.copies import Plane, Run
from crosscheck.rounding.moves import MOVES, Move
from crosscheck.rounding.sizes import inexact
from crosscheck.rounding.terms import standing

Array = np.ndarray


def by_numpy(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Plane] | None:
    move = MOVES.get(eqn.primitive.name)
    if move is None or not all(isinstance(p.value, (np.ndarray, jax.Array)) for p in planes):
        return None
    if not all(isinstance(p.value.dtype, np.dtype) for p in planes):  # a random key
        return None
    run.number = run.number + 1  # as an equation that draws has
    values = [np.asarray(p.value) for p in planes]
    outs = move(eqn.params, values, 0)
    nothing: list[Any] = [None] * len(outs)
    copies = moved_copies(eqn, move, planes, values, run) if any(p.copies is not None for p in planes) else nothing
    summed = not run.free and inexact(values[0]) and any(p.terms is not None for p in planes)
    sums = move(eqn.params, [sum_beneath(p, run) for p in planes], 0) if summed else nothing
    return [Plane(*each) for each in zip(outs, copies, [None if s is None else np.abs(s) for s in sums], strict=True)]


def moved_copies(eqn: core.JaxprEqn, move: Move, planes: list[Plane], values: list[Array], run: Run) -> list[Any]:
    """The copies, moved behind their own axis. Integers have none in a locked run."""
    if not (run.free or inexact(values[0])):
        return [None] * len(eqn.outvars)
    given = [
        np.broadcast_to(v, (run.copies, *v.shape)) if p.copies is None else np.asarray(p.copies)
        for p, v in zip(planes, values, strict=True)
    ]
    return move(eqn.params, given, 1)


def sum_beneath(plane: Plane, run: Run) -> Array:
    """S of an operand, itself where it was not added up."""
    found = standing(np.asarray(plane.value), plane.terms, run.unit, run.amplitude)
    return np.abs(np.asarray(plane.value)) if found is None else np.asarray(found)
