"""What a number stands for: 9 is the kernel's rows times its columns, 1/32 the batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import NamedTuple

from crosscheck.diagnosis.tolerances import SAME_FACTOR

# How much more far-fetched a quotient of sizes is than its top and its bottom; and what a scalar of the program costs,
# which is one number and over a size no more far-fetched than it is.
QUOTIENT = 0.5
SCALAR = 2.0
# What a variance that is not biased is multiplied by, and that upside down: a quotient of quotients nobody reads right.
CORRECTION, INVERSE = "n / (n - 1) of n, ", "(n - 1) / n of n, "


class Size(NamedTuple):
    """A number that a derivation may multiply or divide by, in words; `cost` is how far-fetched that is."""

    name: str
    value: float
    cost: float


class Reading(NamedTuple):
    """One way to read a factor: (-1)·numerator/denominator in words."""

    text: str
    over: tuple[str, ...]
    under: tuple[str, ...]
    cost: float

    def value(self, sizes: Mapping[str, float]) -> float:
        """The factor that this reading predicts for other sizes; a size that is not among them is 1."""
        out = -1.0 if self.text.startswith("-") else 1.0
        for name in self.over:
            out *= sizes.get(name, 1.0)
        for name in self.under:
            out /= sizes.get(name, 1.0)
        return out

    def names(self) -> set[str]:
        return {*self.over, *self.under}


class Product(NamedTuple):
    """A product of sizes, the sizes' names, and how far-fetched it is."""

    value: float
    names: tuple[str, ...]
    cost: float


def products(sizes: Sequence[Size], most: int) -> list[Product]:
    return products_of(tuple(sizes), most)


@lru_cache(maxsize=64)
def products_of(sizes: tuple[Size, ...], most: int) -> list[Product]:
    found = [Product(1.0, (), 0.0)]
    for r in range(1, most + 1):
        for chosen in combinations_with_replacement(sizes, r):
            value = 1.0
            for size in chosen:
                value *= size.value
            found.append(Product(value, tuple(s.name for s in chosen), sum(s.cost for s in chosen)))
    return found


def readings(
    factor: float, sizes: Sequence[Size], most: float = 3.0, same: float = SAME_FACTOR, special: Sequence[Size] = ()
) -> list[Reading]:
    """Every reading of `factor` as a product of sizes over another, cheapest first; [] if there is none.

    Of the `special` numbers, which need not be whole (√d, n - 1, a constant of the program), at most one stands in it.
    """
    found = whole_readings(factor, sizes, most, same)
    for number in special:
        room = most - number.cost
        for reading in whole_readings(factor / number.value, sizes, room, same):
            found.append(with_special(reading, number, over=True))
        for reading in whole_readings(factor * number.value, sizes, room, same):
            found.append(with_special(reading, number, over=False))
    return sorted((reading for reading in found if reading.cost <= most), key=lambda reading: reading.cost)


def with_special(reading: Reading, number: Size, *, over: bool) -> Reading:
    top = (*reading.over, number.name) if over else reading.over
    bottom = reading.under if over else (*reading.under, number.name)
    sign = "-" if reading.text.startswith("-") else ""
    made_one = bool(top and bottom) and not (reading.over and reading.under) and number.cost < SCALAR
    cost = reading.cost + number.cost + (QUOTIENT if made_one else 0.0)
    return Reading(sign + written(top, bottom), top, bottom, cost)


def whole_readings(factor: float, sizes: Sequence[Size], most: float, same: float) -> list[Reading]:
    """The readings as whole numbers alone."""
    if not math.isfinite(factor) or most < 0:
        return []
    tops: dict[int, list[Product]] = {}
    for p in products(sizes, 3):
        tops.setdefault(round(p.value), []).append(p)
    sign = "-" if factor < 0 else ""
    found = []
    for under in products(sizes, 3):
        target = abs(factor) * under.value
        nearest = round(target)
        if nearest < 1 or abs(target - nearest) > same * nearest:
            continue
        for over in tops.get(nearest, ()):
            cost = over.cost + under.cost
            if over.names and under.names:
                cost += QUOTIENT
            if cost <= most and not set(over.names) & set(under.names):
                found.append(Reading(sign + written(over.names, under.names), over.names, under.names, cost))
    return found


def written(over: tuple[str, ...], under: tuple[str, ...]) -> str:
    upright = [name for name in under if name.startswith(CORRECTION)]
    over = (*over, *(name.replace(CORRECTION, INVERSE, 1) for name in upright))
    under = tuple(name for name in under if name not in upright)
    top = " · ".join(over) or "1"
    if not under:
        return top
    bottom = " · ".join(under)
    return f"{top} / ({bottom})" if "·" in bottom else f"{top} / {bottom}"


def number(value: float) -> str:
    """A factor as a reader writes it: 9, 0.25, 1.000000001."""
    return f"{value:.12g}"


def in_words(factor: float, name: str | None, same: float = SAME_FACTOR) -> str:
    """ "9 times too large (kernel rows · kernel columns)"."""
    size = abs(factor)
    sign = "of the wrong sign and " if factor < 0 else ""
    if factor < 0 and abs(size - 1) <= same:
        return "of the wrong sign"
    whole = round(size) if size >= 1 else round(1 / size) if size > 0 else 0
    exact = whole > 1 and abs((size if size > 1 else 1 / size) - whole) <= same * whole
    reading = f" ({name})" if name and name.lstrip("-") not in (f"{whole}", f"1 / {whole}") else ""
    if exact:
        return f"{sign}{whole} times too {'large' if size > 1 else 'small'}{reading}"
    return f"{'minus ' if factor < 0 else ''}{number(size)} times the true one{reading}"
