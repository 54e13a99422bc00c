"""What a door adds to a result, because it knows what the judge does not: which leaves belong together.

The judge sees real arrays by name and one vector of outputs. Where a gradient is wrong, the door asks the judge again,
with one thing changed:

    the cotangent is zero at all outputs but one        through which output it is wrong, or which is left out
    the sign of the imaginary parts is the other        the convention is the other one, or one side is conjugated

and compares it with the gradients of the other leaves of the same shape: two that are exchanged are both wrong. None
of this touches a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from crosscheck.doors.layouts import IMAG, REAL, Layout
from crosscheck.doors.numbers import shapes_of
from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import leaves
from crosscheck.evidence.estimate import HAND
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import compare
from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import Result
from crosscheck.operation import Array

MOST_OUTPUTS = 8  # each costs one more check
Again = Callable[[Array | None, Structure], Result]  # the check once more: with a cotangent, by another structure


def added(result: Result, structure: Structure, again: Again | None) -> Result:
    """The result with what the structure has to say of it; `again` is None where there is to be no second question."""
    layout = structure.layouts.get(shapes_of(structure.arrays))
    said = (*of_none(structure), *of_outputs(layout), *of_forward(result, layout))
    found: dict[str, Diagnosis] = {}
    wrong = [k for k, g in result.gradients.items() if g.verdict == "disagree"]
    if wrong and again is not None:
        parts = () if layout is None else layout.parts
        found = dict(exchanged(result, wrong))
        open_ones = [k for k in wrong if k not in found]
        if open_ones and (structure.complex or any(p.is_complex for p in parts)):
            found |= dict(conjugated(structure, open_ones, again))
        open_ones = [k for k in wrong if k not in found]
        if open_ones and layout is not None and 1 < len(parts) <= MOST_OUTPUTS:
            found |= dict(by_output(result, layout, open_ones, lambda v: again(v, structure)))
    return result if not said and not found else with_diagnoses(result, found, said)


def told_by_output(result: Result, layout: Layout | None, again: Callable[[Array], Result] | None) -> Result:
    """The result, and of each wrong gradient through which of several outputs it is wrong, where that tells anything;
    `again` is None where there is to be no second question."""
    wrong = [k for k, g in result.gradients.items() if g.verdict == "disagree"]
    if again is None or not wrong or layout is None or not 1 < len(layout.parts) <= MOST_OUTPUTS:
        return result
    return with_diagnoses(result, dict(by_output(result, layout, wrong, again)), ())


def with_diagnoses(result: Result, found: dict[str, Diagnosis], said: tuple[Finding, ...]) -> Result:
    """The result with a first diagnosis of some gradients, and more findings."""
    merged = {**result.reasons.diagnoses}
    for name, diagnosis in found.items():
        merged[name] = (diagnosis, *merged.get(name, ()))
    return replace(
        result, reasons=replace(result.reasons, diagnoses=merged, findings=(*result.reasons.findings, *said))
    )


# ---------------------------------------------------------------------- said of every check


def of_none(structure: Structure) -> Iterator[Finding]:
    if structure.without:
        names = ", ".join(sorted(structure.without))
        yield Finding(
            "none", f"the backward returned None as the gradient of {names}: judged as zero everywhere", False
        )


def of_outputs(layout: Layout | None) -> Iterator[Finding]:
    if layout is None or layout.is_plain:
        return
    judged = {p.name for p in layout.parts}
    others = ["y" + name for name, leaf in leaves(layout.example) if name not in judged and leaf is not None]
    if others:
        yield Finding("not-compared", f"no floats, and not compared: {', '.join(others)} of the output y", False)


def of_forward(result: Result, layout: Layout | None) -> Iterator[Finding]:
    pair = result.forward
    if layout is None or layout.is_plain or pair is None or not pair.disagree.any() or pair.worst_index is None:
        return
    yield Finding(
        "forward", f"the output at which the forwards differ most is y{layout.where(pair.worst_index[0])}", False
    )


# ---------------------------------------------------------------------- said of wrong gradients


def exchanged(result: Result, wrong: list[str]) -> Iterator[tuple[str, Diagnosis]]:
    """Of two wrong gradients, each the other's; one that the reference gives, too, was not taken from elsewhere."""
    wrong = [k for k in wrong if not is_that_of(result, k, k)]
    for i, a in enumerate(wrong):
        for b in wrong[i + 1 :]:
            if is_that_of(result, a, b) and is_that_of(result, b, a):
                for mine, other in ((a, b), (b, a)):
                    sentence = (
                        f"the gradients of {a} and {b} are exchanged: what is returned for {mine} is that of {other}"
                    )
                    yield mine, Diagnosis("exchanged", sentence, {"of": other})


def is_that_of(result: Result, a: str, b: str) -> bool:
    first, second = result.gradients[a], result.gradients[b]
    hand, truth = first.estimates.get(HAND), second.estimates.get(second.decided.truth)
    if hand is None or truth is None or second.decided.truth == HAND or first.shape != second.shape:
        return False
    return bool(hand.value.shape == truth.value.shape and compare(hand, truth, result.evidence.t).agree.all())


def conjugated(structure: Structure, wrong: list[str], again: Again) -> Iterator[tuple[str, Diagnosis]]:
    """Of gradients that are right with the imaginary parts of the cotangent, of the gradient, or of both negated."""
    assert structure.convention is not None
    other = "jax" if structure.convention == "pytorch" else "pytorch"
    ways = (
        ((-1.0, -1.0), f'the gradient of {{0}} is conjugated: it is right by the other convention, "{other}"'),
        ((1.0, -1.0), "the gradient of {0} is conjugated, and the cotangent is not"),
        ((-1.0, 1.0), "the gradient of {0} takes the cotangent conjugated"),
    )
    left = set(wrong)
    for signs, sentence in ways:
        if not left:
            return
        result = again(None, structure.with_signs(signs))
        for name in sorted(left):
            whole = name.removesuffix(REAL).removesuffix(IMAG)
            halves = [whole + REAL, whole + IMAG] if whole in structure.complex else [name]
            if all(k not in result.gradients or result.gradients[k].passed for k in halves):
                left.discard(name)
                yield name, Diagnosis("conjugated", sentence.format(whole if len(halves) > 1 else name), {})


def by_output(
    result: Result, layout: Layout, wrong: list[str], again: Callable[[Array], Result]
) -> Iterator[tuple[str, Diagnosis]]:
    """Of gradients that are right through some outputs and not through others."""
    bad: dict[str, list[str]] = {k: [] for k in wrong}
    nothing: dict[str, list[str]] = {k: [] for k in wrong}
    for part in layout.parts:
        v = np.zeros_like(result.evidence.cotangent)
        v[part.start : part.stop] = result.evidence.cotangent[part.start : part.stop]
        if not v.any():
            continue
        alone = again(v)
        for k in wrong:
            gradient = alone.gradients[k]
            if gradient.verdict == "disagree":
                bad[k].append("y" + part.name)
                hand = gradient.estimates.get(HAND)
                if hand is not None and not hand.value.any():
                    nothing[k].append("y" + part.name)
    for k in wrong:
        if nothing[k] and nothing[k] == bad[k]:
            sentence = f"the gradient of {k} leaves out what comes through {', '.join(bad[k])}"
            yield k, Diagnosis("output-left-out", sentence, {"outputs": bad[k]})
        elif 0 < len(bad[k]) < len(layout.parts):
            sentence = f"the gradient of {k} is wrong through {', '.join(bad[k])} only"
            yield k, Diagnosis("output", sentence, {"outputs": bad[k]})
