"""An estimate: one witness's value of a gradient, with what is known of its own error at every entry.

Of rounding a standard deviation is known; of a truncation, or of an algorithm with a bound of its own, how large it can
be. Two estimates agree at an entry if they differ by no more than the allowance that follows from both (`pair`). There
is no other tolerance in the project. An estimate may also say that it cannot speak at an entry (a kink inside its
step), and it may carry an excuse: how far the truth could move if a comparison within rounding of a tie had gone the
other way, or by what is too fine to be seen. An excuse never makes two estimates agree; it turns a disagreement into
"undecided".
"""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True)
class Estimate:
    """One witness's numbers.

    Args:
        witness: who says it (`HAND`, `AUTODIFF`, `DIFFERENCE`, ...).
        value: the gradient (or output), any shape.
        bound: same shape; how far `value` may be from the truth, apart from the rounding that `sigma` describes.
        sigma: same shape; the standard deviation of its rounding error. None: nothing beyond `bound`.
        terms: same shape; the sum of the absolute terms that were added up into each entry. None: unknown.
        entrywise: whether `sigma` is known entry by entry, and not by the size of the whole array only.
        decided: same shape, boolean; where the witness speaks at all. None means everywhere.
        excuse: same shape; how far the truth itself could move by a comparison within rounding of a tie, or by what no
            step sees.
        notes: counts and facts for the report.
    """

    witness: str
    value: Array
    bound: Array
    sigma: Array | None = None
    terms: Array | None = None
    entrywise: bool = True
    decided: Array | None = None
    excuse: Array | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def speaks(self) -> Array:
        """Where this estimate says anything, as a boolean array of the value's shape."""
        spoken = np.isfinite(self.bound)
        if self.sigma is not None:
            spoken &= np.isfinite(self.sigma)
        if not self.witness.startswith(HAND):  # what is under check speaks whatever it says: NaN there is wrong
            spoken &= np.isfinite(self.value)
        return spoken if self.decided is None else spoken & self.decided
