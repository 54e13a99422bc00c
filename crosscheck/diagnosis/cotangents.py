"""Mistakes in what arrives: the right backward pass, applied to another cotangent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Call
from crosscheck.diagnosis.points import COTANGENT, OUTPUT, Array
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.transforms import cuts, flips, orders, shifts, spreads

UPSTREAM = "ignores-upstream"


def averaged(v: Array) -> Array:
    return np.full_like(v, v.mean())


def kept_where(condition: Callable[[Array, int], Array], a: Array, v: Array) -> Array:
    return v * condition(a, 0)


ROWS = (
    (UPSTREAM, "replaced by ones", Call(np.ones_like, (COTANGENT,))),
    ("summed", "replaced by its mean", Call(averaged, (COTANGENT,))),
    (UPSTREAM, "replaced by its absolute value", Call(np.abs, (COTANGENT,))),
    (UPSTREAM, "replaced by its signs", Call(np.sign, (COTANGENT,))),
    (UPSTREAM, "squared", Call(np.square, (COTANGENT,))),
    ("wrong-mask", "where it is positive", Call(kept_where, (np.greater, COTANGENT, COTANGENT))),
    ("wrong-mask", "where it is negative", Call(kept_where, (np.less, COTANGENT, COTANGENT))),
    ("wrong-mask", "where the output is positive", Call(kept_where, (np.greater, OUTPUT, COTANGENT))),
    ("wrong-mask", "where the output is not positive", Call(kept_where, (np.less_equal, OUTPUT, COTANGENT))),
    (UPSTREAM, "replaced by the output", OUTPUT),
)


def other_cotangents(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient for ones, |v|, v², v masked, cut, flipped, permuted or shifted."""
    if problem.tape is None and name not in problem.given.jacobians:
        return
    is_ = "is the true one for the incoming gradient"
    for kind, text, cotangent in ROWS:
        if kind != "summed" or problem.given.v.ndim:  # a scalar is its own mean
            yield Candidate(kind, f"{is_} {text}", cotangent=cotangent)
    shape, axes = problem.given.v.shape, problem.output_axes
    for t in chain.from_iterable(f(shape, axes) for f in (cuts, flips, orders, shifts, spreads)):
        yield Candidate(t.kind, f"{is_} {t.text}", cotangent=t.of(COTANGENT))
