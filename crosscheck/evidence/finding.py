"""Something noticed beside the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Kinds of findings that make equal calls differ: with one of them, comparing further answers says nothing new.
UNSETTLED = ("stale", "accumulates", "nondeterministic", "uninitialised")


@dataclass(frozen=True)
class Finding:
    """Something noticed beside the numbers.

    Args:
        kind: stable, for programs: "forward", "reference", "shape", "dtype", ...
        explanation: one sentence.
        fails: whether it makes the verdict `disagree`.
    """

    kind: str
    explanation: str
    fails: bool

    def to_dict(self) -> dict[str, Any]:
        """The finding, in types that JSON knows."""
        return {"kind": self.kind, "explanation": self.explanation, "fails": self.fails}
