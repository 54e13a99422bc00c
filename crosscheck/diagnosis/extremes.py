"""The larger of two, whose gradient goes to the smaller: the branches of a maximum or minimum exchanged.

    y = max(p, q)      ∂L/∂p = G · 1[p > q]      ∂L/∂q = G · 1[q > p]

The two slopes of a quantile loss, of a hinge, of an absolute value, taken for each other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Arriving, Call
from crosscheck.diagnosis.labels import label
from crosscheck.diagnosis.points import Array, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.steps import at_step, live_steps

BOTH = (0, 1)


def exchanged_branches(problem: Problem, name: str) -> Iterator[Candidate]:
    """A maximum or minimum of two arrays, both of which move, with its branches exchanged."""
    for tape, k, step in live_steps(problem):
        if step.name in ("max", "min") and step.active == BOTH:
            p, q = (value(place) for place in step.reads)
            pairs = ((0, p, q), (1, q, p)) if step.name == "max" else ((0, q, p), (1, p, q))
            gives = tuple((i, Call(where_less, (Arriving(k), own, other))) for i, own, other in pairs)
            loser = "smaller" if step.name == "max" else "larger"
            text = f"gives what arrives at {label(tape, k)} to the {loser} of the two"
            yield at_step(tape, "wrong-mask", text, k, gives=gives)


def where_less(g: Array, one: Array, other: Array) -> Array:
    """`g` where `one` is less than `other`."""
    return g * np.less(one, other)
