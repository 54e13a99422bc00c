"""Sizes for a point that says "several": pairwise different, so that no axis is taken for another, unless it says that
two of them are equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, product
from typing import Any

from crosscheck.spaces.space import Choices, Rng

SEVERAL = "several"
ONE_OR_SEVERAL = (1, SEVERAL)
EQUAL = "equal"  # the dimension that says which two sizes are one number

# A draw that does not fit (an image smaller than the window) is made anew so often, then the point has no sizes.
TRIES = 200

Equal = tuple[str, str] | None


def equalities(*names: str) -> tuple[Equal, ...]:
    """The choices of `equal`: none, or two of these sizes."""
    return (None, *combinations(names, 2))


def equal_exists(point: Choices, equal: Equal) -> bool:
    """Only of two sizes that are several it need be said that they are equal."""
    return equal is None or all(point.get(name) == SEVERAL for name in equal)


def sized(
    point: Choices,
    ranges: Mapping[str, tuple[int, int]],
    rng: Rng | None,
    fits: Callable[[Mapping[str, int]], bool] = lambda sizes: True,
    tied: tuple[Equal, ...] = (),
) -> dict[str, int] | None:
    """The sizes of a point by name: where it says "several", numbers between the two of `ranges`.

    Args:
        point: 1, "several", or a number, for each name.
        ranges: by name, the least and the largest number.
        rng: draws them; None: the smallest that fit.
        fits: whether they go together.
        tied: the sizes that are equal.
    """
    leader = {second: first for first, second in (pair for pair in tied if pair is not None)}
    open_ones = [name for name in ranges if point[name] == SEVERAL and name not in leader]
    fixed = {name: point[name] for name in ranges if point[name] != SEVERAL}

    def completed(numbers: tuple[int, ...]) -> dict[str, int] | None:
        several = dict(zip(open_ones, numbers, strict=True))
        sizes: dict[str, Any] = {**fixed, **several}
        for name in leader:
            sizes[name] = sizes[leader[name]]
        apart = len(set(numbers)) == len(numbers) and not set(numbers) & (set(fixed.values()) - {1})
        return {name: sizes[name] for name in ranges} if apart and fits(sizes) else None

    if rng is None:
        choices = (range(ranges[name][0], ranges[name][1] + 1) for name in open_ones)
        found = (completed(numbers) for numbers in sorted(product(*choices), key=sum))
        return next((sizes for sizes in found if sizes is not None), None)
    for _ in range(TRIES):
        sizes = completed(tuple(int(rng.integers(ranges[k][0], ranges[k][1] + 1)) for k in open_ones))
        if sizes is not None:
            return sizes
    return None
