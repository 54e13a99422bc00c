"""Which configuration would tell the conditions apart that are still in the running."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crosscheck.surveys.conditions import Condition
from crosscheck.surveys.quantities import Array

# A configuration on which all conditions agree but for so small a share of belief tells nothing.
LEAST = 0.01


def shares(conditions: Sequence[Condition]) -> Array:
    """How far each is believed: half as much for each statement that it takes more."""
    weights = 2.0 ** -np.array([condition.cost for condition in conditions])
    return weights / weights.sum()


def telling(conditions: Sequence[Condition], candidates: Array) -> int | None:
    """Of these rows of the table the one that divides the conditions most evenly; None where they agree on all."""
    if len(conditions) < 2 or not len(candidates):
        return None
    belief = shares(conditions)
    truth = np.array([condition.holds[candidates] for condition in conditions])
    says = belief @ truth
    parted = np.minimum(says, 1 - says)
    best = int(np.argmax(parted))
    return int(candidates[best]) if parted[best] > LEAST else None
