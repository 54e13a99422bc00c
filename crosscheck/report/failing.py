"""What the page says of a gradient that is wrong, or undecided: why, where, the worst entry, who says so."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from crosscheck.evidence.estimate import (
    AUTODIFF,
    AUTODIFF_SINGLE,
    COMPLEX_STEP,
    DIFFERENCE,
    DIRECTIONS,
    HAND,
    HAND_SINGLE,
)
from crosscheck.evidence.pair import Pair
from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import GradientResult, Result
from crosscheck.evidence.wording import counted, listed
from crosscheck.report.heatmap import heat_map, legend
from crosscheck.report.layout import LABEL, TOGETHER, Paragraph
from crosscheck.report.text import apart, number
from crosscheck.report.worst import entry, open_entry, worst

# Kinds of diagnoses that may say where a gradient is wrong, and not why.
PLACES = ("localized", "border")
# Findings that follow from wrong numbers as often as they explain them.
CONSEQUENCES = ("nonlinear", "zero-size", "fortran-order", "noncontiguous", "readonly")
ELSEWHERE = "right at this point"  # how a remark begins that says where else it is wrong
WITNESSES = (AUTODIFF, COMPLEX_STEP, DIFFERENCE, DIRECTIONS)
UNKNOWN = "no mistake that is known to the judge gives these numbers"
INDENT = 4


def why(gradient: GradientResult) -> Diagnosis | None:
    """The first reason that is one."""
    return next((d for d in gradient.diagnoses if not is_a_place(d)), None)


def is_a_place(diagnosis: Diagnosis) -> bool:
    """Whether it says where the gradient is wrong, and not why: that a border was cut off is why."""
    return diagnosis.kind in PLACES and " is wrong " in diagnosis.explanation


def lines_of_code(diagnosis: Diagnosis) -> list[str]:
    """The lines that a reason is about, as they are written."""
    return [str(line) for line in diagnosis.evidence.get("lines", ())]


def sentence(diagnosis: Diagnosis) -> str:
    """A reason without the line of code that it ends with."""
    lines = lines_of_code(diagnosis)
    return diagnosis.explanation.removesuffix(f" ({lines[0]})") if lines else diagnosis.explanation


def title_of(result: Result, gradient: GradientResult) -> str:
    """What the door calls it: the name of the input, "tangent along x", "Jacobian"."""
    return result.reworded(f"d/d {gradient.name}").removeprefix("d/d ")


def wrong_blocks(
    result: Result, gradient: GradientResult, explained: dict[str, Diagnosis], width: int
) -> Iterator[Paragraph]:
    """A gradient that is wrong; `explained` are the reasons that the page has given already, and is added to."""
    yield Paragraph(heading(result, gradient), role="wrong")
    reason = why(gradient)
    same = next((name for name, d in explained.items() if reason is not None and is_same(d, reason)), None)
    if same is not None:
        yield Paragraph(f"the same mistake as of {same}", "why", INDENT, "cause")
        if gradient.line:
            yield Paragraph(gradient.line, "backward", INDENT, "code")
        yield from worst_block(result, gradient)
        return
    where = [d for d in gradient.diagnoses if is_a_place(d)]
    if reason is not None:
        explained[gradient.name] = reason
        yield from reason_blocks(gradient, reason)
    for diagnosis in where:
        yield Paragraph(f"{diagnosis.explanation}{as_slices(gradient)}", "where", INDENT, "cause")
    if reason is None:  # where it is wrong leads to the mistake, then
        yield Paragraph(without_reason(result, gradient), "why", INDENT, "cause")
    if gradient.line:
        yield Paragraph(gradient.line, "backward", INDENT, "code")
    maps = picture(gradient, width - INDENT - LABEL)
    if maps:
        title, *rows = maps[0]
        yield Paragraph(title, "map", INDENT)
        yield Paragraph("\n".join([*rows, legend(maps[:1])]), " ", INDENT, "map")
    yield from worst_block(result, gradient)
    said = witnesses(gradient)
    if said:
        yield Paragraph(said, "witnesses", INDENT)
    for remark in gradient.remarks:
        if not remark.startswith(ELSEWHERE) and remark != gradient.evidence.illegitimate:
            yield Paragraph(remark, "noticed", INDENT)


def heading(result: Result, gradient: GradientResult) -> str:
    """How much of it is wrong."""
    size = math.prod(gradient.shape)
    title = f"{title_of(result, gradient)} {gradient.shape}"
    if not gradient.evidence.right_shape:
        return f"{title}: what was returned has shape {gradient.evidence.returned}"
    elsewhere = [remark for remark in gradient.remarks if remark.startswith(ELSEWHERE)]
    if elsewhere:
        return f"{title}: {elsewhere[0]}"
    count = int(gradient.mismatched.sum())
    if count == size:
        return f"{title}: wrong at every entry" if size > 1 else f"{title}: wrong"
    return f"{title}: wrong at {count} of {size} entries"


def reason_blocks(gradient: GradientResult, reason: Diagnosis) -> Iterator[Paragraph]:
    yield Paragraph(sentence(reason), "why", INDENT, "cause")
    for line in lines_of_code(reason)[:1]:
        yield Paragraph(line, "line", INDENT, "code")
    if reason.kind == "dtype":  # which is no reason for wrong numbers
        for other in [d for d in gradient.diagnoses if d.kind != "dtype" and not is_a_place(d)][:1]:
            yield Paragraph(sentence(other), "and", INDENT, "cause")


def without_reason(result: Result, gradient: GradientResult) -> str:
    """What stands where the reason would: a finding that is one, or why there is none."""
    name = gradient.name
    for finding in result.findings:
        if finding.fails and finding.kind not in CONSEQUENCES and f"the gradient of {name} " in finding.explanation:
            return f"as said above: {finding.kind}"
    if gradient.evidence.illegitimate:
        return gradient.evidence.illegitimate
    if not result.reasons.sought:
        return "not looked for: diagnose=False"
    if any(f.kind == "left-out" and f" {name}" in f.explanation for f in result.reasons.findings):
        return "not found: the search for it was not finished"
    share = small_share(gradient)
    if share:
        return (
            f"{UNKNOWN}; they are off by at most {share:.1g} of the largest, as by a small constant that is added "
            f"(an ε in a denominator): where that is by design, accuracy={upwards(share)}"
        )
    return UNKNOWN


# Half of the digits of float64: a formula that is another is hardly ever so near.
HALF_THE_DIGITS = 2.0**-26


def small_share(gradient: GradientResult) -> float:
    """By what share of its largest entry a gradient is off at most, where it has half of its digits; else 0."""
    pair = gradient.judged_by
    if pair is None or pair.second not in gradient.estimates or not pair.disagree.any():
        return 0.0
    truth = gradient.estimates[pair.second].value
    largest = float(np.max(np.abs(truth), initial=0.0, where=np.isfinite(truth)))
    off = float(np.max(pair.difference[pair.disagree]))
    return off / largest if largest > 0 and off <= HALF_THE_DIGITS * largest else 0.0


def upwards(share: float) -> str:
    """Twice it, in one digit."""
    return f"{2 * share:.0e}".replace("e-0", "e-")


def as_slices(gradient: GradientResult) -> str:
    """Where it is wrong as an index of NumPy, `w[0:3, 2]`, if that says all of it; else nothing."""
    wrong, parts = gradient.mismatched, []
    if wrong.sum() < 2:
        return ""
    for axis in range(wrong.ndim):
        at = np.unique(np.nonzero(wrong)[axis])
        if len(at) == wrong.shape[axis]:
            parts.append(slice(None))
        elif int(at[-1] - at[0]) == len(at) - 1:
            parts.append(slice(int(at[0]), int(at[-1]) + 1))
        else:
            return ""
    inside = np.zeros(wrong.shape, bool)
    inside[tuple(parts)] = True
    if not np.array_equal(inside, wrong) or inside.all():
        return ""
    words = [
        ":" if p.start is None else str(p.start) if p.stop - p.start == 1 else f"{p.start}:{p.stop}" for p in parts
    ]
    while words[-1] == ":":
        words.pop()
    return f" ({gradient.name}[{', '.join(words)}])"


def worst_block(result: Result, gradient: GradientResult) -> Iterator[Paragraph]:
    found = worst(result, gradient, title_of(result, gradient))
    if found is None:
        return
    hand, true = apart(found.hand, found.true)
    allowed = "" if math.isnan(found.allowed) else f" ± {number(found.allowed)}"
    truth = f"{found.truth.removesuffix(', float32 bounds')} {true}{allowed}"
    yield Paragraph(f"{found.place}: {HAND} {hand}, {truth.replace(' ', TOGETHER)}", "worst", INDENT)


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
    known = [w for w in WITNESSES if (HAND, w) in pairs]
    against = [w for w in known if pairs[HAND, w].disagree.any()]
    silent = [w for w in known if w not in against and is_silent(gradient, pairs[HAND, w])]
    others = [w for w in known if w not in against and w not in silent]
    there = gradient.exact == "different" or gradient.evidence.elsewhere is not None
    said = []
    if against:
        asked = [pairs[one, two] for one in against for two in against if one != two and (one, two) in pairs]
        alike = len(against) > 1 and asked and not any(pair.disagree.any() for pair in asked)
        each_other = ", and agree with each other" if alike else ""
        said.append(f"{listed(against)} contradict{'s' if len(against) == 1 else ''} it{each_other}")
    if (HAND_SINGLE, AUTODIFF_SINGLE) in pairs and pairs[HAND_SINGLE, AUTODIFF_SINGLE].disagree.any():
        said.append("computed in float32, it is further off than its operations cost")
    if others:
        here = " at this point" if there and not against else ""
        said.append(f"{listed(others)} agree{'s' if len(others) == 1 else ''} with it{here}")
    if silent:
        said.append(f"{listed(silent)} cannot tell")
    if gradient.exact == "different":
        said.append("points where nothing rounds contradict it" + (", too" if against else ""))
    return "; ".join(said)


def is_silent(gradient: GradientResult, pair: Pair) -> bool:
    """Whether a witness says nothing of it; of a wrong gradient, nothing where it is wrong."""
    if gradient.mismatched.any() and pair.silent.shape == gradient.mismatched.shape:
        return bool(pair.silent[gradient.mismatched].all())
    return bool(pair.silent.all())


def undecided_blocks(result: Result, gradient: GradientResult) -> Iterator[Paragraph]:
    """A gradient of which nothing can be said, and why not."""
    count, size = int(gradient.undecided.sum()), math.prod(gradient.shape)
    many = f"{count} of {counted(size, 'entry', 'entries')} could not be decided" if count else "undecided"
    yield Paragraph(f"{title_of(result, gradient)} {gradient.shape}: {many}", role="wrong")
    reasons = list(gradient.remarks)
    if result.evidence.left_out:
        reasons.append("the budget ended before it was decided")
    elif gradient.evidence.elsewhere is None and any(pair.agree.any() for pair in gradient.pairs.values()):
        reasons.append("who agrees with it would have agreed with a mistake of a thousandth, too: nothing is shown")
    for reason in reasons:
        yield Paragraph(reason, "why", INDENT, "cause")
    index, pair = open_entry(gradient), gradient.judged_by
    hidden = gradient.evidence.elsewhere is None  # else it is not rounding that leaves it open
    if hidden and index is not None and pair is not None and np.isfinite(pair.bounds[index]) and pair.bounds[index] > 0:
        hand, most = gradient.estimates[HAND].value[index], pair.bounds[index]
        text = f"at {entry(gradient.name, index)}, where it is {hand:.3g}, rounding would hide a mistake of {most:.1g}"
        yield Paragraph(text, "noise", INDENT)
    said = witnesses(gradient)
    if said:
        yield Paragraph(said, "witnesses", INDENT)
