"""A visitor that knows the answers: what a search makes of a condition, without a judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crosscheck.deadline import Deadline
from crosscheck.spaces import Space
from crosscheck.spaces.space import Choices
from crosscheck.surveys.circumstances import with_circumstances
from crosscheck.surveys.search import Search
from crosscheck.surveys.visits import RIGHT, WRONG, Sighting


class MadeUp:
    """`wrong` says of a configuration, and of a draw of its numbers, whether the gradient of x is wrong there."""

    first_input = "x"

    def __init__(self, wrong: Callable[[Mapping[str, Any], int], bool]) -> None:
        self.wrong = wrong

    def __call__(self, configuration: Choices, draw: int = 0) -> Sighting:
        return Sighting(configuration, {"x": WRONG if self.wrong(configuration, draw) else RIGHT}, draw=draw)


def searched(space: Space, wrong: Callable[..., bool], most: int = 200, seed: int = 0) -> Search:
    """A search that has run, in the whole space and under all circumstances."""
    search = Search(with_circumstances(space, frozenset()), MadeUp(wrong), most, seed, Deadline())  # type: ignore[arg-type]
    search.run()
    return search


def said(search: Search) -> str:
    """The condition that a search found; "" where none fits."""
    conditions = search.running("x")
    return conditions[0].text if conditions else ""
