"""The page: the verdict; what is wrong, why and where; what is right, in a line each; and what the check was.

Three sizes of it: a line (`summary`), the page, and the page with everything below it (`full`). A reader who stops
after the first lines has read what to mend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from crosscheck.evidence.collected import Reference
from crosscheck.evidence.estimate import HAND
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import GradientResult, Result
from crosscheck.evidence.wording import counted, listed
from crosscheck.report.failing import (
    CONSEQUENCES,
    WITNESSES,
    heading,
    is_a_place,
    picture,
    sentence,
    title_of,
    undecided_blocks,
    why,
    wrong_blocks,
)
from crosscheck.report.heatmap import WIDTH as MAP
from crosscheck.report.heatmap import legend
from crosscheck.report.layout import NARROWEST, TOGETHER, WIDEST, Paragraph, cut
from crosscheck.report.text import number, pair_heading, pair_line

# Findings of what a check did not look at.
NOT_JUDGED = ("left-out", "not-compared", "none", "unjudged", "ambiguous", "constants")
NAMED = 3  # names in the first line; more are counted
FIRST_WRONG = "line-by-line"  # the finding that says which line to mend first
PACKAGES = {"python": "Python", "crosscheck": "crosscheck", "numpy": "NumPy", "jax": "JAX"}


def summary(result: Result) -> str:
    """One line."""
    return cut(result.reworded(f"{result.name}: {result.verdict}: {in_short(result)}"), WIDEST)


def in_short(result: Result) -> str:
    """The first reason for the verdict."""
    causes, _ = failing(result)
    wrong = of_verdict(result, "disagree")
    if causes:
        return causes[0].explanation
    if wrong:
        reason = why(wrong[0]) or next(filter(is_a_place, wrong[0].diagnoses), None)
        if reason is None:
            return heading(result, wrong[0])
        return sentence(reason).removeprefix("" if reason.kind == "shape" else "the gradient of ")
    open_ones = of_verdict(result, "undecided")
    if open_ones:
        return f"{listed(g.name for g in open_ones)} could not be decided"
    return amount(result)


def amount(result: Result) -> str:
    entries = sum(math.prod(g.shape) for g in result.gradients.values())
    return f"{counted(len(result.gradients), 'gradient')}, {counted(entries, 'entry', 'entries')}"


def of_verdict(result: Result, verdict: str) -> list[GradientResult]:
    return [g for g in result.gradients.values() if g.verdict == verdict]


def page(result: Result, width: int) -> Iterator[Paragraph]:
    """The page, in blocks."""
    yield Paragraph(title(result), indent=0, role="title")
    causes, consequences = failing(result)
    for finding in causes:
        yield Paragraph(f"{finding.kind}: {finding.explanation}", role="wrong")
    for finding in result.findings:
        if finding.kind == FIRST_WRONG:
            yield Paragraph(finding.explanation, role="wrong")
    explained: dict[str, Diagnosis] = {}
    for gradient in of_verdict(result, "disagree"):
        yield from wrong_blocks(result, gradient, explained, width)
    for gradient in of_verdict(result, "undecided"):
        yield from undecided_blocks(result, gradient)
    for finding in consequences:
        yield Paragraph(f"{finding.kind}: {finding.explanation}", role="wrong")
    right = of_verdict(result, "agree")
    yield from right_lines(result, right)
    agreeing = [w for w in WITNESSES if any((HAND, w) in g.pairs and g.pairs[HAND, w].agree.any() for g in right)]
    if agreeing and len(right) == len(result.gradients):
        yield Paragraph(f"{listed(agreeing)} agree{'s' if len(agreeing) == 1 else ''}", "witnesses")
    for text in not_judged(result):
        yield Paragraph(text, "not judged")
    two = any(d.kind == "forward" for g in result.gradients.values() for d in g.diagnoses)
    for finding in result.findings:
        told = finding.fails or finding.kind in (*NOT_JUDGED, FIRST_WRONG) or (two and finding.kind == "two-functions")
        if not told:
            yield Paragraph(finding.explanation, "noticed")
    yield from remarks(right)
    power = least_power(right)
    if power:
        yield Paragraph(power, "power")
    if result.passed and result.statement:
        yield Paragraph(result.statement, "exact")
    if result.evidence.source:
        yield Paragraph(result.evidence.source, "reference")
    yield from how_to_repeat(result)


def title(result: Result) -> str:
    """The verdict, and on which gradients."""
    start = f"{result.name} ({result.dtype}): {result.verdict}"
    if result.verdict == "agree":
        return f"{start}; {amount(result)}"
    parts = []
    for verdict, word in (("disagree", "wrong"), ("undecided", "undecided"), ("agree", "right")):
        names = [title_of(result, g) for g in of_verdict(result, verdict)]
        if names:
            said = listed(names) if len(names) <= NAMED else f"{len(names)} gradients"
            parts.append(f"{said} {'is' if len(names) == 1 else 'are'} {word}")
    if result.verdict == "disagree" and not of_verdict(result, "disagree"):
        kinds = dict.fromkeys(f.kind for f in result.findings if f.fails)
        parts.append(f"what fails is no gradient: {listed(kinds)}")
    return f"{start}; {', '.join(parts)}"


def repeats(result: Result, finding: Finding) -> bool:
    """Whether a failing finding says what the page says of a gradient anyway."""
    return any(d.explanation.startswith(finding.explanation) for g in result.gradients.values() for d in g.diagnoses)


def failing(result: Result) -> tuple[list[Finding], list[Finding]]:
    """The findings that fail, those first that may be why gradients are wrong; without what a gradient says anyway."""
    found = [f for f in result.findings if f.fails and not repeats(result, f)]
    wrong = any(why(g) or g.mismatched.any() for g in of_verdict(result, "disagree"))
    after = [f for f in found if wrong and f.kind in CONSEQUENCES]
    return [f for f in found if f not in after], after


def right_lines(result: Result, right: list[GradientResult]) -> Iterator[Paragraph]:
    """The gradients that are right, a line each."""
    titles = [f"{title_of(result, g)}" for g in right]
    longest = max(map(len, titles), default=0)
    widest = max((len(str(g.shape)) for g in right), default=0)
    for title, gradient in zip(titles, right, strict=True):
        pair, off = gradient.judged_by, ""
        if result.evidence.gradients[gradient.name].conventions is not None:
            off = ", by a convention on kinks"
        elif pair is not None and pair.worst_index is not None:
            off = f": off by {number(pair.error_at_worst)} of {number(pair.bound)} allowed"
        row = f"{title:<{longest}}  {gradient.shape!s:<{widest}}  right{off}"
        yield Paragraph(row.replace(" ", TOGETHER) if len(row) <= NARROWEST - 2 else row)


def not_judged(result: Result) -> Iterator[str]:
    for finding in result.findings:
        if finding.kind in NOT_JUDGED and not finding.fails:
            yield finding.explanation
    if result.evidence.constants:
        yield f"{listed(result.evidence.constants)}, by which nothing was differentiated"


def remarks(right: list[GradientResult]) -> Iterator[Paragraph]:
    """What is to be said of gradients that are right, each sentence once."""
    names: dict[str, list[str]] = {}
    for gradient in right:
        for remark in gradient.remarks:
            names.setdefault(remark, []).append(gradient.name)
    for remark, of in names.items():
        yield Paragraph(f"{listed(of)}: {remark}", "noticed")


def least_power(right: list[GradientResult]) -> str:
    """The smallest mistake that would have been caught, of the gradient of which the least can be promised."""
    known = [g for g in right if g.power is not None]
    if not known:
        return ""
    least = max(known, key=lambda g: (not math.isfinite(g.power.median), not g.power.exact, g.power.median))  # type: ignore[union-attr]
    whose = f"{least.name}, of which least is known: " if len(known) > 1 else ""
    return f"{whose}{least.power}"


def how_to_repeat(result: Result) -> Iterator[Paragraph]:
    versions = [f"{word} {result.versions[name]}" for name, word in PACKAGES.items() if name in result.versions]
    if versions:
        yield Paragraph(", ".join(versions), "versions")
    yield Paragraph(f"{result.call}" if result.call else f"seed {result.seed}", "repeat")


# ---------------------------------------------------------------------- everything


def full(result: Result, width: int) -> Iterator[Paragraph]:
    """The page, and every number below it."""
    yield from page(result, width)
    yield Paragraph("", indent=0)
    yield Paragraph("everything that was found", indent=0, role="title")
    yield Paragraph(pair_heading(width), indent=0, role="numbers")
    if result.forward is not None:
        yield Paragraph(pair_line("forward / reference", result.forward, width), indent=0, role="numbers")
    for finding in result.findings:
        yield Paragraph(f"{finding.kind}{' (fails)' if finding.fails else ''}: {finding.explanation}")
    for gradient in result.gradients.values():
        yield from everything(result, gradient, width)
    if result.evidence.reference is not None:
        yield Paragraph(how_run(result.evidence.reference), "reference")
    if result.statement and not result.passed:
        yield Paragraph(result.statement, "exact")
    if result.not_exact:
        yield Paragraph(f"no exact points: {result.not_exact}", "exact")
    if result.evidence.further_points:
        yield Paragraph(f"{counted(result.evidence.further_points, 'point')} beside the caller's own", "further")
    yield Paragraph(f"{result.seed}, of every random draw", "seed")


def everything(result: Result, gradient: GradientResult, width: int) -> Iterator[Paragraph]:
    size = math.prod(gradient.shape)
    counts = f"{counted(size, 'entry', 'entries')}: {gradient.verdict}"
    row = f"{title_of(result, gradient)} {gradient.shape}  {counts}"
    yield Paragraph(row, role="plain" if gradient.passed else "wrong")
    for (first, second), pair in gradient.pairs.items():
        yield Paragraph(pair_line(f"{first} / {second}", pair, width), indent=0, role="numbers")
    if gradient.mismatched.any():
        culprit = f"; the odd one out: {gradient.odd_one_out}" if gradient.odd_one_out else ""
        yield Paragraph(f"{int(gradient.mismatched.sum())} of {size} entries are wrong{culprit}", indent=4)
    maps = picture(gradient, min(MAP, width - 8), shades=True)
    for axes, *rows in maps:
        yield Paragraph(axes, indent=6)
        yield Paragraph("\n".join(rows), indent=8, role="map")
    if maps:
        yield Paragraph(legend(maps), indent=6)
    for diagnosis in gradient.diagnoses:
        yield Paragraph(f"{diagnosis.kind}: {diagnosis.explanation}", indent=4)
        for key, value in diagnosis.evidence.items():
            yield Paragraph(f"{key}: {value}", indent=6)
    if gradient.undecided.any():
        yield Paragraph(f"{int(gradient.undecided.sum())} of {size} entries could not be decided", indent=4)
    for remark in gradient.remarks:
        yield Paragraph(remark, indent=4)
    if gradient.power is not None:
        yield Paragraph(f"power: {gradient.power}", indent=4)
    if gradient.evidence.how:
        yield Paragraph(f"how its own rounding was had: {gradient.evidence.how}", indent=4)


def how_run(reference: Reference) -> str:
    """How the reference and its VJP were evaluated."""
    how = "too long to be compiled as one: evaluated one by one"
    if reference.compiled:
        how = "compiled as one"
    elif reference.small:
        how = "too small to be worth compiling: interpreted"
    return f"{reference.equations} equations, {how}, in {reference.copies} random roundings"
