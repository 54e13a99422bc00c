"""One description of configurations, from which everything that needs configurations draws.

A space has dimensions (sizes, hyper-parameters, dtypes, kinds of values), each with its choices, the simplest first,
and a rule that says which combinations exist. `cover` gives few points in which every pair of choices meets; `draw`
gives random ones; `shrink` leads a failing point towards the simplest that still fails. Some spaces make an operation
of a point; a survey (`crosscheck.surveys`) brings a factory of the caller's own.

A choice need not be a number. "several" channels are so many only when a point is *settled*: then sizes are drawn,
pairwise different where the point does not say that they are equal.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any

import numpy as np

Array = np.ndarray
Rng = np.random.Generator
Choices = dict[str, Any]

# What the two numbers of a pair are called: a kernel's rows, its columns.
PARTS = ("rows", "columns")
# Dimensions that change the numbers only, not what is computed: a new choice needs no new compilation.
VALUE_DIMENSIONS = ("values",)
# A space of more combinations than this is covered from so many random points, not from all: that they hold every pair
# is nearly certain where a choice is one of a few.
ENUMERATED, DRAWN = 20_000, 4_000


@dataclass(frozen=True)
class Space:
    """The configurations of something.

    Args:
        name: what it is about.
        dimensions: the choices of each, the simplest first.
        make: (point, rng) -> what stands at a point; None where the caller brings that.
        valid: which points exist.
        settled: (point, rng) -> the configuration, with sizes in the place of "several", drawn, or without an rng the
            smallest; None where the draw did not fit. A point is its own configuration unless this is given.
        facts: what follows from a configuration and may matter: numbers by name; true or false by the sentence that it
            is true of and the one that is true otherwise.
        repeats: what a configuration says twice, such as the shape that the sizes make: no facts of their own.
        shaped: the dimensions that make these.
        related: quantities that a mistake may confuse: which of the two is larger, or whether they are equal, is a
            fact; None: all numbers, with one another.
    """

    name: str
    dimensions: dict[str, tuple[Any, ...]]
    make: Callable[[Choices, Rng], Any] | None = None
    valid: Callable[[Choices], bool] = field(default=lambda point: True)
    settled: Callable[[Choices, Rng | None], Choices | None] | None = None
    facts: Callable[[Choices], Mapping[Any, Any]] = field(default=lambda configuration: {})
    repeats: tuple[str, ...] = ()
    shaped: tuple[str, ...] = ()
    related: tuple[tuple[str, str], ...] | None = None

    def points(self) -> Iterator[Choices]:
        """Every valid point, the simplest first."""
        for choices in product(*self.dimensions.values()):
            point = dict(zip(self.dimensions, choices, strict=True))
            if self.valid(point):
                yield point

    def simplest(self) -> Choices:
        """The first point there is."""
        return next(self.points())

    def point(self, **choices: Any) -> Choices:
        """The simplest point with some choices made; a ValueError if it does not exist."""
        unknown = set(choices) - set(self.dimensions)
        if unknown:
            raise ValueError(
                f"{self.name} has no dimension {', '.join(sorted(unknown))}; it has {', '.join(self.dimensions)}"
            )
        point = {**{k: c[0] for k, c in self.dimensions.items()}, **choices}
        if not self.valid(point):
            raise ValueError(f"{self.name} has no point {point}")
        return point

    def draw(self, rng: Rng) -> Choices:
        """A random valid point."""
        counts = [len(choices) for choices in self.dimensions.values()]
        while True:
            places = rng.integers(counts)
            point = {k: choices[i] for (k, choices), i in zip(self.dimensions.items(), places, strict=True)}
            if self.valid(point):
                return point

    def values(self, rng: Rng) -> Choices:
        """A random choice of what changes only the numbers."""
        return {
            k: self.dimensions[k][rng.integers(len(self.dimensions[k]))]
            for k in VALUE_DIMENSIONS
            if k in self.dimensions
        }

    def cover(self, strength: int = 2) -> list[Choices]:
        """Few points in which every combination of `strength` choices meets that any valid point holds; greedy.

        The order is fixed: the same space gives the same cover.
        """
        rng = np.random.default_rng(0)
        few = self.size <= ENUMERATED
        everything = list(self.points()) if few else [self.draw(rng) for _ in range(DRAWN)]
        meets = self.combinations(everything, strength)
        wanted = np.zeros(int(meets.max(initial=-1)) + 1, bool)
        wanted[meets] = True
        chosen = []
        while wanted.any():
            best = int(np.argmax(wanted[meets].sum(axis=1)))
            chosen.append(everything[best])
            wanted[meets[best]] = False
        return chosen

    def combinations(self, points: list[Choices], strength: int) -> Array:
        """For every point the numbers of the combinations of `strength` choices that meet in it, (points, groups)."""
        places = np.array([[index_of(c, point[k]) for k, c in self.dimensions.items()] for point in points], np.int64)
        counts = [len(choices) for choices in self.dimensions.values()]
        found, start = [], 0
        for group in combinations(range(len(counts)), min(strength, len(counts))):
            within = [counts[i] for i in group]
            found.append(start + np.ravel_multi_index([places[:, i] for i in group], within))
            start += int(np.prod(within, dtype=np.int64))
        return np.stack(found, axis=1)

    @property
    def size(self) -> int:
        """How many combinations there are, valid or not."""
        return int(np.prod([len(c) for c in self.dimensions.values()], dtype=np.int64))

    def shrink(self, point: Choices, fails: Callable[[Choices], bool]) -> Choices:
        """The simplest point found that still fails: each dimension in turn moved to its simplest failing choice."""
        if not fails(point):
            raise ValueError(f"the point to shrink does not fail: {point}")
        moved = True
        while moved:
            moved = False
            for name, choices in self.dimensions.items():
                for choice in choices[: index_of(choices, point[name])]:
                    simpler = {**point, name: choice}
                    if self.valid(simpler) and fails(simpler):
                        point, moved = simpler, True
                        break
        return point

    def strategy(self) -> Any:
        """The valid points as a Hypothesis strategy (which shrinks towards the first choices)."""
        from hypothesis import strategies

        each = {k: strategies.sampled_from(choices) for k, choices in self.dimensions.items()}
        return strategies.fixed_dictionaries(each).filter(self.valid)

    def operation(self, point: Choices, seed: int) -> Any:
        """What stands at a point; the same seed gives the same numbers."""
        if self.make is None:
            raise TypeError(f"the space {self.name} says nothing of what stands at a point: it has no make")
        return self.make(point, np.random.default_rng([seed, zlib.crc32(self.name.encode())]))

    def settle(self, point: Choices, rng: Rng | None) -> Choices | None:
        """The configuration of a point: with sizes that `rng` draws, or the smallest; None where none fits."""
        return dict(point) if self.settled is None else self.settled(point, rng)

    def only(self, names: set[str]) -> Space:
        """The same with some dimensions alone; the others keep their simplest choice, and stay in its points."""
        return replace(self, dimensions={k: c if k in names else c[:1] for k, c in self.dimensions.items()})

    def beside(self, **dimensions: tuple[Any, ...]) -> Space:
        """The same with more dimensions, which its rules do not know."""
        return replace(self, dimensions={**self.dimensions, **dimensions})


def index_of(choices: tuple[Any, ...], choice: Any) -> int:
    """The place of a choice among others; their number where it is not there."""
    return next((i for i, c in enumerate(choices) if c is choice or c == choice), len(choices))
