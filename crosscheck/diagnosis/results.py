"""Mistakes in the result: the right gradient, rearranged; or the cotangent summed over the wrong axes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Call
from crosscheck.diagnosis.matrices import squares
from crosscheck.diagnosis.points import COTANGENT, true
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.transforms import Transform, as_many, cuts, flips, orders, reversals, shifts, spreads
from crosscheck.diagnosis.words import along

FAMILIES = (flips, orders, reversals, cuts, as_many, shifts, spreads, squares)
UNSIGNED = Transform("sign", "is the absolute value of the true one", np.abs)


def rearranged(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient flipped, transposed, permuted, shifted, spread, or without its border."""
    shape, axes = problem.given.truth[name].shape, problem.axes[name]
    for t in chain.from_iterable(f(shape, axes) for f in FAMILIES):
        yield Candidate(t.kind, f"is the true one {t.text}", result=t.of(true(name)))
    yield Candidate(UNSIGNED.kind, UNSIGNED.text, result=UNSIGNED.of(true(name)))


def summed_cotangents(problem: Problem, name: str) -> Iterator[Candidate]:
    """The cotangent summed over some of its axes, where that has the gradient's shape."""
    shape, v = problem.given.truth[name].shape, problem.given.v
    for r in range(1, v.ndim + 1):
        for axes in combinations(range(v.ndim), r):
            if np.sum(v, axis=axes).shape == shape:
                text = f"is the incoming gradient summed over its {along(problem.output_axes, axes)}"
                yield Candidate("summed", text, result=Call(np.sum, (COTANGENT, axes)))
