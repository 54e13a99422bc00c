"""A repeated index counted once: `dx[i] += g` where `np.add.at(dx, i, g)` adds up.

A step that takes entries by their index gives to each entry the sum of all that arrives at what was taken of it.
NumPy's `+=` reads, adds and writes back: of an index that comes twice the last addition stays. So what a step of the
forward that takes entries (a row of a table, the windows of an image by arrays of indices) gives back is tried with
the last of the contributions to an entry, and with the first, in the order in which NumPy goes through them.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Arriving, Call
from crosscheck.diagnosis.labels import label
from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.steps import at_step, live_steps
from crosscheck.traces.precision import double_precision

KEPT = ("last", "first")


def taken_from(point: Point, k: int) -> Array:
    """The number of the entry, row by row, that each entry of a taking step's result is; -1 for one from outside."""
    assert point.tape is not None
    step = point.tape.steps[k]
    operands = [point.values[r] for r in step.reads]
    size = int(np.prod(np.shape(operands[0])))
    with double_precision():
        numbers = jnp.arange(1.0, 1.0 + size).reshape(np.shape(operands[0]))
        rest = [jnp.asarray(a) for a in operands[1:]]
        taken = np.asarray(step.eqn.primitive.bind(numbers, *rest, **step.eqn.params))
    inside = np.isfinite(taken) & (taken >= 1) & (taken <= size)
    return np.where(inside, taken, 0).astype(np.int64) - 1


def repeats(numbers: Array) -> bool:
    """Whether an entry is taken twice."""
    inside = numbers[numbers >= 0]
    return np.unique(inside).size < inside.size


def counted_once(point: Point, k: int, which: str, arriving: Array) -> Array:
    """What arrives at a taking step, put back to where it was taken from: of several the last, or the first, stays."""
    assert point.tape is not None
    places, g = taken_from(point, k).ravel(), np.asarray(arriving).ravel()
    if which == "first":
        places, g = places[::-1], g[::-1]
    shape = point.tape.avals[point.tape.steps[k].reads[0]].shape
    back = np.zeros(int(np.prod(shape)), g.dtype)
    back[places[places >= 0]] = g[places >= 0]
    return back.reshape(shape)


def repeated_indices(problem: Problem, name: str) -> Iterator[Candidate]:
    """Entries that are taken by their index more than once, and given back by assignment."""
    for tape, k, step in live_steps(problem):
        if step.name != "gather" or step.active != (0,) or not repeats(taken_from(problem.given, k)):
            continue
        for which in KEPT:
            text = (
                f"keeps only the {which} of several contributions to a repeated index of {label(tape, k)} instead of "
                "adding up (a[i] += g for np.add.at(a, i, g))"
            )
            gives = ((0, Call(counted_once, (HERE, k, which, Arriving(k)))),)
            yield at_step(tape, "overwritten", text, k, gives=gives)
