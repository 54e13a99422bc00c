"""What a check would have caught: the smallest wrong entry that its bounds would not have let pass.

An error e in one entry of a gradient is detected if it exceeds the sum of the bounds there, t. Relative to the entry
that is t / |g|. Entries whose bound is a large part of the gradient's own size (digits that cancelled, true zeros)
cannot be judged relatively; they are counted instead of being hidden in a mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.evidence.pair import Pair
from crosscheck.floats import root_mean_square

Array = np.ndarray

# Entries this far below the gradient's typical size are left out of the worst case: relative to them anything is large.
TYPICAL = 1e-3


@dataclass(frozen=True)
class Power:
    """The detection threshold of one gradient's check.

    Args:
        median: a one-entry relative error above this is detected at half of the entries.
        worst: ... at every entry that is at least a thousandth of the typical size.
        unjudged: entries without any relative promise: nobody spoke, or the bound exceeds a thousandth of the size.
        entries: all of them.
        exact: whether the exact run decided too; then at its point the smallest detectable error is 0.
        witness: whose bounds these are.
    """

    median: float
    worst: float
    unjudged: int
    entries: int
    exact: bool
    witness: str

    def __str__(self) -> str:
        if self.exact:
            return "any wrong entry at the exact points is caught" + (
                "" if not np.isfinite(self.median) else f"; at this point any above {self.median:.0e} of it"
            )
        if not np.isfinite(self.median):
            return "nothing relative can be promised at these entries"
        if not self.worst:
            return "any wrong entry is caught"
        text = f"one wrong entry is caught above {self.median:.0e} of it (median), {self.worst:.0e} (worst)"
        return text + (f"; {self.unjudged} of {self.entries} entries cannot be judged" if self.unjudged else "")

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def power_of(gradient: Array, pair: Pair, exact: bool) -> Power:
    """The power of one comparison, from its bounds alone."""
    size = np.abs(np.asarray(gradient, np.float64))
    finite = np.isfinite(size)
    rms = root_mean_square(size)
    spoken = ~pair.silent & finite
    threshold = pair.bounds
    judged = spoken & (threshold <= TYPICAL * np.maximum(size, rms)) & (rms > 0)
    large = judged & (size >= TYPICAL * rms)
    relative = threshold[large] / size[large]
    return Power(
        median=float(np.median(relative)) if relative.size else float("inf"),
        worst=float(np.max(relative)) if relative.size else float("inf"),
        unjudged=int((~judged).sum()),
        entries=int(size.size),
        exact=exact,
        witness=pair.second,
    )
