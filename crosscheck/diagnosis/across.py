"""One cause across configurations: the mistake that reproduces a gradient at all of them, and not at one alone.

A wrong gradient is often explained in two ways at one configuration. At several, of sizes that are pairwise different,
one is left. The table is gone through at all of them side by side, and the first family with a mistake that is the same
at each names it; forwards of another number of steps have the same mistake at steps of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.elsewhere import factor_there
from crosscheck.diagnosis.factors import readings
from crosscheck.diagnosis.matching import Match, accuracy, fit
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.search import TABLE
from crosscheck.diagnosis.steps import Family
from crosscheck.evidence.reason import Diagnosis

# At so many of several problems a mistake may look otherwise (at a loop of one turn) or not be found: what is found at
# all others is not looked for any longer.
EXCEPTIONS = 1


class Common(NamedTuple):
    """A mistake, at how many of the problems it gives the gradient, and in which family of the table it stands."""

    diagnosis: Diagnosis
    problems: int
    families: tuple[Family, ...] = ()


def across(problems: Sequence[Problem], name: str, first: Sequence[Family] = ()) -> Common | None:
    """The one known mistake that gives the gradient of `name` at every problem, or at the most of them; None where no
    two of them have one in common. Families of `first`, which had another gradient's, are believed first."""
    by_number = one_factor(problems, name)
    if by_number is not None:
        return Common(by_number, len(problems))
    budgets = [Budget() for _ in problems]
    seen: dict[str, dict[int, Match]] = {}
    with np.errstate(all="ignore"):  # a candidate may divide by zero
        for family in dict.fromkeys((*first, *TABLE)):
            for place, (problem, budget) in enumerate(zip(problems, budgets, strict=True)):
                for match in matches(problem, name, family, budget):
                    seen.setdefault(in_general(match.candidate.text), {}).setdefault(place, match)
            counts = {text: holding(there) for text, there in seen.items()}
            most = max(counts.values(), default=0)
            if most == len(problems) or most >= max(2, len(problems) - EXCEPTIONS):
                best = min((text for text in counts if counts[text] == most), key=lambda text: cost(seen[text]))
                return told(problems, name, seen[best])._replace(families=(family,))
    several = {text: holding(there) for text, there in seen.items() if holding(there) > 1}
    if not several:
        return None
    return told(problems, name, seen[max(several, key=lambda text: several[text])])


def told(problems: Sequence[Problem], name: str, there: Mapping[int, Match]) -> Common:
    """In the words of the first problem at which it holds, which should be the most telling."""
    first = min(there)
    match = there[first]
    names = alike(there.values())
    if names:
        match = match._replace(names=[reading for reading in match.names if reading.text in names])
    return Common(match.diagnosis(problems[first], name, []), len(there))


def holding(there: Mapping[int, Match]) -> int:
    """At how many problems it is one mistake: the factor beside it, where it has one, must have one name."""
    names = alike(there.values())
    return len(there) if names is None or names else 1


def alike(found: Iterable[Match]) -> set[str] | None:
    """The names that the factors share; None where they have none."""
    texts = [{reading.text for reading in match.names} for match in found]
    return set.intersection(*texts) if any(texts) else None


def cost(there: Mapping[int, Match]) -> float:
    return max(match.cost for match in there.values())


# What tells steps of one kind apart, in a program that is longer at another configuration.
WHICH = re.compile(r" \(number \d+ of \d+\)| in (?:every turn|turn \d+ of \d+|the turn before)")


def in_general(text: str) -> str:
    """What a mistake is, without the numbers that are others at other sizes."""
    return re.sub(r"\d+", "n", WHICH.sub("", text))


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


def matches(problem: Problem, name: str, family: Family, budget: Budget) -> Iterator[Match]:
    """Everything of one family that gives the gradient at a problem."""
    points = problem.points(name)
    if not points or budget.ended:
        return
    for candidate in family(problem, name):
        match = fit(problem, name, points, candidate, budget)
        if match is not None:
            yield match
        if budget.ended:
            return
