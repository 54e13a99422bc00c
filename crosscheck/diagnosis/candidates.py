"""Candidates: known mistakes as data, and the one place where they are evaluated.

A backward pass is (1) of `crosscheck.traces.tape`: at each step the operands are read and what arrives is turned into
a gradient for each. A candidate says what is different:

    result      nothing is passed back at all: the gradient is this expression
    cotangent   another gradient arrives
    inputs      the whole pass is that at other inputs
    fixed       the whole pass is that of a forward in which a mask, a count or a constant is another
    scales      what travels on an edge of the tape is multiplied: by 0 (a path left out), -1, 2, ½, or a number that
                stands for sizes (`factors.Reading`) and is another one at other sizes
    parts       single steps: what they give to an operand in place of the right gradient, or what they read in place
                of an operand of the forward

Everything is a tuple of names, numbers and expressions (`expressions`), so two candidates are the same mistake exactly
if they are equal, and a printed candidate says what it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.expressions import Expression, read
from crosscheck.diagnosis.factors import Reading
from crosscheck.diagnosis.points import Array, Arrays, Point
from crosscheck.traces.tape import Edge


class Part(NamedTuple):
    """One step switched: `gives` by operand in place of its gradients, or `reads` by operand in place of the forward's;
    an elementwise one may have another `slope` in place of its derivative.

    `text` is the sentence for the same mistake at all steps of the kind.
    """

    step: int
    text: str
    gives: tuple[tuple[int, Expression], ...] = ()
    reads: tuple[tuple[int, Expression], ...] = ()
    slope: Expression | None = None


class ToThePower(NamedTuple):
    """As a weight: a scalar of the forward to some power."""

    place: int
    power: int


Weight = float | Reading | ToThePower


def weight_at(weight: Weight, point: Point) -> float:
    """What a weight is at a point."""
    if isinstance(weight, Reading):
        return weight.value(point.sizes)
    if isinstance(weight, ToThePower):
        return float(np.real(point.value(weight.place))) ** weight.power
    return weight


@dataclass(frozen=True)
class Candidate:
    """A known mistake: `text` continues "the gradient of x ...", the rest says what is different in the pass."""

    kind: str
    text: str
    result: Expression | None = None
    cotangent: Expression | None = None
    inputs: tuple[tuple[str, Expression], ...] = ()
    fixed: tuple[tuple[int, Expression], ...] = ()
    scales: tuple[tuple[Edge, Weight], ...] = ()
    parts: tuple[Part, ...] = ()
    effort: int = 0  # passes over the tape that reading the result takes

    @property
    def passes(self) -> int:
        """How many passes over the tape it takes; every step that gives needs to know what arrives there."""
        return self.effort if self.result is not None else max(1, sum(bool(part.gives) for part in self.parts))

    @property
    def whole(self) -> bool:
        """Does it say what happens to every gradient (and so may explain several)?"""
        return self.result is None


def evaluate(candidate: Candidate, point: Point, name: str) -> Array | None:
    """What the candidate gives for one gradient at a point; None where it does not apply there."""
    if candidate.result is not None:
        return np.asarray(read(candidate.result, point))
    return point.once(candidate, lambda: gradients(candidate, point)).get(name)


def gradients(candidate: Candidate, point: Point) -> Arrays:
    """Every gradient by the candidate's pass; {} where one of its steps is not reached."""
    pass_: dict[str, Any] = {}
    if candidate.cotangent is not None:
        pass_["v"] = read(candidate.cotangent, point)
    if point.tape is None:
        return point.by_jacobians(pass_["v"]) if "v" in pass_ else {}
    if candidate.inputs:
        pass_["inputs"] = {who: read(changed, point) for who, changed in candidate.inputs}
    if candidate.fixed:
        pass_["fixed"] = {place: read(changed, point) for place, changed in candidate.fixed}
    scales: dict[Edge, float] = {edge: weight_at(weight, point) for edge, weight in candidate.scales}
    injected: dict[Edge, Array] = {}
    residuals: dict[Edge, Array] = {}
    slopes: dict[int, Array] = {}
    plain = not pass_ and not scales
    pass_ |= {"scales": scales, "injected": injected, "residuals": residuals, "slopes": slopes}
    # From the output backwards: what arrives at a step depends on the steps behind it that are switched already.
    for part in sorted(candidate.parts, key=lambda part: -part.step):
        if part.gives:
            untouched = plain and not (scales or residuals or slopes)
            arriving = point.arrivals if untouched else point.pull(**pass_).arriving
            if arriving[part.step] is None:
                return {}
            for i, given in part.gives:
                scales[part.step, i] = 0.0
                injected[part.step, i] = read(given, point, arriving)
        for i, changed in part.reads:
            residuals[part.step, i] = read(changed, point)
        if part.slope is not None:
            slopes[part.step] = read(part.slope, point)
    return point.pull(**pass_).gradients
