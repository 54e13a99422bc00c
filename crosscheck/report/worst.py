"""The worst entry of a wrong gradient: where it is, what the hand-derived code says there, and what is true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crosscheck.evidence.estimate import DIFFERENCE, DIRECTIONS, HAND, Estimate
from crosscheck.evidence.pair import projected
from crosscheck.evidence.result import GradientResult, Result

Array = np.ndarray


class Worst(NamedTuple):
    """One entry: both values, and how far they may be apart; NaN where that is not a question of rounding.

    `place` is the entry in the caller's words, `w[2, 1]`; `truth` says who says the other value.
    """

    place: str
    hand: float
    true: float
    truth: str
    allowed: float = float("nan")


def worst(result: Result, gradient: GradientResult, title: str) -> Worst | None:
    """Where the gradient of this title is furthest off; None where no two numbers can be put beside one another."""
    elsewhere = gradient.evidence.elsewhere
    pair = gradient.judged_by
    if pair is not None and pair.disagree.any() and pair.first in gradient.estimates:
        return of_pair(result, gradient, title)
    if gradient.exact == "different":
        run = result.evidence.exact
        found = furthest(run.hand_gradients[gradient.name], run.gradients[gradient.name])
        return at(title, *found, "exactly", "at an exact point, ")
    if elsewhere is not None and elsewhere.truth is not None:
        found = furthest(elsewhere.hand[gradient.name], elsewhere.truth)
        return at(title, *found, "the truth", f"at {elsewhere.point}, ")
    return None


def of_pair(result: Result, gradient: GradientResult, title: str) -> Worst:
    """Of the comparison that the verdict rests on."""
    pair = gradient.judged_by
    assert pair is not None
    ranked = np.where(pair.disagree, pair.difference, -1.0)
    index = pair.worst_index if pair.worst_index is not None and pair.disagree[pair.worst_index] else None
    if index is None:
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(ranked)), ranked.shape))
    first, second = gradient.estimates[pair.first], gradient.estimates[pair.second]
    allowed = float(pair.bounds[index])
    if pair.second == DIRECTIONS:
        along = projected(first, second)
        place = f"{title} along random direction {index[0]}"
        return Worst(place, float(along.value[index]), float(second.value[index]), DIFFERENCE, allowed)
    weight = weight_at(result, gradient, index)
    hand, true = value(first, index) / weight, value(second, index) / weight
    return Worst(entry(title, index), hand, true, pair.second, allowed / abs(weight))


def weight_at(result: Result, gradient: GradientResult, index: tuple[int, ...]) -> float:
    """What a door multiplied the caller's own number by."""
    weights = result.weights.get(gradient.name)
    found = 1.0 if weights is None else float(np.broadcast_to(weights, gradient.shape)[index])
    return found or 1.0


def value(estimate: Estimate, index: tuple[int, ...]) -> float:
    return float(np.asarray(estimate.value)[index])


def furthest(hand: Array, true: Array) -> tuple[tuple[int, ...], float, float]:
    off = np.abs(np.asarray(hand, np.float64) - true)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape))
    return index, float(hand[index]), float(true[index])


def at(name: str, index: tuple[int, ...], hand: float, true: float, truth: str, before: str) -> Worst:
    return Worst(before + entry(name, index), hand, true, truth)


def entry(name: str, index: tuple[int, ...]) -> str:
    """An entry as one writes it."""
    if not index:
        return name
    return f"{name} at {index}" if " " in name else f"{name}[{', '.join(map(str, index))}]"


def open_entry(gradient: GradientResult) -> tuple[int, ...] | None:
    """Of what could not be decided, the entry at which the least is known; None where nothing can be shown."""
    pair = gradient.judged_by
    if pair is None or pair.bounds.shape != gradient.undecided.shape or not gradient.undecided.any():
        return None
    shown = gradient.undecided & ~pair.silent
    if HAND not in gradient.estimates or not shown.any():
        return None
    size = np.abs(np.asarray(gradient.estimates[HAND].value, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(
            shown, np.nan_to_num(pair.bounds / size, nan=0.0, posinf=np.inf), -1.0
        )  # 0/0: nothing, of nothing
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
