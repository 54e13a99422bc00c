"""What the page says of a gradient that is wrong, or undecided: why, where, the worst entry, who says so."""

from __future__ import annotations

import math
from collections.abc import Iterator

from crosscheck.evidence.estimate import AUTODIFF, COMPLEX_STEP, DIFFERENCE, DIRECTIONS, HAND, HAND_SINGLE
from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import GradientResult, Result
from crosscheck.evidence.wording import counted, listed
from crosscheck.report.heatmap import heat_map, legend
from crosscheck.report.layout import LABEL, Block
from crosscheck.report.text import apart, number
from crosscheck.report.worst import entry, open_entry, worst

# Kinds of diagnoses that say where a gradient is wrong, and not why.
PLACES = ("localized", "border")
UNKNOWN = "no mistake that is known to the judge gives these numbers"
INDENT = 4


def why(gradient: GradientResult) -> Diagnosis | None:
    """The first reason that is one."""
    return next((d for d in gradient.diagnoses if d.kind not in PLACES), None)


def lines_of_code(diagnosis: Diagnosis) -> list[str]:
    """The lines that a reason is about, as they are written."""
    return [str(line) for line in diagnosis.evidence.get("lines", ())]


def sentence(diagnosis: Diagnosis) -> str:
    """A reason without the line of code that it ends with."""
    lines = lines_of_code(diagnosis)
    return diagnosis.explanation.removesuffix(f" ({lines[0]})") if lines else diagnosis.explanation


def wrong_blocks(result: Result, gradient: GradientResult, explained: list[Diagnosis], width: int) -> Iterator[Block]:
    """A gradient that is wrong; `explained` are the reasons that the page has given already, and is added to."""
    yield Block(heading(gradient), role="wrong")
    yield from why_blocks(result, gradient, explained)
    for diagnosis in gradient.diagnoses:
        if diagnosis.kind in PLACES:
            yield Block(diagnosis.explanation, "where", INDENT, "cause")
    maps = picture(gradient, width - INDENT - LABEL)
    if maps:
        title, *rows = maps[0]
        yield Block(f"{title}   {legend(maps[:1])}", "map", INDENT)
        yield Block("\n".join(rows), " ", INDENT, "map")
    found = worst(result, gradient)
    if found is not None:
        hand, true = apart(found.hand, found.true)
        allowed = "" if math.isnan(found.allowed) else f" ± {number(found.allowed)}"
        yield Block(f"{found.place}: {HAND} {hand}, {found.truth} {true}{allowed}", "worst", INDENT)
    said = witnesses(gradient)
    if said:
        yield Block(said, "witnesses", INDENT)


def heading(gradient: GradientResult) -> str:
    """How much of it is wrong."""
    size = math.prod(gradient.shape)
    title = f"{gradient.name} {gradient.shape}"
    if not gradient.evidence.right_shape:
        return f"{title}: a gradient of shape {gradient.evidence.returned} was returned"
    elsewhere = [remark for remark in gradient.remarks if remark.startswith("right at this point")]
    if elsewhere:
        return f"{title}: {elsewhere[0]}"
    count = int(gradient.mismatched.sum())
    if count == size:
        return f"{title}: wrong at every entry" if size > 1 else f"{title}: wrong"
    return f"{title}: wrong at {count} of {size} entries"


def why_blocks(result: Result, gradient: GradientResult, explained: list[Diagnosis]) -> Iterator[Block]:
    reason = why(gradient)
    if reason is None:
        yield Block(UNKNOWN if result.reasons.sought else "not looked for: diagnose=False", "why", INDENT, "cause")
        return
    same = [d for d in explained if is_same(d, reason)]
    if same:
        yield Block(f"the same mistake: {sentence(reason)}", "why", INDENT, "cause")
        return
    explained.append(reason)
    yield Block(sentence(reason), "why", INDENT, "cause")
    for line in lines_of_code(reason)[:1]:
        yield Block(line, "line", INDENT, "code")
    if reason.kind == "dtype":  # which is no reason for wrong numbers
        for other in [d for d in gradient.diagnoses if d.kind not in (*PLACES, "dtype")][:1]:
            yield Block(sentence(other), "and", INDENT, "cause")


def is_same(one: Diagnosis, other: Diagnosis) -> bool:
    together = one.evidence.get("gradients")
    return one.kind == other.kind and together is not None and together == other.evidence.get("gradients")


def picture(gradient: GradientResult, width: int, shades: bool = False) -> list[list[str]]:
    """The heat maps of the comparison that the verdict rests on; none of a single wrong entry."""
    pair = gradient.judged_by
    if pair is None or pair.difference.shape != gradient.mismatched.shape or HAND not in gradient.estimates:
        return []
    off = gradient.mismatched & pair.disagree
    if off.sum() < 2:
        return []
    return heat_map(gradient.name, off, pair.difference, gradient.estimates[HAND].value, width, shades)


def witnesses(gradient: GradientResult) -> str:
    """Who contradicts the hand-derived gradient, who agrees with it, and whether they agree with each other."""
    pairs = gradient.pairs
    known = [w for w in (AUTODIFF, COMPLEX_STEP, DIFFERENCE, DIRECTIONS) if (HAND, w) in pairs]
    against = [w for w in known if pairs[HAND, w].disagree.any()]
    silent = [w for w in known if pairs[HAND, w].silent.all()]
    others = [w for w in known if w not in against and w not in silent]
    said = []
    if against:
        asked = [pairs[one, two] for one in against for two in against if one != two and (one, two) in pairs]
        alike = len(against) > 1 and asked and not any(pair.disagree.any() for pair in asked)
        each_other = ", and agree with each other" if alike else ""
        said.append(f"{listed(against)} contradict{'s' if len(against) == 1 else ''} it{each_other}")
    single = next((p for (first, _), p in pairs.items() if first == HAND_SINGLE), None)
    if single is not None and single.disagree.any():
        said.append("computed in float32, it is further off than its operations cost")
    if others:
        said.append(f"{listed(others)} agree{'s' if len(others) == 1 else ''} with it")
    if silent:
        said.append(f"{listed(silent)} cannot tell")
    if gradient.exact == "different":
        said.append("where nothing rounds it differs")
    return "; ".join(said)


def undecided_blocks(gradient: GradientResult) -> Iterator[Block]:
    """A gradient of which nothing can be said, and why not."""
    count, size = int(gradient.undecided.sum()), math.prod(gradient.shape)
    many = f"{count} of {counted(size, 'entry', 'entries')} could not be decided"
    yield Block(f"{gradient.name} {gradient.shape}: {many}" if count else f"{gradient.name}: undecided", role="wrong")
    for remark in gradient.remarks:
        yield Block(remark, "why", INDENT, "cause")
    index = open_entry(gradient)
    pair = gradient.judged_by
    if index is not None and pair is not None and pair.second in gradient.estimates:
        hand = gradient.estimates[HAND].value[index]
        allowed = pair.bounds[index]
        if allowed > 0:
            text = f"{entry(gradient.name, index)}: {HAND} {hand:.6g}, and rounding hides anything up to {allowed:.1g}"
            yield Block(text, "least", INDENT)
    said = witnesses(gradient)
    if said:
        yield Block(said, "witnesses", INDENT)
