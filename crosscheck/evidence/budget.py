"""What a budget does to a verdict: nothing but to leave it open.

Where the clock ended a check, *agree* would promise what was not looked at. *Disagree* stands, unless what was left out
might have excused it: whether a difference at a kink is a legitimate convention is asked last, and only where a
reference compares nothing is there no kink.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.verdict import GradientVerdict


def in_time(found: GradientVerdict, gradient: GradientEvidence, evidence: Evidence) -> GradientVerdict:
    """The verdict that follows from what was done in time."""
    if not evidence.left_out:
        return found
    if found.verdict == "agree":
        return replace(found, verdict="undecided", remarks=(*found.remarks, "agrees as far as it was looked at"))
    final = not gradient.right_shape or found.exact == "different" or gradient.elsewhere is not None
    if found.verdict == "disagree" and evidence.excusable and not final:
        return replace(
            found,
            verdict="undecided",
            mismatched=np.zeros_like(found.mismatched),
            undecided=found.undecided | found.mismatched,
            odd_one_out=None,
        )
    return found


def of_budget(evidence: Evidence) -> Iterator[Finding]:
    if evidence.left_out:
        yield Finding("left-out", f"the budget ended; not done: {', '.join(evidence.left_out)}", False)
