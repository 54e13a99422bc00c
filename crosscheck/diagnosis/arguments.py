"""Mistakes in what is read: the right backward pass, at other inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from crosscheck.diagnosis.problem import Array, Candidate, Problem
from crosscheck.diagnosis.transforms import cuts, flips, orders, shifts


def other_inputs(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient with one input flipped, transposed, shifted, cut, left out, negated or without its sign."""

    def candidate(kind: str, text: str, who: str, change: Callable[[Array], Array]) -> Candidate:
        key = ("input", who, text)
        return Candidate(
            kind,
            f"is the true one with {who} {text}",
            lambda point, k: point.once(key, lambda: point.with_inputs({who: change(point.inputs[who])}))[k],
            key,
        )

    if problem.tape is None:
        return
    for who in problem.operation.wrt:
        shape, axes = problem.given.inputs[who].shape, problem.axes[who]
        yield candidate("missing-terms", "left out (taken as 1)", who, np.ones_like)
        yield candidate("missing-terms", "left out (taken as 0)", who, np.zeros_like)
        yield candidate("sign", "negated", who, np.negative)
        yield candidate("sign", "without its sign", who, np.abs)
        if len(shape) > 1:
            transposes = (t for t in orders(shape, axes) if t.kind == "transposed")
            for t in chain(flips(shape, axes), transposes, shifts(shape, axes), cuts(shape, axes)):
                yield candidate(t.kind, t.text, who, t.apply)
