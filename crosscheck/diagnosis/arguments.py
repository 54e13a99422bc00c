"""Mistakes in what is read: the right backward pass, at other inputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Call
from crosscheck.diagnosis.points import Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.transforms import Transform, cuts, flips, reversals, shifts, transposes

PLAIN = (
    Transform("missing-terms", "left out (taken as 1)", np.ones_like),
    Transform("missing-terms", "left out (taken as 0)", np.zeros_like),
    Transform("sign", "negated", np.negative),
    Transform("sign", "without its sign", np.abs),
)


def other_inputs(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient with one input flipped, transposed, shifted, cut, left out, negated or without its sign."""
    if problem.tape is None:
        return
    for who in problem.operation.drawn:
        shape, axes = problem.given.inputs[who].shape, problem.told[who]
        rows = [PLAIN, reversals(shape, axes)]
        if len(shape) > 1:
            rows += [family(shape, axes) for family in (flips, transposes, shifts, cuts)]
        array = Call(Point.input, (HERE, who))
        for t in chain.from_iterable(rows):
            yield Candidate(t.kind, f"is the true one with {who} {t.text}", inputs=((who, t.of(array)),))
