"""Planted conditions, found and worded: `python -m tests.survey.planted` (or `make survey-planted`).

Prints a line for each: what was planted, what was said, at how many configurations, in how many seconds of one core;
then healthy layers, of which no condition must be said. At least 90 % have to be found, in words that are true of the
same configurations of the whole space, within 200 of them.
"""

from __future__ import annotations

import argparse
import sys
import time

from crosscheck import Survey, survey
from crosscheck.surveys.made import Factory
from tests.survey.equivalence import Truths
from tests.survey.later import LATER
from tests.survey.plants.plant import Plant
from tests.survey.table import HEALTHY, PLANTS

MOST = 200
FOUND = 0.9


def said_of(found: Survey, row: str) -> str:
    """What a survey says of one row: when it is wrong, or how often."""
    for surveyed in found.rows:
        if surveyed.name.startswith(row):
            if surveyed.when is None:
                return f"{surveyed.verdict}, no condition"
            return f"{'' if surveyed.when.exact else f'{surveyed.when.how} when '}{surveyed.when.text}"
    return "nothing"


def is_found(found: Survey, plant: Plant) -> bool:
    """Whether the condition is the one that was planted, in these words or in others that are true of the same
    configurations, and every other gradient is said to be right."""
    others = [g for g in found.gradients.values() if g.name not in (plant.row, *plant.also)]
    said = said_of(found, plant.row).removeprefix("only when " if plant.sometimes else "")
    if any(g.verdict == "wrong" for g in others):
        return False
    return said in plant.texts or means(plant, said)


def means(plant: Plant, said: str) -> bool:
    """Whether other words than those that are known are true of the same configurations."""
    factory = Factory(plant.make)
    truths = Truths(plant.space.only(factory.names_of(plant.space)), factory.takes)
    return any(truths.same(said, text) for text in plant.texts)


def table(plants: tuple[Plant, ...], seed: int) -> int:
    """Prints the table; how many were found."""
    count = 0
    print(f"{'planted':<46} {'said':<60} {'n':>3} seconds")
    for plant in plants:
        started = time.process_time()
        found = survey(plant.make, plant.space, configurations=MOST, seed=seed, diagnose=False)
        took = time.process_time() - started
        right = is_found(found, plant)
        count += right
        said = said_of(found, plant.row)
        others = [f"{g.name} too" for g in found.gradients.values() if g.name != plant.row and g.verdict == "wrong"]
        line = f"{plant.name:<46} {'; '.join((said, *others)):<60} {len(found.visits):>3} {took:6.1f}"
        print(line + ("" if right else f"  <- {plant.texts[0]}"), flush=True)
    return count


def healthy(seed: int) -> int:
    """Surveys of right layers; how many were said to be wrong somewhere."""
    accused = 0
    for name, make, space in HEALTHY:
        started = time.process_time()
        found = survey(make, space, configurations=MOST, seed=seed, diagnose=False)
        bad = found.verdict in ("wrong", "raised")
        accused += bad
        print(f"{name:<46} {found.verdict:<60} {len(found.visits):>3} {time.process_time() - started:6.1f}", flush=True)
        if not found:
            print(found)
    return accused


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="of plants whose name contains this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-healthy", action="store_true")
    parser.add_argument("--later", action="store_true", help="those that were planted when the search was finished")
    args = parser.parse_args()
    plants = tuple(plant for plant in (LATER if args.later else PLANTS) if args.only in plant.name)
    count = table(plants, args.seed)
    print(f"\n{len(plants)} planted, {sum(p.of_two for p in plants)} of two factors: {count} found")
    accused = 0 if args.no_healthy or args.only or args.later else healthy(args.seed)
    print(f"{accused} healthy layers accused")
    return 0 if count >= FOUND * len(plants) and not accused else 1


if __name__ == "__main__":
    sys.exit(main())
