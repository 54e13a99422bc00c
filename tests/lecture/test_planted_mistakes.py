"""Planted mistakes, a quick share of them: all caught, nearly all named. `make mutants` runs the whole proof."""

import pytest

from crosscheck.lecture.planted import Mutant, all_mutants, tangent_mutants
from crosscheck.lecture.planted.beyond import planted_beyond
from crosscheck.lecture.planted.convolutions import planted_convolutions
from crosscheck.lecture.planted.options import planted_options
from crosscheck.lecture.proof import EVERY_KIND, outcome

TABLE = all_mutants()
# One of every kind is enough here, the first: the others are of other operations, or differ in detail.
BEYOND = {name for name, *_ in (*planted_beyond(), *planted_convolutions(), *planted_options())}
QUICK = list({m.kind: m for m in reversed(TABLE) if m.name not in BEYOND}.values())


def test_there_are_enough_and_of_every_kind() -> None:
    assert len(TABLE) >= 80
    assert {m.kind for m in TABLE} == EVERY_KIND
    assert len({m.name for m in TABLE}) == len(TABLE)


@pytest.mark.proof
@pytest.mark.parametrize("mutant", tangent_mutants(), ids=lambda m: m.name)
def test_a_mistake_in_a_tangent_is_caught(mutant: Mutant) -> None:
    """`make mutants` counts how many are named."""
    assert outcome(mutant, seed=1).caught


@pytest.mark.parametrize("mutant", QUICK, ids=lambda m: m.name)
def test_a_planted_mistake_is_caught_and_named(mutant: Mutant) -> None:
    found = outcome(mutant, seed=1)
    assert found.caught
    assert found.named, found.said
