"""What the caller says of a check beside the functions: how good they are by design, how much is to be looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray
OUTPUT = ""  # the output's place beside the names of the inputs
FORWARD, GRADIENT = "forward", "gradient"


@dataclass(frozen=True)
class Manner:
    """How an operation is to be judged.

    Args:
        accuracy: by the name of the gradient, the output's under `OUTPUT`: by what share of the largest entry of its
            array every entry may be off by design. What is not named is as good as its arithmetic.
        directions: along how many random directions the forward is differenced, in the place of every entry; None:
            every entry, while that can be afforded.
        entries: at how many random entries of each input it is differenced; None: as above.
        charted: whether the code gets some input otherwise than the judge moves it (`doors.charts`).
        on: which input stays on which set, in words; "" where all are free.
        still: inputs that are differentiated, and are zero at every point: what is added to a marked place (`marks`).
    """

    accuracy: Mapping[str, float] = field(default_factory=dict)
    directions: int | None = None
    entries: int | None = None
    charted: bool = False
    on: str = ""
    still: frozenset[str] = frozenset()

    def slack(self, name: str, value: Array) -> Array | None:
        """How far every entry of `value` may be off by design; None where nothing was said of it."""
        share = self.accuracy.get(name, 0.0)
        if not share:
            return None
        size = float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value)))
        return np.full(np.shape(value), share * size)


def accuracy_of(given: Any, names: tuple[str, ...]) -> dict[str, float]:
    """`accuracy=` as the doors take it, by name.

    Raises:
        TypeError, ValueError: what is no share, or of nothing there is.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys((OUTPUT, *names), share(given, "accuracy"))
    for key in given:
        if key not in (FORWARD, GRADIENT, *names):
            raise ValueError(f"accuracy names {key!r}; it knows {', '.join((FORWARD, GRADIENT, *names))}")
    said = {k: share(a, f"accuracy of {k}") for k, a in given.items()}
    found = {k: said.get(GRADIENT, 0.0) for k in names} | {OUTPUT: said.get(FORWARD, 0.0)}
    found |= {k: said[k] for k in names if k in said and k not in (FORWARD, GRADIENT)}
    return {k: a for k, a in found.items() if a}


def share(value: Any, who: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{who} is {value!r}; it must be a number, the share of the largest entry that may be off")
    if not 0 <= float(value) < 1:
        raise ValueError(f"{who} is {value!r}; it must be a share of the largest entry, from 0 to below 1")
    return float(value)


def count(value: Any, who: str) -> int | None:
    """`directions=` and `entries=` as the doors take them."""
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{who} is {value!r}; it must be a whole number, or None")
    if value < 1:
        raise ValueError(f"{who} is {value}; it must be at least 1")
    return int(value)


def manner_of(names: tuple[str, ...], accuracy: Any = None, directions: Any = None, entries: Any = None) -> Manner:
    """What the doors were given."""
    if directions is not None and entries is not None:
        raise ValueError("directions and entries are two ways to look at less: give one of them")
    return Manner(accuracy_of(accuracy, names), count(directions, "directions"), count(entries, "entries"))


def accuracy_in_words(manner: Manner) -> str:
    """By what share which arrays may be off, for the report."""
    by_share: dict[float, list[str]] = {}
    for name, value in manner.accuracy.items():
        by_share.setdefault(value, []).append(name)
    parts = []
    for value, names in by_share.items():
        gradients = [n for n in names if n != OUTPUT]
        who = ["the forward"] if OUTPUT in names else []
        who += [f"the gradient of {', '.join(gradients)}"] if gradients else []
        parts.append(f"{' and '.join(who)} to {value:.3g}")
    return ", ".join(parts)


def escapes(entries: int, of: int) -> float:
    """With what probability one wrong entry is not among those that are looked at."""
    return max(0.0, 1 - entries / of) if of else math.nan
