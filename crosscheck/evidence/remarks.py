"""What the report says about a gradient beside its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, DIRECTIONS, HAND, Estimate
from crosscheck.evidence.pair import Pairs
from crosscheck.evidence.wording import counted


def remarks(estimates: Mapping[str, Estimate], pairs: Pairs) -> list[str]:
    """What the report says about a gradient beside its numbers."""
    said = []
    if HAND in estimates and AUTODIFF in estimates:
        lost = ~(np.isfinite(estimates[HAND].value) | np.isfinite(estimates[AUTODIFF].value))
        if lost.any():
            at = tuple(int(i) for i in np.argwhere(lost)[0])
            said.append(
                f"at {counted(int(lost.sum()), 'entry', 'entries')} neither the hand-derived gradient nor autodiff's "
                f"is finite ({estimates[HAND].value[at]} and {estimates[AUTODIFF].value[at]}, the first at "
                f"{list(at)}): there may be no derivative"
            )
    normwise = max((e.notes.get("normwise", 0) for e in estimates.values()), default=0)
    if normwise:
        said.append(f"{normwise} entries agree normwise only: rounding spread over the array, as by an FFT or Winograd")
    untaken = estimates[AUTODIFF].notes.get("untaken", 0) if AUTODIFF in estimates else 0
    if untaken:
        said.append(
            f"the reference's gradient is NaN at {untaken} entries, by 0 · NaN from a branch that is not taken: "
            "read as 0"
        )
    if AUTODIFF in estimates and estimates[AUTODIFF].notes.get("coarse", False):
        said.append("the forward rounds to fewer bits than float32 has: its differences are steps, and none is heard")
    if DIFFERENCE in estimates:
        notes = estimates[DIFFERENCE].notes
        size = math.prod(estimates[DIFFERENCE].value.shape)
        if "sampled" in notes:
            said.append(
                f"differenced, as asked, at {notes['sampled']} of {size} entries, drawn at random: one wrong entry is "
                f"not among them with probability {1 - notes['sampled'] / size:.2g}"
            )
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
        why = "as asked" if notes.get("asked") else "too large to difference every entry"
        instead = "" if DIFFERENCE in estimates else " instead"
        said.append(
            f"{why}: {count} random directions{instead}; a wrong gradient escapes them with probability at most "
            f"{notes['miss']:.1g}"
        )
    if (AUTODIFF, DIFFERENCE) in pairs and (HAND, AUTODIFF) in pairs:
        both = pairs[AUTODIFF, DIFFERENCE].disagree & pairs[HAND, AUTODIFF].agree
        if both.any():
            where = f"at {counted(int(both.sum()), 'entry', 'entries')}"
            said.append(f"{where} the finite difference differs from two witnesses that agree")
    return said
