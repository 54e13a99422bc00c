"""What was found at points where float64 does not round."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Array = np.ndarray
Arrays = dict[str, Array]

Outcome = Literal["equal", "rounded", "different"]


@dataclass(frozen=True)
class ExactDifference:
    """The exact central difference of the operation's own forward, compared with the true gradient.

    Args:
        value: entry by entry, NaN where it was not taken or a kink lies inside every step.
        checked: boolean, where there is a value.
        equal: boolean, where the value is the true gradient bit for bit.
        directions: how many random directions were taken instead, where there are too many entries.
        directions_equal: whether the true gradient gave the same along all of them.
    """

    value: Array
    checked: Array
    equal: Array
    directions: int = 0
    directions_equal: bool = True

    @property
    def agrees(self) -> bool:
        """Whether nothing that was checked differs."""
        return bool((self.equal | ~self.checked).all()) and self.directions_equal


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
