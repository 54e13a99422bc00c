"""What the exact points say, and the sentence that is true of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from crosscheck.exact.differences import ExactDifference

Array = np.ndarray
Arrays = dict[str, Array]

Outcome = Literal["equal", "rounded", "different"]


@dataclass(frozen=True)
class ExactRun:
    """What the exact points say; `inputs` ... `hand_gradients` are of the first point, or of the first that differs.

    Args:
        applies: whether there is an exact point at all; if not, `reason` says why, and the rest is empty.
        forward, outcomes: "equal" bit for bit; "rounded", within the rounding bound there; "different". The worst of
            all points, for the output and by name (without a name that only ever differed by a convention about ties).
        bits: of 53, the most that a point used.
        degree: of the forward in each input; 0 where unknown (no reference).
        points: how many were compared.
        choices: |S| of the statement.
        difference: by name, where it was affordable.
        statement: what is true, in words.
    """

    applies: bool
    reason: str = ""
    inputs: Arrays = field(default_factory=dict)
    cotangent: Array = field(default_factory=lambda: np.zeros(0))
    output: Array = field(default_factory=lambda: np.zeros(0))
    gradients: Arrays = field(default_factory=dict)
    hand_output: Array = field(default_factory=lambda: np.zeros(0))
    hand_gradients: Arrays = field(default_factory=dict)
    forward: Outcome = "equal"
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    bits: float = 0.0
    degree: dict[str, int] = field(default_factory=dict)
    points: int = 0
    choices: int = 0
    difference: dict[str, ExactDifference] = field(default_factory=dict)
    statement: str = ""

    @property
    def different(self) -> list[str]:
        """The names whose hand-derived gradient is wrong at an exact point."""
        return [name for name, outcome in self.outcomes.items() if outcome == "different"]


def statement(run: ExactRun) -> str:
    """What is true after the run, in words."""
    points = "one point" if run.points == 1 else f"{run.points} points"
    bits = f" ({run.bits:.1f} of 53 bits)" if run.bits else ""
    said = [f"at {points} float64 arithmetic is exact in any order{bits}"]
    by: dict[Outcome, list[str]] = {"equal": [], "rounded": [], "different": []}
    for name, outcome in run.outcomes.items():
        by[outcome].append(name)
    if by["equal"]:
        verb = "is" if len(by["equal"]) == 1 else "are"
        said.append(f"{', '.join(by['equal'])} {verb} exactly the true gradient there")
    if by["rounded"]:
        said.append(f"{', '.join(by['rounded'])} differs from it by the rounding of its own algorithm")
    if by["different"]:
        said.append(f"{', '.join(by['different'])} is not the true gradient")
    if not by["different"] and run.choices:
        said.append(
            "a wrong Jacobian at this point survives the random integer cotangent with probability at most "
            f"1/{run.choices:,}"
        )
    return "; ".join(said)


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
