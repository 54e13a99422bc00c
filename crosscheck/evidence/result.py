"""What a check found: true or false by its verdict, readable as text, a dictionary, or an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.estimate import Estimate
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pair, Pairs
from crosscheck.evidence.power import Power
from crosscheck.evidence.reason import Diagnosis, Reasons
from crosscheck.evidence.verdict import Decision, GradientVerdict, Verdict

Array = np.ndarray

FORMAT = 2  # of the dictionary; CHANGELOG.md says what changed

PageSize = Literal["summary", "page", "full", "html"]
Render = Callable[["Result", PageSize, int | None], str]


class GradientMismatch(AssertionError):
    """A check that did not pass. `result` holds everything that was found; the message is the page."""

    def __init__(self, result: Result) -> None:
        super().__init__(str(result))
        self.result = result


@dataclass(frozen=True)
class GradientResult:
    """One gradient: what was said of it, what was decided, and why it is wrong.

    Args:
        name: the input's name.
        evidence: what the witnesses said.
        decided: what follows from it; its parts are read here, too (`verdict`, `pairs`, `mismatched`, ...).
        diagnoses: why it is wrong, the best explanation first; empty where no known mistake reproduces it.
        line: of the user's backward that computes a wrong one, `layer.py:14: dw = x.T @ g`; empty where nobody knows.
    """

    name: str
    evidence: GradientEvidence = field(repr=False)
    decided: GradientVerdict = field(repr=False)
    diagnoses: tuple[Diagnosis, ...] = ()
    line: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input, and of its gradient."""
        return self.evidence.shape

    @property
    def estimates(self) -> Mapping[str, Estimate]:
        """By witness."""
        return self.evidence.estimates

    @property
    def verdict(self) -> Verdict:
        """agree, disagree, undecided."""
        return self.decided.verdict

    @property
    def passed(self) -> bool:
        """Whether the verdict is `agree`."""
        return self.verdict == "agree"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def pairs(self) -> Pairs:
        """By two witnesses."""
        return self.decided.pairs

    @property
    def mismatched(self) -> Array:
        """Boolean, where the hand-derived gradient is wrong."""
        return self.decided.mismatched

    @property
    def undecided(self) -> Array:
        """Boolean, where no independent witness could decide."""
        return self.decided.undecided

    @property
    def odd_one_out(self) -> str | None:
        """The witness that differs where two others agree."""
        return self.decided.odd_one_out

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else is to be said of it, in sentences."""
        return self.decided.remarks

    @property
    def exact(self) -> str | None:
        """What the exact points said: equal, rounded, different; None where there are none."""
        return self.decided.exact

    @property
    def power(self) -> Power | None:
        """The smallest mistake that this check would have caught."""
        return self.decided.power

    @property
    def judged_by(self) -> Pair | None:
        """The pair that the verdict rests on."""
        return self.pairs.judged_by

    @property
    def max_error(self) -> float:
        """The largest difference between the hand-derived gradient and the witness that judges it."""
        return float("inf") if self.judged_by is None else self.judged_by.error

    @property
    def worst_index(self) -> tuple[int, ...] | None:
        """Where the difference takes the largest share of its bound."""
        return None if self.judged_by is None else self.judged_by.worst_index

    @property
    def bound(self) -> float:
        """What was allowed there."""
        return float("nan") if self.judged_by is None else self.judged_by.bound

    def to_dict(self) -> dict[str, Any]:
        """This gradient's part of `Result.to_dict`."""
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
            "remarks": list(self.remarks),
            "diagnoses": [d.to_dict() for d in self.diagnoses],
            "line": self.line,
            "exact": self.exact,
            "power": None if self.power is None else self.power.to_dict(),
        }


@dataclass(frozen=True, repr=False)
class Result:
    """The outcome of one check; true if it passed.

    Args:
        name: of the operation.
        dtype: of its differentiated inputs.
        seed: of every random draw.
        evidence: what was collected.
        decision: what follows from it.
        reasons: why wrong gradients are wrong, and what the search for that left out.
        render: makes a page of it, of a size and a width.
        call: which check repeats it, as code; empty where the judge was called directly.
        words: what a door calls otherwise than the judge: {its words: the door's}.
        versions: of what computed it.
        weights: by gradient, what a door multiplied the caller's own numbers by.
    """

    name: str
    dtype: np.dtype
    seed: int
    evidence: Evidence
    decision: Decision
    reasons: Reasons
    render: Render = field(compare=False)
    call: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)

    @cached_property
    def gradients(self) -> dict[str, GradientResult]:
        """By name, in the order of `wrt`."""
        return {
            name: GradientResult(
                name,
                self.evidence.gradients[name],
                decided,
                self.reasons.diagnoses.get(name, ()),
                self.reasons.lines.get(name, ""),
            )
            for name, decided in self.decision.gradients.items()
        }

    @property
    def forward(self) -> Pair | None:
        """The forwards compared; None without a reference."""
        return self.evidence.forward

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed beside the numbers."""
        return self.decision.findings + self.reasons.findings

    @property
    def statement(self) -> str:
        """What the exact points prove, in words; empty where there are none."""
        return self.evidence.exact.statement if self.evidence.exact.applies else ""

    @property
    def not_exact(self) -> str:
        """Why there are no exact points; empty where there are."""
        return "" if self.evidence.exact.applies else self.evidence.exact.reason

    @property
    def power(self) -> dict[str, Power]:
        """What this very check would have caught, by gradient."""
        return {k: g.power for k, g in self.gradients.items() if g.power is not None}

    @property
    def verdict(self) -> Verdict:
        """`disagree` before `undecided` before `agree`."""
        return self.decision.verdict

    @property
    def passed(self) -> bool:
        """Whether the verdict is `agree`."""
        return self.verdict == "agree"

    def __bool__(self) -> bool:
        return self.passed

    def raise_for_failure(self) -> None:
        """Raise `GradientMismatch` with the page unless the check passed."""
        __tracebackhide__ = True  # pytest shows the caller's line
        if not self.passed:
            raise GradientMismatch(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows (infinities and NaN as strings)."""
        return plain(
            {
                "format": FORMAT,
                "name": self.name,
                "dtype": str(self.dtype),
                "seed": self.seed,
                "call": self.call,
                "versions": dict(self.versions),
                "verdict": self.verdict,
                "passed": self.passed,
                "forward": None if self.forward is None else self.forward.to_dict(),
                "gradients": {k: g.to_dict() for k, g in self.gradients.items()},
                "findings": [f.to_dict() for f in self.findings],
                "reference": None if self.evidence.reference is None else self.evidence.reference.to_dict(),
                "exact": {"statement": self.statement, "reason": self.not_exact},
            }
        )

    def reworded(self, sentence: str) -> str:
        """A sentence of the judge in the words of the door."""
        for judges, doors in self.words.items():
            sentence = sentence.replace(judges, doors)
        return sentence

    def summary(self) -> str:
        """One line of at most 80 columns: the verdict, and the first reason for it."""
        return self.render(self, "summary", None)

    def page(self, width: int | None = None) -> str:
        """What `print(result)` prints: what is wrong first, why and where; in 60 to 80 columns, as the terminal has."""
        return self.render(self, "page", width)

    def full(self, width: int | None = None) -> str:
        """The page, and below it everything that was found, every pair of witnesses on every gradient."""
        return self.render(self, "full", width)

    def __str__(self) -> str:
        return self.page()

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.render(self, "html", None)


def plain(value: Any) -> Any:
    """Floats that JSON has no number for become strings."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
