"""A gradient that is the true one times a number: which number, and what it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosscheck.diagnosis.elsewhere import factor_there
from crosscheck.diagnosis.factors import in_words, readings
from crosscheck.diagnosis.matching import MOST_ALIKE, accuracy
from crosscheck.diagnosis.points import Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.resizing import agreeing, asked_elsewhere
from crosscheck.diagnosis.tolerances import FEW_UNITS, NEARLY_ONE
from crosscheck.evidence.reason import Diagnosis

# Readings that cost this much more than the cheapest are far-fetched; of those that hold at other sizes, too, the ones
# within the smaller margin are told beside it.
FAR_FETCHED = 1.5
AS_GOOD = 0.3


def proportional(problem: Problem, name: str, points: list[Point]) -> Diagnosis | None:
    """The truth times one number, the same at every point."""
    factor = None
    for point in points:
        truth, wrong = point.truth[name], point.wrong[name]
        square = float(np.sum(truth * truth))
        if square == 0:
            return None
        fitted = float(np.sum(truth * wrong)) / square
        if fitted == 0 or not point.same(fitted * truth, name):
            return None
        if factor is None:
            factor = fitted
        elif abs(fitted - factor) > accuracy(point, name) * abs(factor):
            return None
    if factor is None or abs(factor - 1) <= NEARLY_ONE * max(points[0].relative_bound(name), FEW_UNITS):
        return None
    if abs(factor + 1) <= accuracy(points[0], name):
        return Diagnosis("sign", f"the gradient of {name} has the wrong sign", {"factor": -1.0})
    if points[0].truth[name].size == 1 and len(points) < 2:
        named = readings(factor, problem.sizes(), same=accuracy(points[0], name), special=problem.special_sizes())
        if not named:
            return None
    return scaled(problem, name, factor, accuracy(points[0], name))


def scaled(problem: Problem, name: str, factor: float, same: float) -> Diagnosis | None:
    """The factor in words: a product of sizes, if it is that at other sizes, too."""
    named = readings(factor, problem.sizes(), same=same, special=problem.special_sizes())
    cheapest = [r for r in named if r.cost <= named[0].cost + FAR_FETCHED]
    point = problem.elsewhere()
    there = None if point is None else factor_there(point, name)
    if point is None:
        confirmed = agreeing(problem, name, cheapest) if cheapest else []
    elif there is None:
        return None  # at other sizes it is no multiple at all
    else:
        # Two readings that are one number here are two there.
        named = [r for r in named if abs(r.value(point.sizes) - there) <= same * abs(there)]
        named = [r for r in named if asked_elsewhere(problem, r)]
        confirmed = [r for r in named if r.cost <= named[0].cost + FAR_FETCHED]
        sizes = {size.name for size in problem.sizes()}
        plain = [r for r in confirmed if r.names() <= sizes]
        if len(plain) > 1:
            # What had to change together there may change alone.
            left = agreeing(problem, name, plain) or plain
            confirmed = [r for r in confirmed if r in left or r not in plain]
        if not confirmed and abs(there - factor) > same * abs(factor):
            return None  # another number at other sizes, and none that has a name
    if problem.judged is not problem.given:
        truth, wrong = problem.judged.truth[name], problem.judged.wrong[name]
        factor = float(np.sum(truth * wrong)) / float(np.sum(truth * truth))
        confirmed = [r for r in confirmed if abs(problem.factor_where_judged(r) - factor) <= same * abs(factor)]
    evidence: dict[str, Any] = {"factor": factor, "name": None}
    if confirmed:
        evidence["name"] = confirmed[0].text
        also = [r.text for r in confirmed[1:] if r.cost <= confirmed[0].cost + AS_GOOD]
        if also:
            evidence["also"] = also[:MOST_ALIKE]
    elif cheapest and problem.judged is problem.given:
        # Refuted at other sizes: a constant in the code that happens to be this.
        evidence["here the same as"] = cheapest[0].text
    text = f"the gradient of {name} is {in_words(factor, evidence['name'], same)}"
    return Diagnosis("scaled", text, evidence)
