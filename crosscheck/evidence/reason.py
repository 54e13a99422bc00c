"""Why a gradient is wrong, in words and in types that JSON knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crosscheck.evidence.finding import Finding


@dataclass(frozen=True)
class Diagnosis:
    """Why a gradient is wrong.

    `kind` is stable, for programs; `explanation` one sentence; `evidence` numbers and names behind
    it, in types that JSON knows.
    """

    kind: str
    explanation: str
    evidence: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "explanation": self.explanation, "evidence": self.evidence}


@dataclass(frozen=True)
class Reasons:
    """What the search for reasons gave.

    Args:
        diagnoses: by gradient, the best explanation first; none where no known mistake reproduces it.
        lines: by gradient, the line of the user's backward that computes it, where that is known.
        findings: on the search itself: what failed in it, what it left out. None of them touches the verdict.
        sought: whether there was a search at all.
    """

    diagnoses: Mapping[str, tuple[Diagnosis, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    sought: bool = True

    def __or__(self, other: Reasons) -> Reasons:
        """Both; of a gradient that both explain, what `other` says."""
        diagnoses, lines = {**self.diagnoses, **other.diagnoses}, {**self.lines, **other.lines}
        return Reasons(diagnoses, self.findings + other.findings, lines)
