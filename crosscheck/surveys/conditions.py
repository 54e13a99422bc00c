"""Conditions: statements, alone or two of them, that are true of exactly the configurations at which it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from crosscheck.surveys.atoms import Atom
from crosscheck.surveys.quantities import Array

# Two statements are one more thing to believe than what each of them costs; that either will do is believed last.
BOTH, EITHER = 0.5, 1.0
# So many conditions are kept in the running, the cheapest.
RUNNING = 300


@dataclass(frozen=True)
class Condition:
    """A statement or two.

    Args:
        text: in words.
        cost: what it takes to believe it (`atoms`).
        holds: of which rows of the table it is true.
    """

    text: str
    cost: float
    holds: Array


def fitting(found: Sequence[Atom], wrong: Array, right: Array) -> list[Condition]:
    """The conditions that are true of every row of `wrong` and of none of `right`, the cheapest first.

    Args:
        found: the statements.
        wrong, right: the numbers of rows.
    """
    if not found or not len(wrong) or not len(right):
        return []
    truth = np.array([atom.holds for atom in found])
    where_wrong, where_right = truth[:, wrong], truth[:, right]
    everywhere, nowhere = where_wrong.all(axis=1), ~where_right.any(axis=1)
    conditions = [
        Condition(found[i].text, found[i].cost, truth[i]) for i in map(int, np.flatnonzero(everywhere & nowhere))
    ]
    alone = everywhere & nowhere
    conditions += [
        Condition(f"{found[i].text} and {found[j].text}", found[i].cost + found[j].cost + BOTH, truth[i] & truth[j])
        for i, j in pairs(np.flatnonzero(everywhere & ~alone), ~where_right)
    ]
    conditions += [
        Condition(f"{found[i].text} or {found[j].text}", found[i].cost + found[j].cost + EITHER, truth[i] | truth[j])
        for i, j in pairs(np.flatnonzero(nowhere & ~alone), where_wrong)
    ]
    return sorted(conditions, key=lambda condition: condition.cost)[:RUNNING]


def pairs(candidates: Array, covered: Array) -> list[tuple[int, int]]:
    """Of these statements any two that together cover every column."""
    if not len(candidates):
        return []
    missing = ~covered[candidates]
    together = (missing.astype(np.int64) @ missing.T.astype(np.int64)) == 0
    return [(int(candidates[i]), int(candidates[j])) for i, j in np.argwhere(np.triu(together, 1))]


def necessary(found: Sequence[Atom], wrong: Array, right: Array) -> Condition | None:
    """Where nothing fits: a condition that is true wherever it is wrong, and as seldom as can be where it is right;
    None where all are true of half of that or more."""
    return nearest(found, wrong, right, lambda where: bool(where[wrong].all()), lambda where: int(where[right].sum()))


def sufficient(found: Sequence[Atom], wrong: Array, right: Array) -> Condition | None:
    """Where nothing fits: a condition that is true of nothing that is right, and of nearly all that is wrong."""
    return nearest(found, right, wrong, lambda where: not where[right].any(), lambda where: int((~where[wrong]).sum()))


def nearest(
    found: Sequence[Atom],
    wrong: Array,
    others: Array,
    holds: Callable[[Array], bool],
    exceptions: Callable[[Array], int],
) -> Condition | None:
    """Of the statements that hold, alone or two of them, the one with the fewest exceptions among `others`."""
    if not len(wrong) or not len(others):
        return None
    best: tuple[float, Condition] | None = None
    for condition in (*singles(found), *conjunctions(found, wrong, others)):
        if holds(condition.holds):
            count = exceptions(condition.holds)
            # One configuration is worth one statement: a second one must pay for itself.
            if 2 * count < len(others) and (best is None or count + condition.cost < best[0]):
                best = count + condition.cost, condition
    return None if best is None else best[1]


def singles(found: Sequence[Atom]) -> list[Condition]:
    return [Condition(atom.text, atom.cost, atom.holds) for atom in found]


def conjunctions(found: Sequence[Atom], first: Array, second: Array) -> list[Condition]:
    """Two statements, both true of all of one side, or of some of each."""
    useful = [atom for atom in found if atom.holds[first].all() or atom.holds[second].all()]
    return [
        Condition(f"{a.text} and {b.text}", a.cost + b.cost + BOTH, a.holds & b.holds)
        for a, b in combinations(useful, 2)
    ]
