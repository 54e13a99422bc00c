"""An estimate: one witness's value of a gradient, with its own error bound at every entry.

Two estimates agree at an entry if they differ by no more than the sum of their bounds. There is no other tolerance
in the project. An estimate may also say that it cannot speak at an entry (a kink inside its step), and it may carry
an excuse: how far the truth could move if a comparison within rounding of a tie had gone the other way. An excuse never
makes two estimates agree; it turns a disagreement into "undecided".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray

# The witnesses, in the order of reports.
HAND = "hand-derived"
HAND_SINGLE = "hand-derived float32"
AUTODIFF = "autodiff"
AUTODIFF_SINGLE = "autodiff, float32 bounds"
DIFFERENCE = "finite difference"
COMPLEX_STEP = "complex step"
DIRECTIONS = "random directions"
EXACT_RUN = "exact"


@dataclass
class Estimate:
    """One witness's numbers.

    Args:
        witness: who says it (`HAND`, `AUTODIFF`, `DIFFERENCE`, ...).
        value: the gradient (or output), any shape.
        bound: same shape; how far `value` may be from the truth.
        decided: same shape, boolean; where the witness speaks at all. None means everywhere.
        excuse: same shape; how far the truth itself could move by a comparison within rounding of a tie.
        notes: counts and facts for the report.
    """

    witness: str
    value: Array
    bound: Array
    decided: Array | None = None
    excuse: Array | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def speaks(self) -> Array:
        """Where this estimate says anything, as a boolean array of the value's shape."""
        spoken = np.isfinite(self.bound)
        return spoken if self.decided is None else spoken & self.decided


@dataclass
class Pair:
    """Two witnesses compared, entry by entry.

    `difference` and `bounds` are arrays: how far the two are apart, and how far they may be. `agree`, `disagree` and
    `silent` are boolean arrays that partition the entries; `silent` where one of the two does
    not speak or where the difference is excused by a tie within rounding.
    """

    first: str
    second: str
    difference: Array
    bounds: Array
    agree: Array
    disagree: Array
    silent: Array

    @property
    def error(self) -> float:
        """The largest difference where both speak; 0.0 where nobody does."""
        return float(np.max(self.difference[~self.silent], initial=0.0))

    @property
    def share(self) -> float:
        """The largest difference as a share of what the bounds allow: above 1 is a disagreement."""
        return float(np.max(shares(self.difference, self.bounds)[~self.silent], initial=0.0))

    @property
    def worst_index(self) -> tuple[int, ...] | None:
        """Where that share is largest; None where no entry is compared."""
        if self.silent.all():
            return None
        ranked = np.where(self.silent, -1.0, shares(self.difference, self.bounds))
        tied = ranked == ranked.max()
        at = np.argmax(np.where(tied, self.difference, -1.0))  # among infinite shares, the largest error
        return tuple(int(i) for i in np.unravel_index(at, ranked.shape))

    @property
    def error_at_worst(self) -> float:
        """The difference there."""
        index = self.worst_index
        return float("nan") if index is None else float(self.difference[index])

    @property
    def bound(self) -> float:
        """What the bounds allow there."""
        index = self.worst_index
        return float("nan") if index is None else float(self.bounds[index])

    def to_dict(self) -> dict[str, Any]:
        return {
            "witnesses": [self.first, self.second],
            "error": self.error,
            "share": self.share,
            "worst_index": None if self.worst_index is None else list(self.worst_index),
            "bound": self.bound,
            "agree": int(self.agree.sum()),
            "disagree": int(self.disagree.sum()),
            "silent": int(self.silent.sum()),
        }


def shares(difference: Array, bound: Array) -> Array:
    """difference / bound, with 0/0 = 0 and x/0 = ∞."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = difference / bound
    return np.where(difference == 0, 0.0, np.where(np.isnan(ratio), np.inf, ratio))


def compare(first: Estimate, second: Estimate) -> Pair:
    """Compare two estimates of one quantity; both must have one shape."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(np.asarray(first.value, np.float64) - np.asarray(second.value, np.float64))
        bound = first.bound + second.bound
        both_same = (first.value == second.value) | (np.isnan(first.value) & np.isnan(second.value))
    difference = np.where(both_same, 0.0, np.where(np.isnan(difference), np.inf, difference))
    speaks = first.speaks() & second.speaks()
    excuse = sum((e.excuse for e in (first, second) if e.excuse is not None), np.zeros_like(bound))
    within = difference <= bound
    excused = ~within & (difference <= bound + excuse)
    return Pair(
        first.witness,
        second.witness,
        difference,
        bound,
        agree=speaks & within,
        disagree=speaks & ~within & ~excused,
        silent=~speaks | excused,
    )
