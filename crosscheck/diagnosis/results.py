"""Mistakes in the result: the right gradient, rearranged; or the cotangent as it is, or summed over the wrong axes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Call
from crosscheck.diagnosis.matrices import squares
from crosscheck.diagnosis.points import COTANGENT, Array, Point, true
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.transforms import Transform, as_many, cuts, flips, orders, reversals, shifts, spreads
from crosscheck.diagnosis.words import along

FAMILIES = (flips, orders, reversals, cuts, as_many, shifts, spreads, squares)
UNSIGNED = Transform("sign", "is the absolute value of the true one", np.abs)


def rearranged(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient flipped, transposed, permuted, shifted, spread, or without its border."""
    shape, axes = problem.given.truth[name].shape, problem.told[name]
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


def as_it_arrives(problem: Problem, name: str) -> Iterator[Candidate]:
    """The cotangent in the place of a gradient: as it is, where the input is positive, or spread over what was reduced.

    It says nothing of a step, and is believed after all that does.
    """
    shape, v = problem.given.truth[name].shape, problem.given.v
    own = Call(Point.input, (HERE, name))
    if v.ndim and v.shape == shape:
        text = "is the incoming gradient as it is, as if the derivative of the whole forward were 1"
        yield Candidate("missing-terms", text, result=COTANGENT)
        text = f"is the incoming gradient where {name} is positive, and zero elsewhere, as of a ReLU"
        yield Candidate("wrong-mask", text, result=Call(where_positive, (COTANGENT, own)))
    for axis, size in enumerate(shape if v.ndim == len(shape) else ()):
        others = [n for a, n in enumerate(shape) if a != axis] == [n for a, n in enumerate(v.shape) if a != axis]
        if others and v.shape[axis] and size > v.shape[axis] and size % v.shape[axis] == 0:
            text = f"is the incoming gradient in equal parts for all {along(problem.told[name], (axis,))} that made one"
            yield Candidate("spread", text, result=Call(in_equal_parts, (COTANGENT, own, axis)))


def where_positive(v: Array, x: Array) -> Array:
    return v * (x > 0)


def in_equal_parts(v: Array, x: Array, axis: int) -> Array:
    many = x.shape[axis] // v.shape[axis]
    return np.repeat(v, many, axis) / many
