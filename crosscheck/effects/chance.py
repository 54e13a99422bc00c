"""A forward that draws at random: two equal calls give different outputs, and there is no gradient to check."""

from __future__ import annotations

import numpy as np

from crosscheck.effects.arrays import Array
from crosscheck.effects.comparison import equal
from crosscheck.evidence.finding import Finding

KIND = "random"
NOTHING = "the forward is random: nothing was checked"


def of_chance(first: Array, second: Array) -> Finding | None:
    """What is to be said of two outputs at one point; None where they are equal but for rounding."""
    unit = float(np.finfo(first.dtype).eps) / 2 if first.dtype.kind == "f" else 0.0
    if equal(first, second, None, unit):
        return None
    if first.shape != second.shape:
        how = f"shapes {first.shape} and {second.shape}"
    else:
        with np.errstate(invalid="ignore"):
            apart = ~((first == second) | (np.isnan(first) & np.isnan(second)))
        at = tuple(int(i) for i in np.argwhere(apart)[0])
        how = f"different outputs at {int(apart.sum())} of {first.size} places (the first at {at})"
    sentence = (
        f"the forward is random: two equal calls gave {how}; seed what it draws from inside of it "
        "(rng = np.random.default_rng(0)), or pass what it draws as an input"
    )
    return Finding(KIND, sentence, True)
