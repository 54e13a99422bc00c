"""A verdict: whether one gradient is right, where it is not, and who is the odd one out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pairs
from crosscheck.evidence.power import Power

Array = np.ndarray
Verdict = Literal["agree", "disagree", "undecided"]


@dataclass(frozen=True)
class GradientVerdict:
    """What was decided about one gradient.

    Args:
        verdict: agree, disagree, undecided.
        pairs: by two witnesses, all that were compared.
        mismatched: boolean, where the hand-derived gradient is wrong.
        undecided: boolean, where no independent witness could decide.
        odd_one_out: the witness that differs where two others agree.
        remarks: what the report says beside the numbers.
        exact: what the exact points said: equal, rounded, different; None where there are none.
        truth: the witness that the hand-derived gradient was held against; itself where there was none.
        power: the smallest mistake that this check would have caught.
    """

    verdict: Verdict
    pairs: Pairs
    mismatched: Array
    undecided: Array
    odd_one_out: str | None
    remarks: tuple[str, ...]
    exact: str | None
    truth: str
    power: Power | None


@dataclass(frozen=True)
class Decision:
    """What was decided about a check: every gradient, and what was noticed beside them."""

    gradients: dict[str, GradientVerdict]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """`disagree` before `undecided` before `agree`."""
        verdicts = {g.verdict for g in self.gradients.values()}
        if any(f.fails for f in self.findings) or "disagree" in verdicts:
            return "disagree"
        return "undecided" if "undecided" in verdicts else "agree"
