"""Whether two wordings are one condition: true of the same configurations of a whole space, so far as it is drawn."""

from __future__ import annotations

import numpy as np

from crosscheck.spaces import Space
from crosscheck.surveys.atoms import of_facts, of_numbers, of_relations, of_words
from crosscheck.surveys.circumstances import CHOICES, WORDS, with_circumstances
from crosscheck.surveys.quantities import Array, Factors

# So many points of the space, beside its cover: a pair of choices that tells two wordings apart is hardly missed.
DRAWN = 3_000
# Circumstances stand in the configuration by their choices, and in words by these.
assert set(CHOICES) == {name for name, _ in WORDS}


class Truths:
    """Which statements are true of which configurations of a space."""

    def __init__(self, space: Space, takes: frozenset[str] = frozenset()) -> None:
        whole, rng = with_circumstances(space, takes), np.random.default_rng(0)
        points = (*whole.cover(), *(whole.draw(rng) for _ in range(DRAWN)))
        settled = [c for c in (whole.settle(p, rng) for p in points) if c is not None]
        table = Factors(whole, settled)
        atoms = (*of_words(table, "x"), *of_numbers(table), *of_relations(whole, table), *of_facts(table))
        self.holds = {atom.text: atom.holds for atom in atoms}

    def of(self, text: str) -> Array | None:
        """Of which configurations a condition is true; None of one that cannot be read."""
        joined, parts = (np.logical_or, text.split(" or ")) if " or " in text else (np.logical_and, text.split(" and "))
        if not all(part in self.holds for part in parts):
            return None
        return joined.reduce([self.holds[part] for part in parts])

    def same(self, one: str, other: str) -> bool:
        """Whether both are true of the same configurations."""
        first, second = self.of(one), self.of(other)
        return one == other or (first is not None and second is not None and np.array_equal(first, second))
