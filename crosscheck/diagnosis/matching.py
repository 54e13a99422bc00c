"""Is a candidate what the user's code computes? At every point, with one factor that has a name."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.candidates import Candidate, ToThePower, Weight, evaluate
from crosscheck.diagnosis.code import in_code
from crosscheck.diagnosis.elsewhere import holds
from crosscheck.diagnosis.factors import Reading, in_words, readings
from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.tolerances import FITTED, SAME_FACTOR, TOLD_ALIKE
from crosscheck.evidence.reason import Diagnosis

# A factor beside another mistake must be a product of at most two sizes; alone it may be of three, or of no name.
BESIDE = 2.3
# A factor beside another mistake costs what a size does, and what it stands for.
SECOND = 1.0
# Other matches of the same family that are told as evidence.
MOST_ALIKE = 3


class Match(NamedTuple):
    """A candidate that reproduces the user's gradient at every point, and the factor it needs for that."""

    candidate: Candidate
    factor: float
    names: list[Reading]

    @property
    def cost(self) -> float:
        """How far-fetched it is: a factor, which is a second mistake, and the weights of paths."""
        weights = [far_fetched(weight) for _, weight in self.candidate.scales]
        beside = SECOND + self.names[0].cost if self.names else 0.0
        return beside + max(weights, default=0.0)

    def diagnosis(self, problem: Problem, name: str, alike: list[Match]) -> Diagnosis:
        said = self.candidate.text if problem.tape is None else in_code(self.candidate.text, problem.tape)
        text = f"the gradient of {name} {said}"
        evidence: dict[str, Any] = {}
        lines = lines_of(self.candidate, problem)
        if self.factor != 1.0:
            reading, factor = self.names[0], self.factor
            if problem.judged is not problem.given:
                factor = problem.factor_where_judged(reading)
            text += f", and {in_words(factor, reading.text, TOLD_ALIKE)}"
            evidence |= {"factor": factor, "name": reading.text}
        if lines:
            text += f" ({lines[0]})"
            evidence["lines"] = lines
        if alike:
            evidence["the same here"] = [m.candidate.text for m in alike[:MOST_ALIKE]]
        return Diagnosis(self.candidate.kind, text, evidence)


def far_fetched(weight: Weight) -> float:
    """How far-fetched the weight of a path is: a path is left out, has the wrong sign, counts twice or half; any other
    number costs what a size does."""
    if isinstance(weight, Reading):
        return weight.cost
    return 0.0 if isinstance(weight, ToThePower) or weight in (0.0, -1.0, 2.0, 0.5) else 1.0


def lines_of(candidate: Candidate, problem: Problem) -> list[str]:
    """The lines of the reference that the candidate is about, the last to be computed first."""
    tape = problem.tape
    if tape is None:
        return []
    steps = {part.step for part in candidate.parts} | {edge[0] for edge, _ in candidate.scales}
    steps |= {k for place, _ in candidate.fixed for k, step in enumerate(tape.steps) if place in step.reads}
    sources = [tape.steps[k].source for k in sorted(steps, reverse=True)]
    return list(dict.fromkeys(str(source) for source in sources if source is not None and source.text))


def fit(problem: Problem, name: str, points: list[Point], candidate: Candidate, budget: Budget) -> Match | None:
    """The match of a candidate with a gradient; None if there is none."""
    factor: float | None = None
    for point in points:
        budget.spend(problem.work(candidate, point, name))
        array = evaluate(candidate, point, name)
        if array is None or array.shape != point.wrong[name].shape or not np.isfinite(array).all():
            return None
        if point.is_truth(array, name):
            return None  # a mistake that makes no difference here explains none
        if factor is None:
            factor = fitted_factor(array, point, name)
            if factor is None or (factor != 1.0 and is_multiple_of_truth(array, point, name)):
                return None  # the truth times a number is said by that number alone
        elif not point.same(factor * array, name):
            return None
    if factor is None or not reproduced(problem, name, candidate, factor, budget):
        return None
    if candidate.kind == "wrong-mask" and all(passes_nothing(candidate, point, name) for point in points):
        return None
    if factor == 1.0:
        return None if holds(problem, name, candidate, 1.0) is False else Match(candidate, 1.0, [])
    named = readings(factor, problem.sizes(), BESIDE, accuracy(points[0], name))
    point = problem.elsewhere() if named else None
    if point is not None:
        named = [r for r in named if holds(problem, name, candidate, r.value(point.sizes)) is not False]
    return Match(candidate, factor, named) if named else None


def passes_nothing(candidate: Candidate, point: Point, name: str) -> bool:
    """Whether a mask is one through which nothing comes: then a path is left out, and that is to be said."""
    if point.tape is None or not candidate.parts:
        return False
    steps = [(part.step, point.tape.steps[part.step].active) for part in candidate.parts]
    cut = Candidate("", "", scales=tuple(((k, i), 0.0) for k, active in steps for i in active))
    array, without = evaluate(candidate, point, name), evaluate(cut, point, name)
    return array is not None and without is not None and point.same(array, name) and point.same(without, name)


def reproduced(problem: Problem, name: str, candidate: Candidate, factor: float, budget: Budget) -> bool:
    """Whether a candidate gives what the user's code does at further points, be that right or wrong there."""
    for point in problem.further:
        budget.spend(problem.work(candidate, point, name))
        array = evaluate(candidate, point, name)
        if array is None or array.shape != point.wrong[name].shape or not point.same(factor * array, name):
            return False
    return True


def is_multiple_of_truth(array: Array, point: Point, name: str) -> bool:
    truth = point.truth[name]
    square = float(np.sum(array * array))
    return square > 0 and point.is_truth(float(np.sum(array * truth)) / square * array, name)


def fitted_factor(array: Array, point: Point, name: str) -> float | None:
    """1 where the candidate is the gradient; else the number that makes it so; None if none does."""
    if point.same(array, name):
        return 1.0
    square = float(np.sum(array * array))
    if square == 0:
        return None
    factor = float(np.sum(array * point.wrong[name])) / square
    return factor if factor != 0 and point.same(factor * array, name) else None


def accuracy(point: Point, name: str) -> float:
    """How far a factor that was fitted to this gradient may be off."""
    return max(SAME_FACTOR, FITTED * point.relative_bound(name))
