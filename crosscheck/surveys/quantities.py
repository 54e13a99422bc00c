"""The numbers and words of a configuration: what a statement about it may name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crosscheck.spaces.space import PARTS, Choices, Space
from crosscheck.surveys.visits import shown_choice

Array = np.ndarray


def quantities(space: Space, configuration: Choices) -> dict[Any, Any]:
    """By name: numbers; the two numbers of a pair; words. What follows from them (`Space.facts`) comes last."""
    found: dict[Any, Any] = {}
    for name, value in configuration.items():
        if name in space.repeats:
            continue
        if isinstance(value, tuple) and len(value) == len(PARTS) and all(map(is_number, value)):
            found |= {f"{name} {part}": number for part, number in zip(PARTS, value, strict=True)}
        else:
            found[name] = value if is_number(value) else word(value)
    return {**found, **space.facts(configuration)}


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def word(value: Any) -> str:
    """How a choice that is no number is written."""
    shown = shown_choice(value)
    return shown if isinstance(shown, str) else str(tuple(shown) if isinstance(shown, list) else shown)


class Factors:
    """The quantities of many configurations, a column each.

    `numbers` are float columns, NaN where a configuration has no such number; `words` are columns of strings; `facts`
    are boolean columns, by the sentence that is true and the one that is false.
    """

    def __init__(self, space: Space, configurations: Sequence[Choices]) -> None:
        rows = [quantities(space, c) for c in configurations]
        self.length = len(rows)
        self.numbers: dict[str, Array] = {}
        self.words: dict[str, Array] = {}
        self.facts: dict[tuple[str, str], Array] = {}
        self.given = {k for c in configurations for k in c}
        for name in dict.fromkeys(k for row in rows for k in row):
            column = [row.get(name) for row in rows]
            if isinstance(name, tuple):
                self.facts[name] = np.array([bool(v) for v in column])
            elif all(v is None or is_number(v) for v in column):
                self.numbers[name] = np.array([np.nan if v is None else float(v) for v in column])
            else:
                self.words[name] = np.array([word(v) for v in column], object)

    def is_given(self, name: str) -> bool:
        """Whether a number stands in the configuration itself, and does not follow from it."""
        return name.rsplit(" ", 1)[0] in self.given or name in self.given
