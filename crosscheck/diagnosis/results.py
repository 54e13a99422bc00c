"""Mistakes in the result: the right gradient, rearranged; or the cotangent summed over the wrong axes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np

from crosscheck.diagnosis.problem import Array, Candidate, Point, Problem
from crosscheck.diagnosis.transforms import cuts, flips, orders, shifts, spreads
from crosscheck.diagnosis.words import along


def rearranged(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient flipped, transposed, permuted, shifted, spread, or without its border."""
    shape, axes = problem.given.truth[name].shape, problem.axes[name]
    rows = (f(shape, axes) for f in (flips, orders, shifts, spreads, cuts))
    for transform in chain.from_iterable(rows):
        yield Candidate(
            transform.kind,
            f"is the true one {transform.text}",
            lambda point, k, t=transform: t.apply(point.truth[k]),
        )
    yield Candidate("sign", "is the absolute value of the true one", lambda point, k: np.abs(point.truth[k]))


def summed_cotangents(problem: Problem, name: str) -> Iterator[Candidate]:
    """The cotangent summed over some of its axes, where that has the gradient's shape."""
    shape, v = problem.given.truth[name].shape, problem.given.v
    for r in range(v.ndim + 1):
        for axes in combinations(range(v.ndim), r):
            if np.sum(v, axis=axes).shape != shape:
                continue
            over = along(problem.output_axes, axes)

            def summed(point: Point, k: str, s: tuple[int, ...] = axes) -> Array | None:
                return np.sum(point.v, axis=s)

            text = f"is the incoming gradient summed over its {over}" if axes else "is the incoming gradient itself"
            if axes:
                yield Candidate("summed", text, summed)
