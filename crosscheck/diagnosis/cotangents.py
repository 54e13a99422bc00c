"""Mistakes in what arrives: the right backward pass, applied to another cotangent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from crosscheck.diagnosis.problem import Array, Candidate, Point, Problem
from crosscheck.diagnosis.transforms import cuts, flips, orders, shifts, spreads

UPSTREAM = "ignores-upstream"


def other_cotangents(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient for ones, |v|, v², v masked, cut, flipped, permuted or shifted."""

    def candidate(kind: str, text: str, change: Callable[[Point], Array]) -> Candidate:
        key = ("cotangent", text)
        return Candidate(
            kind,
            f"is the true one for the incoming gradient {text}",
            lambda point, k: point.once(key, lambda: point.with_cotangent(change(point))).get(k),
            key,
        )

    if problem.tape is None and name not in problem.given.jacobians:
        return
    yield candidate(UPSTREAM, "replaced by ones", lambda p: np.ones_like(p.v))
    if problem.given.v.ndim:
        yield candidate("summed", "replaced by its mean", lambda p: np.full_like(p.v, p.v.mean()))
    yield candidate(UPSTREAM, "replaced by its absolute value", lambda p: np.abs(p.v))
    yield candidate(UPSTREAM, "replaced by its signs", lambda p: np.sign(p.v))
    yield candidate(UPSTREAM, "squared", lambda p: p.v * p.v)
    yield candidate("wrong-mask", "where it is positive", lambda p: p.v * (p.v > 0))
    yield candidate("wrong-mask", "where it is negative", lambda p: p.v * (p.v < 0))
    yield candidate("wrong-mask", "where the output is positive", lambda p: p.v * (p.y > 0))
    yield candidate("wrong-mask", "where the output is not positive", lambda p: p.v * (p.y <= 0))
    yield candidate(UPSTREAM, "replaced by the output", lambda p: p.y)
    shape, axes = problem.given.v.shape, problem.output_axes
    rows = (f(shape, axes) for f in (cuts, flips, orders, shifts, spreads))
    for transform in chain.from_iterable(rows):
        yield candidate(transform.kind, transform.text, lambda p, t=transform: t.apply(p.v))
