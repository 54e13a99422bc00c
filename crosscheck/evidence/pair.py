"""Two estimates of one quantity, compared entry by entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND, Array, Estimate
from crosscheck.floats import DOUBLE, UNIT


@dataclass(frozen=True)
class Pair:
    """Two witnesses compared, entry by entry.

    `difference` and `bounds` are arrays: how far the two are apart, and how far they may be. `agree`, `disagree` and
    `silent` are boolean arrays that partition the entries; `silent` where one of the two does not speak or the
    difference is excused.
    """

    first: str
    second: str
    difference: Array
    bounds: Array
    agree: Array
    disagree: Array
    silent: Array
    excused: Array

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


def compare(first: Estimate, second: Estimate, t: float | None = None) -> Pair:
    """Compare two estimates of one quantity; both must have one shape.

    They may differ by t √(σ₁² + σ₂²) + what both may be off beside rounding; t is the quantile of the whole check, and
    must be given where one of them has a σ.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(np.asarray(first.value, np.float64) - np.asarray(second.value, np.float64))
        both_same = (first.value == second.value) | (np.isnan(first.value) & np.isnan(second.value))
    difference = np.where(both_same, 0.0, np.where(np.isnan(difference), np.inf, difference))
    sigmas = [e.sigma for e in (first, second) if e.sigma is not None]
    if sigmas and t is None:
        raise TypeError("estimates with a standard deviation are compared at a quantile: give t")
    allowed = allowance(sigmas, [first.bound, second.bound], t or 0.0)
    speaks = first.speaks() & second.speaks()
    within = difference <= allowed
    excused = np.zeros(within.shape, bool)
    excuses = [e.excuse for e in (first, second) if e.excuse is not None]
    if excuses and not within.all():
        excused = ~within & (difference <= sum(excuses, allowed))
    return Pair(
        first.witness,
        second.witness,
        difference,
        allowed,
        agree=speaks & within,
        disagree=speaks & ~within & ~excused,
        silent=~speaks | excused,
        excused=speaks & excused,
    )


def allowance(sigmas: Sequence[Array], bounds: Sequence[Array], t: float) -> Array:
    """t √(Σ σ²) + Σ bounds, entry by entry; the squares are scaled so that none overflows."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.asarray(sum(bounds), np.float64)
        if not sigmas:
            return total
        largest = np.asarray(np.maximum.reduce(list(sigmas)))
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        return total + t * scale * np.sqrt(sum(np.square(s / scale) for s in sigmas))


def projected(estimate: Estimate, along: Estimate) -> Estimate:
    """An estimate of every entry, as seen along the directions of another."""
    values, bounds, sigmas = [], [], []
    for d in along.notes["directions"]:
        terms = np.abs(estimate.value * d)
        values.append(float(np.sum(estimate.value * d)))
        bounds.append(float(np.sum(estimate.bound * np.abs(d))) + terms.size**0.5 * UNIT[DOUBLE] * float(terms.sum()))
        # Whether the errors of the entries are independent nobody knows: at worst they add up.
        sigmas.append(0.0 if estimate.sigma is None else float(np.sum(estimate.sigma * np.abs(d))))
    return Estimate(estimate.witness, np.array(values), np.array(bounds), np.array(sigmas))


class Pairs(dict[tuple[str, str], Pair]):
    """Pairs of witnesses, found in either order."""

    def __missing__(self, key: tuple[str, str]) -> Pair:
        swapped = (key[1], key[0])
        if swapped in self:
            return self[swapped]
        raise KeyError(f"no pair {key}; there are {', '.join(map(str, self))}")

    @property
    def judged_by(self) -> Pair | None:
        """The pair that a verdict rests on: one that accuses, else against autodiff where there is a reference."""
        accusing = [p for p in self.values() if p.first.startswith(HAND) and p.disagree.any()]
        asked = [self[HAND, witness] for witness in (AUTODIFF, DIFFERENCE) if (HAND, witness) in self]
        return next(iter([*accusing, *asked, *self.values()]), None)
