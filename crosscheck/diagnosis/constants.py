"""Mistakes in what no input moves: the backward pass of a forward without its mask, with another eps, another count."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Call
from crosscheck.diagnosis.labels import label
from crosscheck.diagnosis.points import value
from crosscheck.diagnosis.problem import Problem
from crosscheck.traces.tape import Tape

# What is added so that nothing is divided by zero, as people write it.
EPSILONS = (1e-3, 1e-5, 1e-6, 1e-8, 1e-12)
SMALL = 1e-2


def other_constants(problem: Problem, name: str) -> Iterator[Candidate]:
    """Every mask left out or inverted, every scalar left out or another."""
    tape = problem.tape
    if tape is None:
        return
    for place in tape.fixed:
        reader = next(k for k, step in enumerate(tape.steps) if step.active and place in step.reads)
        where = label(tape, reader)
        if tape.avals[place].dtype.kind == "b":
            if tape.avals[place].shape:
                yield from masks(tape, place, where)
        elif not tape.avals[place].shape:
            yield from scalars(problem, place, where)


def masks(tape: Tape, place: int, where: str) -> Iterator[Candidate]:
    array = value(place)
    for text, changed in (
        ("false everywhere", Call(np.zeros_like, (array,))),
        ("true everywhere", Call(np.ones_like, (array,))),
        ("inverted", Call(np.logical_not, (array,))),
    ):
        sentence = f"is that of a forward in which the condition of {where} is {text}"
        yield Candidate("missing-mask" if "every" in text else "wrong-mask", sentence, fixed=((place, changed),))


def scalars(problem: Problem, place: int, where: str) -> Iterator[Candidate]:
    scalar, constant = float(problem.given.value(place)), value(place)
    rows = [
        ("left out (0)", Call(np.multiply, (0.0, constant))),
        ("left out (1)", Call(neutral, (constant,))),
        ("negated", Call(np.negative, (constant,))),
        ("doubled", Call(np.multiply, (2.0, constant))),
        ("halved", Call(np.multiply, (0.5, constant))),
        ("squared", Call(np.square, (constant,))),
        ("its square root", Call(np.sqrt, (constant,))),
    ]
    if scalar > 2 and scalar == round(scalar):
        rows += [("one less", Call(np.subtract, (constant, 1))), ("one more", Call(np.add, (constant, 1)))]
    if 0 < scalar <= SMALL:
        rows += [(f"{other:g}", Call(instead, (constant, other))) for other in EPSILONS if other != scalar]
    for text, changed in rows:
        sentence = f"is that of a forward in which the constant {scalar:.6g} in {where} is {text}"
        yield Candidate("wrong-constant", sentence, fixed=((place, changed),))


def neutral(constant: np.ndarray) -> np.ndarray:
    return np.ones_like(constant)


def instead(constant: np.ndarray, other: float) -> np.ndarray:
    return np.full_like(constant, other)
