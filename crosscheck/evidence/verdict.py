"""From estimates to a verdict: which entries are right, which are wrong, which nobody could decide, and who is odd.

An entry is right if the first witness that speaks there agrees with the hand-derived value, wrong if it disagrees,
undecided if none speaks. Autodiff speaks first, then the complex step, then the finite difference; so a finite
difference never overrules a hand-derived and an autodiff gradient that agree.
"""

from __future__ import annotations

import math

import numpy as np

from crosscheck.evidence.estimate import (
    AUTODIFF,
    AUTODIFF_SINGLE,
    COMPLEX_STEP,
    DIFFERENCE,
    DIRECTIONS,
    HAND,
    HAND_SINGLE,
    Estimate,
    Pair,
    compare,
)
from crosscheck.evidence.result import GradientResult, Pairs, Verdict
from crosscheck.witnesses.moving import projected

Array = np.ndarray

WITNESSES = (AUTODIFF, COMPLEX_STEP, DIFFERENCE)


def verdict_on(
    name: str, shape: tuple[int, ...], estimates: dict[str, Estimate], *, wrong_shape: bool
) -> GradientResult:
    """Compare all witnesses of one gradient and decide."""
    nothing = np.zeros(shape, bool)
    if wrong_shape:
        return GradientResult(name, shape, "disagree", estimates, Pairs(), ~nothing, nothing)
    said = trust_complex_step(estimates)
    pairs = compare_all(estimates)
    right, wrong = nothing.copy(), nothing.copy()
    for witness in WITNESSES:
        if (HAND, witness) in pairs:
            pair = pairs[HAND, witness]
            undecided = ~right & ~wrong
            right |= undecided & pair.agree
            wrong |= undecided & pair.disagree
    if (HAND, DIRECTIONS) in pairs:
        along = pairs[HAND, DIRECTIONS]
        undecided = ~right & ~wrong
        if along.disagree.any():  # a direction does not say which entry: every undecided one is suspect
            wrong |= undecided
        elif along.agree.any():
            right |= undecided
    if (HAND_SINGLE, AUTODIFF_SINGLE) in pairs:
        wrong |= pairs[HAND_SINGLE, AUTODIFF_SINGLE].disagree
    undecided = ~right & ~wrong
    verdict: Verdict = "disagree" if wrong.any() else "undecided" if undecided.any() else "agree"
    return GradientResult(
        name,
        shape,
        verdict,
        estimates,
        pairs,
        wrong,
        undecided,
        odd_one_out(pairs) if wrong.any() else None,
        said + remarks(estimates, pairs),
    )


def compare_all(estimates: dict[str, Estimate]) -> Pairs:
    """Every pair of witnesses that can be compared, in the order of reports."""
    pairs = Pairs()
    for first, second in (
        (HAND, AUTODIFF),
        (HAND, DIFFERENCE),
        (AUTODIFF, DIFFERENCE),
        (HAND, COMPLEX_STEP),
        (AUTODIFF, COMPLEX_STEP),
        (HAND_SINGLE, AUTODIFF_SINGLE),
    ):
        if first in estimates and second in estimates:
            pairs[first, second] = compare(estimates[first], estimates[second])
    if DIRECTIONS in estimates:
        along = estimates[DIRECTIONS]
        for first in (HAND, AUTODIFF):
            if first in estimates:
                pairs[first, DIRECTIONS] = compare(projected(estimates[first], along), along)
    return pairs


def trust_complex_step(estimates: dict[str, Estimate]) -> list[str]:
    """Drop the complex step where the differences show that the forward's code is not analytic; silence it at kinks."""
    if COMPLEX_STEP not in estimates or DIFFERENCE not in estimates:
        return []
    step, difference = estimates[COMPLEX_STEP], estimates[DIFFERENCE]
    step.decided = ~difference.notes["kink"]
    if compare(step, difference).disagree.any():
        del estimates[COMPLEX_STEP]
        return ["the forward is not analytic in complex numbers: the complex step is left out"]
    return []


def odd_one_out(pairs: Pairs) -> str | None:
    """When two witnesses agree and one differs: the one that differs, the reference included."""
    if (HAND, AUTODIFF) not in pairs:
        return HAND
    accused = pairs[HAND, AUTODIFF].disagree
    if not accused.any():
        return HAND
    for third in (COMPLEX_STEP, DIFFERENCE):
        if (HAND, third) not in pairs:
            continue
        if (accused & pairs[AUTODIFF, third].agree & pairs[HAND, third].disagree).any():
            return HAND
        if (accused & pairs[HAND, third].agree & pairs[AUTODIFF, third].disagree).any():
            return AUTODIFF
    return None


def counted(pair: Pair) -> int:
    return int(pair.disagree.sum())


def remarks(estimates: dict[str, Estimate], pairs: Pairs) -> list[str]:
    """What the report says about a gradient beside its numbers."""
    said = []
    normwise = max((e.notes.get("normwise", 0) for e in estimates.values()), default=0)
    if normwise:
        said.append(f"{normwise} entries agree normwise only: rounding spread over the array, as by an FFT or Winograd")
    if DIFFERENCE in estimates:
        notes = estimates[DIFFERENCE].notes
        size = math.prod(estimates[DIFFERENCE].value.shape)
        if notes["kinks"]:
            said.append(f"{notes['kinks']} of {size} entries sit on a kink of the forward: no difference there")
        if notes["crossed"]:
            said.append(
                f"{notes['crossed']} of {size} entries had a kink inside a larger step: a smaller one was taken"
            )
        if notes["undecided"]:
            said.append(f"{notes['undecided']} of {size} entries are below the noise of a difference")
    if DIRECTIONS in estimates:
        notes = estimates[DIRECTIONS].notes
        count = len(notes["directions"]) - notes["kinks"]
        said.append(
            f"too large to difference every entry: {count} random directions instead; a wrong gradient escapes them "
            f"with probability at most {notes['miss']:.1g}"
        )
    if (AUTODIFF, DIFFERENCE) in pairs and (HAND, AUTODIFF) in pairs:
        both = pairs[AUTODIFF, DIFFERENCE].disagree & pairs[HAND, AUTODIFF].agree
        if both.any():
            said.append(f"at {int(both.sum())} entries the finite difference differs from two witnesses that agree")
    return said
