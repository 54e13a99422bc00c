"""The judge, in three steps: collect what can be had, decide what follows from it, and explain what is wrong.

evidence = collect(operation)            every witness on every gradient; frozen
decision = decide(evidence)              a pure function, one table of rules
reasons  = explain(operation, evidence, decision)
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from crosscheck.collecting.collect import collect
from crosscheck.deadline import Deadline, checked_budget
from crosscheck.diagnosis import diagnose_all
from crosscheck.diagnosis.shapes import shape_reasons
from crosscheck.evidence.arithmetic import arithmetic_reasons, wrong_here
from crosscheck.evidence.collected import Elsewhere, Evidence
from crosscheck.evidence.decision import decide
from crosscheck.evidence.estimate import (
    AUTODIFF,
    AUTODIFF_SINGLE,
    HAND,
    HAND_SINGLE,
    Estimate,
)
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.findings import two_functions
from crosscheck.evidence.pair import compare
from crosscheck.evidence.reason import Diagnosis, Reasons
from crosscheck.evidence.result import Result
from crosscheck.evidence.verdict import Decision, GradientVerdict
from crosscheck.evidence.versions import versions
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import Array, Operation
from crosscheck.progress import shown
from crosscheck.recorder.lines import lines_of_gradients
from crosscheck.recorder.operations import DIFFERS, is_its_own_reference, source, with_own_program, with_recording
from crosscheck.report.sizes import rendered
from crosscheck.traces.once import TracedOnce
from crosscheck.witnesses.foreign import Foreign


def judge(
    operation: Operation,
    *,
    grad_output: Any = None,
    seed: int = 0,
    differences: bool = True,
    exact: bool = True,
    diagnose: bool = True,
    budget: Any = None,
    progress: bool = True,
    here: bool = False,
    recorded: bool = True,
) -> Result:
    """Every witness on every gradient of `operation`, compared.

    `differences=False` leaves out the witnesses that move the inputs: for points where they would only say "kink".
    `exact=False` leaves out the exact points, `diagnose=False` the search for a reason. `budget` is in seconds; what it
    ends is left out, and said (`deadline`). `progress=False` shows nothing, wherever it runs. `here` asks of
    this one point alone: no exact and no further points. `recorded=False` does not record a forward without a
    reference: then nothing is compiled, and its differences judge alone. Both together are what a survey asks of each
    of many configurations.
    """
    deadline = Deadline(checked_budget(budget))
    watching = shown(operation.name, deadline) if progress else nullcontext()
    with warnings.catch_warnings(), watching:
        # A judged forward is visited far from where it is used; that it overflows there is no news.
        warnings.simplefilter("ignore", RuntimeWarning)
        asked = {"differences": differences, "exact": exact and not here, "further": not here}
        found = judged(operation, deadline, seed, recorded, grad_output=grad_output, **asked)
        reasons = Reasons(sought=diagnose)
        if diagnose and found.decision.verdict != "agree":
            reasons = explain(found.operation, found.evidence, found.decision, seed, deadline)
        said = (seed, found.evidence, found.decision, reasons, rendered)
        result = Result(operation.name, operation.format, *said, versions=versions())
        # The witnesses of the arithmetic are called after the format that most code has.
        own_format = {name: name.replace(str(SINGLE), str(operation.format)) for name in (HAND_SINGLE, AUTODIFF_SINGLE)}
        return result if operation.arithmetic is None else replace(result, words=own_format)


class Assessed(NamedTuple):
    """An operation with the reference that it was held against, what was collected, and what follows."""

    operation: Operation
    evidence: Evidence
    decision: Decision


def judged(given: Operation, deadline: Deadline, seed: int, recorded: bool = True, **asked: Any) -> Assessed:
    """The verdict, without a word why."""
    given, why_not = with_own_program(traced_once(given)), ""
    operation = given
    if operation.reference is None:
        recorded = recorded and not operation.alone
        operation, why_not = with_recording(operation) if recorded else (operation, "it was not asked for")

    def collected(operation: Operation) -> Evidence:
        evidence = collect(operation, seed=seed, deadline=deadline, **asked)
        said = tuple(Finding(*remark) for remark in sorted(given.remarks, key=lambda r: not r.fails))
        return replace(evidence, effects=said + evidence.effects) if said else evidence

    evidence = collected(operation)
    decision = decide(evidence)
    if is_its_own_reference(operation) and doubted(decision):
        operation, why_not = given, DIFFERS
        evidence = collected(operation)
        decision = decide(evidence)
    constants = tuple(k for k in operation.inputs if k not in operation.wrt)
    evidence = replace(evidence, source=source(operation, why_not), constants=constants)
    return Assessed(operation, evidence, decision)


def traced_once(operation: Operation) -> Operation:
    """The same with references that are traced once, whoever asks them."""
    widen = operation.widen

    @functools.cache
    def widened() -> Operation:
        assert widen is not None
        return traced_once(widen())

    given = operation.reference
    reference = given if given is None or isinstance(given, Foreign) else TracedOnce(given)
    return replace(operation, reference=reference, widen=None if widen is None else widened)


def doubted(decision: Decision) -> bool:
    """Whether a recorded forward is not what the forward does, or its derivative not the forward's: then it is not
    believed."""
    return any(f.fails and f.kind in ("forward", "reference") for f in decision.findings)


def explain(operation: Operation, evidence: Evidence, decision: Decision, seed: int, deadline: Deadline) -> Reasons:
    """Why each wrong gradient is wrong."""
    deadline.doing = "the search for the reason"
    formula = operation.widened() if operation.dtype == SINGLE else operation
    formula = legible(formula)
    verdicts = decision.gradients
    here = [k for k, g in verdicts.items() if wrong_here(g) and g.odd_one_out != AUTODIFF]
    there = [k for k, g in verdicts.items() if g.exact == "different" and k not in here]
    reasons = (
        arithmetic_reasons(evidence, verdicts, operation.format)
        | wrong_shapes(formula, evidence)
        | at_exact_point(formula, evidence, there, seed, deadline)
        | at_this_point(formula, evidence, verdicts, here, seed, deadline)
    )
    for name, gradient in evidence.gradients.items():
        if gradient.elsewhere and not gradient.elsewhere.on_set and name not in here and name not in there:
            reasons |= at_further_point(formula, gradient.elsewhere, seed, deadline)
    reasons |= where_written(formula, evidence, [k for k, g in verdicts.items() if g.verdict == "disagree"], deadline)
    return of_two_functions(evidence, decision, reasons)


def legible(formula: Operation) -> Operation:
    """The operation with a reference whose program can be read, or none."""
    reference = formula.reference
    if not isinstance(reference, Foreign):
        return formula
    return replace(formula, reference=reference.program(dict(formula.inputs)))


def where_written(formula: Operation, evidence: Evidence, names: list[str], deadline: Deadline) -> Reasons:
    """The lines of the backward that compute the wrong gradients."""
    if not names:
        return Reasons()
    lines = deadline.unless_late(
        "the lines of the backward", lambda: lines_of_gradients(formula, evidence.cotangent), {}
    )
    return Reasons(lines={k: line for k, line in lines.items() if k in names})


def of_two_functions(evidence: Evidence, decision: Decision, reasons: Reasons) -> Reasons:
    """Reasons where the forwards differ: a gradient that is right for its own forward is not what is wrong."""
    forwards, references = two_functions(evidence, decision.gradients)
    diagnoses = dict(reasons.diagnoses)
    for name in forwards:
        seen = [d.explanation for d in diagnoses.get(name, ())]
        sentence = f"the gradient of {name} is right for its own forward, which is not the reference"
        explanation = f"{sentence}: held against that, {seen[0]}" if seen else sentence
        diagnoses[name] = (Diagnosis("forward", explanation, {}), *diagnoses.get(name, ())[1:])
    for name in references:
        sentence = f"the gradient of {name} is the reference's, not that of the forward: mend the forward"
        diagnoses[name] = (Diagnosis("forward", sentence, {}), *diagnoses.get(name, ()))
    return replace(reasons, diagnoses=diagnoses)


def at_this_point(
    formula: Operation,
    evidence: Evidence,
    verdicts: Mapping[str, GradientVerdict],
    names: list[str],
    seed: int,
    deadline: Deadline,
) -> Reasons:
    """Of what is wrong at the point of the check."""
    return search(formula, evidence.cotangent, *compared(evidence, verdicts, names), seed, deadline)


def compared(
    evidence: Evidence, verdicts: Mapping[str, GradientVerdict], names: list[str]
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Of these gradients the hand-derived ones, the truth, and how far they may be apart."""
    hand = {k: evidence.gradients[k].estimates[HAND] for k in names}
    truth = {k: evidence.gradients[k].estimates[verdicts[k].truth] for k in names}
    bound = {k: compare(hand[k], truth[k], evidence.t).bounds for k in names}
    return values(hand), values(truth), bound


