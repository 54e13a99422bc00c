"""Mistakes at an indexing: what comes back to an entry that is read several times is to be added up.

    y = x[i]      x̄_e = Σ ȳ_p over the places p of y that were read from entry e                     (1)

`grad[i] = g` keeps one term of (1), the last that is written, and so does NumPy's `grad[i] += g`; `np.add.at` adds.
Where every entry is read once the indexing is an order, which the backward undoes: what is to be written to `i` is
left as it arrives, or read from `i`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Arriving, Call
from crosscheck.diagnosis.labels import label
from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.steps import at_step, live_steps
from crosscheck.traces.precision import double_precision
from crosscheck.traces.tape import as_function


def read_from(point: Point, k: int) -> Array:
    """Which entry of the operand each entry of the result was read from; -1 where it lay outside."""
    tape = point.tape
    assert tape is not None
    step = tape.steps[k]
    shape = point.value(step.reads[0]).shape
    numbers = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)  # 0 and NaN are what is filled in outside
    with double_precision():
        read = as_function(step.eqn)(numbers, *[point.values[place] for place in step.reads[1:]])[0]
    return np.nan_to_num(np.asarray(read)).astype(np.int64) - 1


def places_of(point: Point, k: int) -> Array:
    """`read_from`, once for all that is tried there."""
    return point.once(("read from", k), lambda: read_from(point, k))


def written(point: Point, k: int, g: Array, way: str) -> Array:
    """What goes back to the operand if the terms of (1) are not added up but one is kept, or their mean."""
    shape = point.value(point.tape.steps[k].reads[0]).shape if point.tape is not None else ()
    places = places_of(point, k)
    inside = places >= 0
    entries, terms = places[inside], g[inside]
    out = np.zeros(int(np.prod(shape)), g.dtype)
    if way == "mean":
        np.add.at(out, entries, terms)
        return (out / np.maximum(np.bincount(entries, minlength=out.size), 1)).reshape(shape)
    if way == "first":
        entries, terms = entries[::-1], terms[::-1]
    out[entries] = terms  # NumPy goes through them in order
    return out.reshape(shape)


def read_again(point: Point, k: int, g: Array) -> Array:
    """What arrives, read at the places to which it is to be written."""
    places = places_of(point, k)
    return g.ravel()[places]


def gather_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """An entry that is read several times gets one term of its sum, or their mean; an order is not undone."""
    for tape, k, step in live_steps(problem):
        if step.name != "gather" or step.active != (0,):
            continue
        what, arriving = label(tape, k), Arriving(k)
        places = places_of(problem.given, k)
        inside = places[places >= 0]
        if np.unique(inside).size < inside.size:
            for way in ("last", "first"):
                text = (
                    f"keeps only the {way} of several contributions to an entry that {what} reads, instead of adding up"
                )
                if way == "last":
                    text += " (a[i] += g for np.add.at(a, i, g))"
                given = Call(written, (HERE, k, arriving, way))
                yield at_step(tape, "overwritten", text, k, gives=((0, given),))
            text = f"averages what comes back to an entry that {what} reads several times instead of adding it up"
            yield at_step(tape, "scaled", text, k, gives=((0, Call(written, (HERE, k, arriving, "mean"))),))
        elif places.shape == problem.given.value(step.reads[0]).shape and inside.size == places.size > 1:
            text = f"leaves what arrives at {what} in the order of the result"
            yield at_step(tape, "permuted", text, k, gives=((0, arriving),))
            text = f"reads what arrives at {what} in the order of the operand instead of writing it there"
            yield at_step(tape, "permuted", text, k, gives=((0, Call(read_again, (HERE, k, arriving))),))
