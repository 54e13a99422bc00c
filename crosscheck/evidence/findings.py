"""What is to be said of a check as a whole: side effects, forwards that differ, a reference that is wrong itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from crosscheck.evidence.budget import of_budget
from crosscheck.evidence.collected import Array, Evidence, Reference
from crosscheck.evidence.estimate import AUTODIFF, AUTODIFF_SINGLE, DIFFERENCE, HAND, HAND_SINGLE
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.finding import UNSETTLED, Finding
from crosscheck.evidence.pair import Pair
from crosscheck.evidence.verdict import GradientVerdict
from crosscheck.evidence.wording import counted
from crosscheck.floats import SINGLE, UNIT


def findings(evidence: Evidence, verdicts: Mapping[str, GradientVerdict]) -> tuple[Finding, ...]:
    """Every finding, in the order of the report."""
    return (
        *of_budget(evidence),
        *of_output(evidence.output),
        *of_precision(evidence),
        *evidence.effects,
        *of_shapes(evidence),
        *of_forwards(evidence.forward),
        *of_two_functions(evidence, verdicts),
        *of_reference(evidence.reference),
        *of_exact_points(evidence.exact, evidence.reference is not None),
        *of_single_forwards(worse_than_a_third(evidence.forward_single, evidence.output)),
        *of_arithmetic(evidence, verdicts),
        *of_conventions(evidence),
        *of_odd_ones(evidence, verdicts),
    )


def of_output(y: Array) -> Iterator[Finding]:
    lost = ~np.isfinite(y)
    if lost.any():
        at = tuple(int(i) for i in np.argwhere(lost)[0])
        sentence = f"the forward gives {y[at]} at {int(lost.sum())} of {y.size} outputs (the first at {at})"
        yield Finding("not-finite", sentence, False)


def of_precision(evidence: Evidence) -> Iterator[Finding]:
    if evidence.single_inside:
        sentence = f"computed in float32 inside, whatever is given: {evidence.single_inside}; judged as float32"
        yield Finding("float32-inside", sentence, False)
    if evidence.accuracy:
        sentence = f"good by design, as shares of the largest entry: {evidence.accuracy}; the allowance has that in it"
        yield Finding("accuracy", sentence, False)
    if evidence.on:
        sentence = f"{evidence.on}: moved there only, and gradients are compared by what they say of its tangents"
        yield Finding("on", sentence, False)


def of_shapes(evidence: Evidence) -> Iterator[Finding]:
    for name, g in evidence.gradients.items():
        if not g.right_shape:
            yield Finding("shape", f"the gradient of {name} has shape {g.returned}; {name} has shape {g.shape}", True)


def of_forwards(pair: Pair | None) -> Iterator[Finding]:
    if pair is not None and pair.disagree.any():
        yield Finding(
            "forward",
            f"the forward differs from the reference's at {int(pair.disagree.sum())} of {pair.disagree.size} outputs, "
            f"by up to {pair.error:.3g} (the worst at {pair.worst_index}): the gradients answer different questions",
            True,
        )


def of_single_forwards(pair: Pair | None) -> Iterator[Finding]:
    if pair is not None and pair.disagree.any():
        yield Finding(
            "forward",
            f"computed in float32 the forward keeps fewer than a third of its digits at {int(pair.disagree.sum())} of "
            f"{pair.disagree.size} outputs: it is off by up to {pair.error:.3g} (the worst at {pair.worst_index})",
            True,
        )


def worse_than_a_third(pair: Pair | None, y: Array) -> Pair | None:
    """A float32 forward that differs by rounding alone is told by its digits: with a third of them it passes."""
    if pair is None:
        return None
    size = float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y)))
    return replace(pair, disagree=pair.disagree & ~(pair.difference <= UNIT[SINGLE] ** (1 / 3) * size))


def of_reference(reference: Reference | None) -> Iterator[Finding]:
    """What forward mode says of the reference's own reverse mode, and how the bounds were had."""
    if reference is None:
        return
    if reference.estimated:
        through = ", ".join(sorted(reference.estimated))
        yield Finding("weak-bound", f"the size of the rounding of {through} is not known: it is estimated", False)
    if reference.adjoint is not None and reference.adjoint.disagree.any():
        sentence = "the reference's reverse mode is not the adjoint of its forward mode: a derivative in it is wrong"
        yield Finding("reference", sentence, True)