def judged_here(operation: Operation, seed: int, deadline: Deadline) -> Assessed:
    """The verdict on every gradient at the point of an operation alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return judged(operation, deadline, seed, exact=False, further=False)


def accused(found: Assessed) -> Accused:
    """What a search for reasons starts from: of the gradients that are wrong, those that are as formulas."""
    formula = legible(found.operation.widened() if found.operation.dtype == SINGLE else found.operation)
    evidence, verdicts = found.evidence, found.decision.gradients
    shapes = {k: reasons[0] for k, reasons in wrong_shapes(formula, evidence).diagnoses.items()}
    names = [k for k, g in verdicts.items() if k not in shapes and wrong_here(g) and g.odd_one_out != AUTODIFF]
    plain = replace(formula, moving_forward=None)
    return Accused(plain, evidence.cotangent, *compared(evidence, verdicts, names), shapes)


class Accused(NamedTuple):
    """Gradients that are wrong at one point: the operation, the cotangent, by name the hand-derived gradient, the
    truth, how far apart they may be; and what is to be said at once, of a wrong shape."""

    operation: Operation
    cotangent: Array
    hand: dict[str, Array]
    truth: dict[str, Array]
    bound: dict[str, Array]
    at_once: dict[str, Diagnosis]


def values(estimates: Mapping[str, Estimate]) -> dict[str, Array]:
    return {k: e.value for k, e in estimates.items()}


def at_exact_point(formula: Operation, evidence: Evidence, names: list[str], seed: int, deadline: Deadline) -> Reasons:
    """Of what shows only at an exact point, which has no rounding but the search's own."""
    exact = evidence.exact
    hand = {k: exact.hand_gradients[k] for k in names}
    truth = {k: exact.gradients[k] for k in names}
    bound = {k: 4 * UNIT[DOUBLE] * np.abs(g) for k, g in truth.items()}
    return search(formula.at(exact.inputs), exact.cotangent, hand, truth, bound, seed, deadline)


