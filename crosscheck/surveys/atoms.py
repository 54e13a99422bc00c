"""What may be said of configurations in a few words, and how much it takes to believe it.

A statement is true or false of each configuration. The cheapest are those that mistakes have most often: that a size is
one, that a hyper-parameter is not at its simplest, that two sizes are equal, that an array lies in Fortran order. A
threshold in the middle of a range, a parity, a size of the output cost more. Of several statements that fit, the
cheapest is told; the costs decide nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from crosscheck.spaces.space import Space
from crosscheck.surveys.circumstances import WORDS
from crosscheck.surveys.quantities import Array, Factors

SIMPLE, RELATION, ORDER, FACT, DEEPER, PARITY, MIDDLE = 1.0, 1.2, 1.3, 1.3, 1.5, 1.6, 1.7
# That one number divides another is believed after two simple statements together.
REMAINDER = 2.6
# What follows from the configuration is believed after what stands in it.
DERIVED = 0.6
# Of a space that does not say which numbers are related, all are; each is less likely.
UNRELATED = 0.4


class Atom(NamedTuple):
    """A statement: its words, what it costs, and of which rows of a table it is true."""

    text: str
    cost: float
    holds: Array


def atoms(space: Space, table: Factors, first_input: str = "x") -> list[Atom]:
    """Every statement about the rows of a table that is true of some and false of others; of several that are true of
    the same rows the cheapest."""
    cheapest: dict[bytes, Atom] = {}
    found = (*of_words(table, first_input), *of_numbers(table), *of_relations(space, table), *of_facts(table))
    for atom in found:
        if atom.holds.all() or not atom.holds.any():
            continue
        key = np.packbits(atom.holds).tobytes()
        if key not in cheapest or atom.cost < cheapest[key].cost:
            cheapest[key] = atom
    return sorted(cheapest.values(), key=lambda atom: atom.cost)


def of_words(table: Factors, first_input: str) -> Iterator[Atom]:
    for name, column in table.words.items():
        values = list(dict.fromkeys(column))
        for value in values:
            text = WORDS.get((name, value), f"{name} = {value}").format(x=first_input)
            yield Atom(text, SIMPLE, column == value)
            if len(values) > 2:
                yield Atom(f"{name} ≠ {value}", DEEPER, column != value)


def of_numbers(table: Factors) -> Iterator[Atom]:
    for name, column in table.numbers.items():
        more = 0.0 if table.is_given(name) else DERIVED
        values = np.unique(column[~np.isnan(column)])
        for place, value in enumerate(values):
            said = f"{value:g}"
            if place == 0:
                yield Atom(f"{name} = {said}", SIMPLE + more, column == value)
                continue
            yield Atom(f"{name} ≥ {said}", (SIMPLE if place == 1 else DEEPER) + more, column >= value)
            if place < len(values) - 1:
                yield Atom(f"{name} ≤ {said}", DEEPER + more, column <= value)
                yield Atom(f"{name} = {said}", MIDDLE + more, column == value)
                # A number that changes nothing: a temperature of 1 among smaller and larger ones.
                yield Atom(f"{name} ≠ {said}", MIDDLE + more, ~np.isnan(column) & (column != value))
            else:
                yield Atom(f"{name} = {said}", DEEPER + more, column == value)
        if len(values) > 2 and (values == np.round(values)).all():
            yield Atom(f"{name} is even", PARITY + more, column % 2 == 0)
            yield Atom(f"{name} is odd", PARITY + more, column % 2 == 1)


def of_relations(space: Space, table: Factors) -> Iterator[Atom]:
    every = space.related is None
    pairs = combinations(table.numbers, 2) if every else space.related or ()
    for first, second in pairs:
        if first not in table.numbers or second not in table.numbers:
            continue
        a, b = table.numbers[first], table.numbers[second]
        more = (UNRELATED if every else 0.0) + (0.0 if table.is_given(first) and table.is_given(second) else DERIVED)
        known = ~np.isnan(a) & ~np.isnan(b)
        yield Atom(f"{first} = {second}", RELATION + more, known & (a == b))
        yield Atom(f"{first} ≠ {second}", RELATION + more, known & (a != b))
        yield Atom(f"{first} > {second}", ORDER + more, known & (a > b))
        yield Atom(f"{first} < {second}", ORDER + more, known & (a < b))
        yield Atom(f"{first} ≥ {second}", ORDER + more, known & (a >= b))
        yield Atom(f"{first} ≤ {second}", ORDER + more, known & (a <= b))
        if every:
            yield from of_remainders(first, second, a, b)
            yield from of_remainders(second, first, b, a)


def of_remainders(divisor: str, whole: str, d: Array, n: Array) -> Iterator[Atom]:
    """Whether one whole number divides another."""
    with np.errstate(divide="ignore", invalid="ignore"):
        asked = (d >= 1) & (n >= 0) & (d == np.round(d)) & (n == np.round(n))
        divides = np.where(asked, np.mod(n, d) == 0, False)
    yield Atom(f"{divisor} divides {whole}", REMAINDER, asked & divides)
    yield Atom(f"{divisor} does not divide {whole}", REMAINDER, asked & ~divides)


def of_facts(table: Factors) -> Iterator[Atom]:
    for (true, false), column in table.facts.items():
        yield Atom(true, FACT, column)
        yield Atom(false, FACT, ~column)
