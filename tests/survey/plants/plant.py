"""A planted mistake, and the condition under which it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from crosscheck.spaces import Space

Make = Callable[..., Any]


class Plant(NamedTuple):
    """A mistake and its condition.

    Args:
        name: what was written.
        make, space: as a survey takes them.
        row: the gradient that is wrong; what a row that is none begins with.
        texts: the wordings that are right.
        sometimes: whether the mistake shows at some numbers only, so that "only when" is as right as "exactly when".
        also: other gradients that the same mistake makes wrong.
    """

    name: str
    make: Make
    space: Space
    row: str
    texts: tuple[str, ...]
    sometimes: bool = False
    also: tuple[str, ...] = ()

    @property
    def of_two(self) -> bool:
        """Whether the condition is a conjunction."""
        return any(" and " in text for text in self.texts)


def both(*pairs: tuple[str, str]) -> tuple[str, ...]:
    """A conjunction in either order."""
    return tuple(f"{x} and {y}" for a, b in pairs for x, y in ((a, b), (b, a)))


def times(firsts: tuple[str, ...], seconds: tuple[str, ...]) -> tuple[str, ...]:
    """Conjunctions of equal wordings."""
    return both(*((a, b) for a in firsts for b in seconds))
