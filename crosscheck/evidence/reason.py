"""A reason: why a gradient is wrong, in a sentence and in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
