"""Something noticed beside the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
