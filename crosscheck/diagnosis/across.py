"""One cause across configurations: the mistake that reproduces a gradient at all of them, and not at one alone.

A wrong gradient is often explained in two ways at one configuration. At several, of sizes that are pairwise different,
one is left. Where the forwards are made of the same steps, candidates of the one are tried at the others as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.elsewhere import factor_there
from crosscheck.diagnosis.factors import readings
from crosscheck.diagnosis.matching import Match, accuracy, fit
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.search import TABLE
from crosscheck.evidence.reason import Diagnosis


def across(problems: Sequence[Problem], name: str, budget: Budget) -> Diagnosis | None:
    """The one known mistake that gives the gradient of `name` at every problem; None where none does."""
    by_number = one_factor(problems, name)
    if by_number is not None:
        return by_number
    first, others = problems[0], problems[1:]
    if not all(same_steps(first, other) for other in others):
        return None
    with np.errstate(all="ignore"):  # a candidate may divide by zero
        for match in matches(first, name, budget):
            if all(fits(other, name, match, budget) for other in others):
                return match.diagnosis(first, name, [])
            if budget.ended:
                break
    return None


def one_factor(problems: Sequence[Problem], name: str) -> Diagnosis | None:
    """The true gradient times a number that is the same product of sizes everywhere."""
    factors = [factor_there(problem.given, name) for problem in problems]
    known = [factor for factor in factors if factor is not None]
    if len(known) < len(problems):
        return None
    same = max(accuracy(problem.given, name) for problem in problems)
    if all(abs(factor + 1) <= same for factor in known):
        return Diagnosis("sign", f"the gradient of {name} has the wrong sign", {"factor": -1.0})
    first = problems[0]
    evidence = {"factors": known}
    if all(abs(factor - known[0]) <= same * abs(known[0]) for factor in known) and len(known) > 1:
        return Diagnosis("scaled", f"the gradient of {name} is {known[0]:.6g} times the true one", evidence)
    special = first.special_sizes()
    for reading in readings(known[0], first.sizes(), same=same, special=special):
        there = [valued(problem, reading) for problem in problems]
        if all(
            value is not None and abs(value - factor) <= same * abs(factor)
            for value, factor in zip(there, known, strict=True)
        ):
            text = f"the gradient of {name} is the true one times {reading.text}"
            return Diagnosis("scaled", text, {**evidence, "name": reading.text})
    return None


def valued(problem: Problem, reading: object) -> float | None:
    """What a reading comes to at another problem; None where something that it names is not there."""
    try:
        return reading.value(problem.given.sizes)  # type: ignore[attr-defined]
    except KeyError:
        return None


def matches(problem: Problem, name: str, budget: Budget) -> Iterator[Match]:
    """Everything in the table that gives the gradient at one problem, what is believed first first."""
    points = problem.points(name)
    if not points:
        return
    for family in TABLE:
        for candidate in family(problem, name):
            match = fit(problem, name, points, candidate, budget)
            if match is not None:
                yield match
            if budget.ended:
                return


def fits(problem: Problem, name: str, match: Match, budget: Budget) -> bool:
    """Whether a mistake found at one problem gives the gradient at another, by a factor of the same name."""
    points = problem.points(name)
    if not points:
        return False
    try:
        found = fit(problem, name, points, match.candidate, budget)
    except Exception:  # an expression made for the sizes of the other
        return False
    if found is None:
        return False
    texts = {reading.text for reading in match.names}
    return not texts or bool(texts & {reading.text for reading in found.names})


def same_steps(first: Problem, second: Problem) -> bool:
    """Whether the forwards of two problems are made of the same steps."""
    tapes = first.tape, second.tape
    if None in tapes:
        return False
    a, b = ([(s.name, s.reads) for s in tape.steps] for tape in tapes if tape is not None)
    return a == b