def at_further_point(formula: Operation, found: Elsewhere, seed: int, deadline: Deadline) -> Reasons:
    """Of what shows only at a further point, where the truth is known there."""
    if found.truth is None or found.allowed is None:
        return Reasons()
    name, point = found.name, formula.at(dict(found.inputs))
    hand = {name: found.hand[name]}
    return search(point, found.cotangent, hand, {name: found.truth}, {name: found.allowed}, seed, deadline)


def search(
    operation: Operation,
    v: Array,
    hand: Mapping[str, Array],
    truth: Mapping[str, Array],
    bound: Mapping[str, Array],
    seed: int,
    deadline: Deadline,
) -> Reasons:
    if not hand:
        return Reasons()
    if deadline.passed:
        left_out = (
            f"the budget ended; not done: the search for the reason why the gradient of {', '.join(hand)} is wrong"
        )
        return Reasons({}, (Finding("left-out", left_out, False),))
    plain = replace(operation, moving_forward=None)
    found = diagnose_all(plain, v, dict(hand), dict(truth), dict(bound), seed=seed, budget=deadline.left)
    findings = tuple(Finding(remark.kind, remark.explanation, False) for remark in found.remarks)
    return Reasons({k: tuple(diagnoses) for k, diagnoses in found.diagnoses.items()}, findings)


def wrong_shapes(operation: Operation, evidence: Evidence) -> Reasons:
    """Of each gradient of the wrong shape, its own."""
    names = {name: g.shape for name, g in evidence.gradients.items() if not g.right_shape}
    return Reasons({name: (d,) for name, d in shape_reasons(operation, evidence.cotangent, names).items()})
