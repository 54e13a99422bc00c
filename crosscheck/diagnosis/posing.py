"""The problem as it is searched: at the point that was judged or, where that is large, at a smaller one."""

from __future__ import annotations

import math

import numpy as np

from crosscheck import draws
from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.elsewhere import at_other_sizes, shrunk
from crosscheck.diagnosis.points import Array, Arrays, Point, judged_at
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.resizing import cut_down
from crosscheck.diagnosis.words import axis_names
from crosscheck.floats import DOUBLE
from crosscheck.operation import Operation
from crosscheck.traces.tape import Tape, record

# Values of the forward beyond which the search runs at a smaller point: a backward pass should take milliseconds.
LARGE = 300_000


def posed(
    operation: Operation, v: Array, wrong: Arrays, truth: Arrays, bound: Arrays, *, seed: int, budget: Budget
) -> Problem:
    """The problem as given; where the forward is large, cut down to a point at which everything is still wrong."""
    if operation.dtype != DOUBLE:
        operation = operation.widened()
    small = smaller(operation, tuple(wrong), np.random.default_rng([seed, 5]))
    if small is None:
        return Problem(operation, v, wrong, truth, bound, seed=seed, budget=budget, find_elsewhere=at_other_sizes)
    judged = Point(dict(operation.inputs), v, wrong, truth, bound)
    there = (small.v, small.wrong, small.truth, small.bound)
    at = operation.at(small.inputs)
    return Problem(at, *there, seed=seed, budget=budget, judged=judged, find_elsewhere=at_other_sizes)


def entries_of(tape: Tape) -> int:
    return sum(math.prod(aval.shape) for aval in tape.avals)


def pieces_of(operation: Operation) -> int:
    """How many different programs the search would compile, where it runs the reference step by step; 1 where it is one
    program."""
    if operation.reference is None:
        return 0
    at = operation if operation.dtype == DOUBLE else operation.widened()
    assert at.reference is not None
    tape = record(at.reference, at.inputs, at.wrt)
    return tape.pieces


def numbers(operation: Operation) -> int:
    assert operation.reference is not None
    return entries_of(record(operation.reference, operation.inputs, operation.wrt))


def smaller(operation: Operation, names: tuple[str, ...], rng: np.random.Generator) -> Point | None:
    """A smaller point at which the same gradients are wrong; None if there is no need or none."""
    if operation.reference is None:
        return None
    tape = record(operation.reference, operation.inputs, operation.wrt)
    if entries_of(tape) <= LARGE:
        return None
    small = cut_down({k: axis_names(k, a.shape, tape) for k, a in operation.inputs.items()}, operation)
    if numbers(small) > LARGE:
        small = shrunk(small)
    if small is operation:
        return None
    point = judged_at(small, small.inputs, draws.cotangent(small.output().shape, rng), names)
    return point if point is not None and all(point.is_wrong(k) for k in names) else None
