"""Exact arithmetic as a witness: at points of integers and dyadic numbers, equal means equal bit for bit.

Where the reference is piecewise polynomial (`lattice` reads that off its jaxpr), inputs are drawn that are multiples
of one small power of two, with few enough digits that no sum anywhere rounds. What autodiff computes there is the
true gradient, with a bound of 0, and the hand-derived one is compared with `==`. Nothing is assumed of the user's
code: one that rounds where nothing needs rounding (an FFT, a product with 1/3) differs by less than its rounding
bound and is told apart from one that is wrong.

What follows from equality. Let g = Jᵀv be the true gradient and Mᵀv what the backward computes, both linear in the
cotangent v. If M ≠ J, some entry of (M - J)ᵀv is a linear form in v that is not zero everywhere; with every entry of
v drawn independently from a set S it vanishes with probability at most 1/|S|. (R. A. DeMillo and R. J. Lipton, Inf.
Process. Lett. 7 (1978) 193; J. T. Schwartz, J. ACM 27 (1980) 701.)

Offsets, a different one for every entry, keep maxima untied and ReLUs away from zero. Some points are drawn with
biases so low that units turn off: a missing mask is invisible where everything passes.

The definition of the derivative speaks too. Along an entry in which the forward has degree at most two the central
difference (f(x + h) - f(x - h)) / 2h *is* the derivative, whatever h, as long as no kink lies in between; and that it
does not is seen by the second difference, which falls to exactly a quarter when h is halved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from crosscheck.evidence.exact_run import ExactRun, Outcome
from crosscheck.exact.alone import without_reference
from crosscheck.exact.differences import FEWEST, exact_differences
from crosscheck.exact.points import ExactPoint, Points, Polynomial, at_float64
from crosscheck.exact.words import statement
from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import OUTPUT, Operation, describe
from crosscheck.traces.once import calls_of
from crosscheck.witnesses.autodiff import ASSUMED, Autodiff, autodiff

Array = np.ndarray
Arrays = dict[str, Array]

# Forward evaluations that the difference may take.
EVALUATIONS = 256
WORK = 2**20  # ... and entries times evaluations
CALLS = 2**20  # ... and calls of NumPy, of a forward that makes many: 1 µs each


def exact_run(
    operation: Operation,
    *,
    seed: int,
    points: Points | None = None,
    hand: tuple[Array, Arrays] | None = None,
    evaluations: int = EVALUATIONS,
) -> ExactRun:
    """Compare an operation with its reference where arithmetic is exact.

    Args:
        operation: of either dtype; judged as a formula, at float64. Without a reference its own exact difference is
            the truth, if the code computes in longdouble too.
        seed: of the points.
        points: `Points(operation, seed=seed)`, if the caller has them already.
        hand: the operation's output and gradients at `points.drawn[0]`, if the caller has those too.
        evaluations: forward evaluations that the exact differences may take; 0 leaves them out.

    Returns:
        An `ExactRun`; `applies` is False, with the reason, where there is no exact point.
    """
    formula = at_float64(operation)
    if formula.reference is None:
        return without_reference(formula, seed, evaluations)
    points = points or Points(formula, seed=seed)
    if points.reason:
        return ExactRun(False, points.reason)
    polynomial = points.polynomial
    assert polynomial is not None
    compared: list[Compared] = []
    ties = 0
    for number, point in enumerate(points):
        try:
            found = compare_at(formula, point, hand if number == 0 else None)
        except Exception as error:  # the point is ours: a user's own refusal of it is no fault
            if compared:
                break
            return ExactRun(False, f"the operation refuses the exact point: {describe(error)}")
        if polynomial.kinks and found.different:
            for name in conventions(found, polynomial.untied(point)):
                del found.outcomes[name]
        if found.wrong or len(found.outcomes) == len(formula.wrt):
            compared.append(found)
        else:  # a tie: nothing is decided here
            ties += 1
        if len(compared) >= points.affordable or ties >= 3 or found.wrong:
            break
    if not compared:
        return ExactRun(False, "its maxima tie at every point that was drawn")
    return summary(formula, polynomial, compared, evaluations)


class Compared(NamedTuple):
    """One point, with what the operation gave there."""

    point: ExactPoint
    output: Array
    gradients: Arrays
    forward: Outcome
    outcomes: dict[str, Outcome]
    auto: Autodiff | None = None  # where something is not equal

    @property
    def different(self) -> list[str]:
        return [k for k, outcome in self.outcomes.items() if outcome == "different"]

    @property
    def wrong(self) -> bool:
        return self.forward == "different" or bool(self.different)


def compare_at(formula: Operation, point: ExactPoint, hand: tuple[Array, Arrays] | None) -> Compared:
    """The operation against the truth at one point; the rounding bound is computed only where they are unequal."""
    here = formula.at(point.inputs)
    if hand is None:
        with np.errstate(all="ignore"):
            hand = here.output(), here.gradients(point.cotangent)
    output, gradients = hand
    forward: Outcome = "equal" if np.array_equal(output, point.output) else "different"
    outcomes: dict[str, Outcome] = {
        k: "equal" if np.array_equal(gradients[k], point.gradients[k]) else "different" for k in formula.wrt
    }
    truth = None
    if forward == "different" or "different" in outcomes.values():
        assert formula.reference is not None
        truth = autodiff(formula.reference, point.inputs, formula.wrt, point.cotangent, DOUBLE)
        if forward == "different" and rounds(output, point.output, truth, OUTPUT):
            forward = "rounded"
        for k, outcome in outcomes.items():
            if outcome == "different" and rounds(gradients[k], point.gradients[k], truth, k):
                outcomes[k] = "rounded"
    return Compared(point, output, gradients, forward, outcomes, truth)


def rounds(value: Array, truth: Array, auto: Autodiff, name: str) -> bool:
    """Whether `value` is the truth but for rounding: entrywise, or in an algorithm that mixes entries, normwise.

    The reference does not round here where a sum comes out as 0; an FFT, or a product with 1/3 that is undone, does:
    by the rounding of the terms.
    """
    if value.shape != truth.shape or not np.isfinite(value).all():
        return False
    gap, allowed = np.abs(value - truth), auto.allowed(name)
    terms = (auto.output if name == OUTPUT else auto.gradients[name]).terms
    mixed = np.max(allowed, initial=0.0)
    if terms is not None:
        mixed = max(mixed, auto.t * ASSUMED * UNIT[DOUBLE] * np.max(terms, initial=0.0, where=np.isfinite(terms)))
    return bool((gap <= np.maximum(allowed, mixed)).all())


def conventions(found: Compared, untied: Arrays) -> list[str]:
    """The gradients that differ, by more than rounding, only where the true one is a convention about ties."""
    truth, auto = found.point.gradients, found.auto
    assert auto is not None
    return [
        k
        for k in found.different
        if found.gradients[k].shape == truth[k].shape
        and rounds(np.where(untied[k], found.gradients[k], truth[k]), truth[k], auto, k)
    ]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    found = set(outcomes)
    return "different" if "different" in found else "rounded" if "rounded" in found else "equal"


def summary(formula: Operation, polynomial: Polynomial, compared: list[Compared], evaluations: int) -> ExactRun:
    forward = worst(c.forward for c in compared)
    outcomes: dict[str, Outcome] = {
        k: worst(c.outcomes[k] for c in compared if k in c.outcomes)
        for k in formula.wrt
        if any(k in c.outcomes for c in compared)
    }
    shown = next((c for c in compared if c.wrong), compared[0])
    difference = {}
    evaluations = min(evaluations, WORK // max(polynomial.entries, 1))
    calls = calls_of(formula.reference)
    few = calls * evaluations > CALLS
    evaluations = max(CALLS // calls, FEWEST) if few else evaluations
    if shown.forward == "equal":
        difference = exact_differences(formula, polynomial, shown.point, evaluations, shared=few)
    run = ExactRun(
        True,
        inputs=shown.point.inputs,
        cotangent=shown.point.cotangent,
        output=shown.point.output,
        gradients=shown.point.gradients,
        hand_output=shown.output,
        hand_gradients=shown.gradients,
        forward=forward,
        outcomes=outcomes,
        bits=max(c.point.bits for c in compared),
        degree=polynomial.degree,
        points=len(compared),
        choices=min(c.point.choices for c in compared),
        difference=difference,
    )
    return replace(run, statement=statement(run))
