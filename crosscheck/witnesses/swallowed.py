"""Moves that a decision never sees, because rounding swallows them on the way to it.

    max(1 - x_0, 1 - x_1)    at x = 0, moved by 2^-511 s

stays a tie at every such point, and the gradient stays what it is: not since x lies inside of one smooth piece, but
since 1 - x is 1. The program is evaluated at both points side by side, and an equation that adds, or rounds a function,
swallows where an operand moves and its result does not. What is computed of that is marked, and a tie that is decided
of something marked has not seen the move.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import Arrays
from crosscheck.traces.once import forward_program
from crosscheck.traces.precision import double_precision
from crosscheck.traces.primitives import Kind, primitive
from crosscheck.traces.walk import evaluate, walk

Array = np.ndarray

SWALLOWING = (Kind.ADDS, Kind.SUMS, Kind.CONTRACTS, Kind.FUNCTION, Kind.DIVIDES, Kind.CASTS, Kind.ALGEBRA, Kind.FOURIER)


# Two numbers of which each was rounded twice, as 1 - x / 3, are that far apart at the most where they are equal in
# truth. More would only leave more undecided.
ROUNDINGS = 4


class There(NamedTuple):
    """The same value at the other point, and whether something was swallowed on the way to it."""

    value: Any
    marked: bool = False


class Beside:
    """The algebra: `unseen` is whether a tie was decided of something that is marked."""

    def __init__(self) -> None:
        self.unseen = False

    def constant(self, value: Any) -> There:
        return There(value)

    def equation(self, eqn: core.JaxprEqn, values: list[Any], notes: list[There]) -> tuple[list[Any], list[There]]:
        outs, there = evaluate(eqn, values), evaluate(eqn, [n.value for n in notes])
        row, marked = primitive(eqn.primitive.name), any(n.marked for n in notes)
        self.unseen |= marked and (row.kind is Kind.LOOPS or (row.decides and tied(values)))
        if row.kind in SWALLOWING and not marked:
            for k, (value, note) in enumerate(zip(values, notes, strict=True)):
                moved = differ(value, note.value)
                if moved.any():  # one operand at a time: what another moves says nothing of this one
                    alone = evaluate(eqn, [*values[:k], note.value, *values[k + 1 :]])
                    marked |= any(stays(o, t, moved) for o, t in zip(outs, alone, strict=True))
        return outs, [There(t, marked) for t in there]


def tied(operands: list[Any]) -> bool:
    """Whether any of two operands, or any within one, are equal up to rounding; one alone is compared with 0, too."""
    floats = [a for a in map(np.asarray, operands) if a.dtype.kind == "f"]
    if len(floats) > 1:
        return any(bool(close(a, b).any()) for a, b in combinations(floats, 2))
    numbers = [np.sort(np.append(a.ravel(), 0.0)) for a in floats]
    return any(bool(close(a[1:], a[:-1]).any()) for a in numbers)


def close(a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(a - b) <= ROUNDINGS * UNIT[DOUBLE] * np.maximum(np.abs(a), np.abs(b)))


def differ(a: Any, b: Any) -> Array:
    return np.asarray(np.asarray(a) != np.asarray(b))


def stays(here: Any, there: Any, moved: Array) -> bool:
    """Whether an entry of a result stays though the operand moves: entry by entry where that is of its shape."""
    still = ~differ(here, there)
    return bool((still & moved).any() if moved.shape in ((), still.shape) else still.any())


def not_seen(reference: Callable[..., Any], inputs: Arrays, moved: Arrays, name: str) -> Array:
    """The entries of one input of which some tie in the reference may not see that they were moved.

    Zeros move least, and are moved by themselves; what is swallowed of them says nothing of the others.
    """
    zero = {k: inputs[k] == 0 for k in moved}
    found = np.zeros(inputs[name].shape, bool)
    with double_precision():
        program = forward_program(reference, inputs)
        here = jax.tree.leaves(inputs)
        for moving in (zero, {k: ~z for k, z in zero.items()}):
            there = {k: np.where(moving[k], moved[k], a) if k in moved else a for k, a in inputs.items()}
            beside = Beside()
            walk(program.jaxpr, program.consts, here, [There(a) for a in jax.tree.leaves(there)], beside)
            if beside.unseen:
                found |= moving[name]
    return found
