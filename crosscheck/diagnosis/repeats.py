"""A gradient that is assigned where an index repeats.

    y = table[i]                     ∂L/∂table[n] = Σ over all places k with i[k] = n of G[k]

`grad[i] = G` and NumPy's `grad[i] += G` keep of equal indices the last one's, a loop from the end the first one's. A
forward that reads several times, as the four corners of a bilinear sample, is backward so at each reading.
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

OUTSIDE = -1  # what a reading that meets no entry gives


def assigned_indices(problem: Problem, name: str) -> Iterator[Candidate]:
    """What is read by index, given back by assignment."""
    for tape, k, step in live_steps(problem):
        if step.name == "gather" and 0 in step.active:
            for last, which in ((True, "last"), (False, "first")):
                text = (
                    f"keeps only the {which} of equal indices instead of adding up, in the backward of {label(tape, k)}"
                )
                gives = ((0, Call(overlaid, (HERE, k, Arriving(k), last))),)
                yield at_step(tape, "overwritten", text, k, gives=gives)


def overlaid(point: Point, k: int, g: Array, last: bool) -> Array:
    """`g` laid one after another where step k reads, the last one on top, or the first."""
    places = read_places(point, k).ravel()
    given = g.ravel()[places != OUTSIDE]
    places = places[places != OUTSIDE]
    assert point.tape is not None
    out = np.zeros(point.tape.avals[point.tape.steps[k].reads[0]].shape, g.dtype)
    out.ravel()[places if last else places[::-1]] = given if last else given[::-1]
    return out


def read_places(point: Point, k: int) -> Array:
    """For every entry that step k reads, its place in what it reads from: the step itself, applied to places."""
    assert point.tape is not None
    step = point.tape.steps[k]
    shape = point.tape.avals[step.reads[0]].shape
    with double_precision():
        places = jnp.arange(int(np.prod(shape))).reshape(shape)
        params = {**step.eqn.params, "fill_value": OUTSIDE}
        found = step.eqn.primitive.bind(places, jnp.asarray(point.value(step.reads[1])), **params)
    return np.asarray(found)
