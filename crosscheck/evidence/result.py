"""What a check found: true or false by its verdict, readable as text, a dictionary, or an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND, Estimate, Pair
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.power import Power
from crosscheck.evidence.reason import Diagnosis

Array = np.ndarray
Verdict = Literal["agree", "disagree", "undecided"]


class GradientMismatch(AssertionError):
    """A check that did not pass. `result` holds everything that was found; the message is the whole report."""

    def __init__(self, result: Result) -> None:
        super().__init__(str(result))
        self.result = result


class Pairs(dict[tuple[str, str], Pair]):
    """Pairs of witnesses, found in either order."""

    def __missing__(self, key: tuple[str, str]) -> Pair:
        swapped = (key[1], key[0])
        if swapped in self:
            return self[swapped]
        raise KeyError(f"no pair {key}; there are {', '.join(map(str, self))}")


@dataclass
class GradientResult:
    """The verdict on one gradient.

    Args:
        name: the input's name.
        shape: of the gradient.
        verdict: agree, disagree, undecided.
        estimates: by witness.
        pairs: by two witnesses.
        mismatched: boolean, where the hand-derived gradient is wrong.
        undecided: boolean, where no independent witness could decide.
        odd_one_out: the witness that differs where two others agree.
        diagnoses: why it is wrong, the best explanation first; empty where no known mistake reproduces it.
        exact: what the exact points said: equal, rounded, different; None where there are none.
        power: the smallest mistake that this check would have caught.
    """

    name: str
    shape: tuple[int, ...]
    verdict: Verdict
    estimates: dict[str, Estimate]
    pairs: Pairs
    mismatched: Array
    undecided: Array
    odd_one_out: str | None = None
    remarks: list[str] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    exact: str | None = None
    power: Power | None = None

    @property
    def passed(self) -> bool:
        return self.verdict == "agree"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def judged_by(self) -> Pair | None:
        """The pair that the verdict rests on: against autodiff where there is a reference."""
        hand = [p for p in self.pairs.values() if p.first.startswith(HAND) and p.disagree.any()]
        if hand:
            return hand[0]
        for witness in (AUTODIFF, DIFFERENCE):
            if (HAND, witness) in self.pairs:
                return self.pairs[HAND, witness]
        return next(iter(self.pairs.values()), None)

    @property
    def max_error(self) -> float:
        """The largest difference between the hand-derived gradient and the witness that judges it."""
        pair = self.judged_by
        return float("inf") if pair is None else pair.error

    @property
    def worst_index(self) -> tuple[int, ...] | None:
        """Where the difference takes the largest share of its bound."""
        pair = self.judged_by
        return None if pair is None else pair.worst_index

    @property
    def bound(self) -> float:
        """What was allowed there."""
        pair = self.judged_by
        return float("nan") if pair is None else pair.bound

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "shape": list(self.shape),
            "entries": int(np.prod(self.shape)),
            "verdict": self.verdict,
            "passed": self.passed,
            "max_error": self.max_error,
            "bound": self.bound,
            "worst_index": None if self.worst_index is None else list(self.worst_index),
            "mismatched": int(self.mismatched.sum()),
            "undecided": int(self.undecided.sum()),
            "odd_one_out": self.odd_one_out,
            "pairs": [p.to_dict() for p in self.pairs.values()],
            "remarks": self.remarks,
            "diagnoses": [d.to_dict() for d in self.diagnoses],
            "exact": self.exact,
            "power": None if self.power is None else self.power.to_dict(),
        }


@dataclass
class Result:
    """The outcome of one check; true if it passed."""

    name: str
    dtype: np.dtype
    seed: int
    gradients: dict[str, GradientResult]
    forward: Pair | None
    findings: list[Finding] = field(default_factory=list)
    statement: str = ""
    not_exact: str = ""

    @property
    def power(self) -> dict[str, Power]:
        """What this very check would have caught, by gradient."""
        return {k: g.power for k, g in self.gradients.items() if g.power is not None}

    @property
    def verdict(self) -> Verdict:
        """`disagree` before `undecided` before `agree`."""
        verdicts = {g.verdict for g in self.gradients.values()}
        if any(f.fails for f in self.findings) or "disagree" in verdicts:
            return "disagree"
        return "undecided" if "undecided" in verdicts else "agree"

    @property
    def passed(self) -> bool:
        return self.verdict == "agree"

    def __bool__(self) -> bool:
        return self.passed

    def raise_for_failure(self) -> None:
        """Raise `GradientMismatch` with the whole report unless the check passed."""
        if not self.passed:
            raise GradientMismatch(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows (infinities and NaN as strings)."""
        return plain(
            {
                "name": self.name,
                "dtype": str(self.dtype),
                "seed": self.seed,
                "verdict": self.verdict,
                "passed": self.passed,
                "forward": None if self.forward is None else self.forward.to_dict(),
                "gradients": {k: g.to_dict() for k, g in self.gradients.items()},
                "findings": [f.to_dict() for f in self.findings],
                "exact": {"statement": self.statement, "reason": self.not_exact},
            }
        )

    def __str__(self) -> str:
        from crosscheck.report.text import text

        return text(self)


def plain(value: Any) -> Any:
    """Floats that JSON has no number for become strings."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