def of_exact_points(exact: ExactRun, has_reference: bool) -> Iterator[Finding]:
    if not exact.applies:
        return
    if exact.forward == "different":
        sentence = "the forward differs from the reference's at a point where nothing rounds"
        yield Finding("forward", sentence, True)
    elif exact.forward == "equal" and has_reference:
        wrong = [name for name, d in exact.difference.items() if not d.agrees]
        if wrong:
            sentence = f"the reference's gradient of {', '.join(wrong)} is not the exact difference of the forward"
            yield Finding("reference", sentence, True)


def of_arithmetic(evidence: Evidence, verdicts: Mapping[str, GradientVerdict]) -> Iterator[Finding]:
    """A formula that is right, and an arithmetic that loses more than its operations cost."""
    if any(f.fails and f.kind in UNSETTLED for f in evidence.effects):
        return  # what is another answer at every call is nobody's arithmetic
    for name, g in evidence.gradients.items():
        pairs = verdicts[name].pairs
        if g.lost is not None:
            pair = pairs[HAND, AUTODIFF]
            if ((g.lost > pair.bounds) & pair.agree & ~verdicts[name].mismatched).any():
                yield loses(name, g.lost, g.estimates[HAND].value, 16)
        single = pairs.get((HAND_SINGLE, AUTODIFF_SINGLE))
        if single is not None and (single.disagree & ~verdicts[name].mismatched).any():
            truth = g.estimates[AUTODIFF_SINGLE]
            yield loses(name, single.difference, truth.value, round(-math.log10(truth.notes.get("unit", UNIT[SINGLE]))))


def loses(name: str, lost: Array, value: Array, digits: int) -> Finding:
    """Said, and no more: what keeps a third of its digits passes."""
    worst = float(np.max(lost, initial=0.0, where=np.isfinite(lost)))
    sentence = (
        f"the formula of the gradient of {name} is right; its arithmetic keeps {digits_kept(lost, value, digits):.0f} "
        f"of {digits} digits of the largest entry (off by {worst:.1g})"
    )
    return Finding("arithmetic", sentence, False)


def digits_kept(lost: Array, value: Array, digits: int) -> float:
    """How many decimal digits of the largest entry are left, of so many."""
    size = float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value)))
    worst = float(np.max(lost, initial=0.0, where=np.isfinite(lost)))
    return max(0.0, -np.log10(worst / size)) if worst > 0 and size > 0 else float(digits)


def of_conventions(evidence: Evidence) -> Iterator[Finding]:
    for name, g in evidence.gradients.items():
        if g.conventions is not None:
            where = f"at {counted(int(g.conventions.sum()), 'entry', 'entries')} on a kink"
            yield Finding("convention", f"{where} the gradient of {name} is a legitimate convention, of several", False)


def of_odd_ones(evidence: Evidence, verdicts: Mapping[str, GradientVerdict]) -> Iterator[Finding]:
    if differ(evidence):
        return  # two functions have two gradients, and nobody is odd
    odd = [name for name, verdict in verdicts.items() if verdict.odd_one_out == AUTODIFF]
    if odd:
        sentence = f"the reference's own gradient of {', '.join(odd)} is the odd one out: a derivative in it is wrong"
        yield Finding("reference", sentence, True)


def differ(evidence: Evidence) -> bool:
    """Whether the hand-written forward and the reference are not one function."""
    apart = evidence.forward is not None and bool(evidence.forward.disagree.any())
    return apart or evidence.exact.forward == "different"


def two_functions(evidence: Evidence, verdicts: Mapping[str, GradientVerdict]) -> tuple[list[str], list[str]]:
    """Where the forwards differ: the gradients that are right for the hand-written one, and those that are the
    reference's, as the differences of the forward say."""
    forwards: list[str] = []
    references: list[str] = []
    if not differ(evidence):
        return forwards, references
    for name, verdict in verdicts.items():
        own, other = verdict.pairs.get((HAND, DIFFERENCE)), verdict.pairs.get((HAND, AUTODIFF))
        if own is None or other is None or own.silent.all() or other.silent.all():
            continue
        if other.disagree.any() and not own.disagree.any():
            forwards.append(name)
        elif own.disagree.any() and not other.disagree.any():
            references.append(name)
    return forwards, references


def of_two_functions(evidence: Evidence, verdicts: Mapping[str, GradientVerdict]) -> Iterator[Finding]:
    forwards, references = two_functions(evidence, verdicts)
    if forwards:
        sentence = f"the hand-derived gradient of {', '.join(forwards)} is right for the hand-written forward"
        yield Finding("two-functions", f"{sentence}: the reference is another function", False)
    if references:
        sentence = f"the hand-derived gradient of {', '.join(references)} is the reference's, not the forward's"
        yield Finding("two-functions", f"{sentence}: it is the forward that is to be mended", False)
