"""The proof that the judge judges: `python -m crosscheck.lecture.proof` (or `make mutants`).

Every mutant of the table must be caught, at least 90% named first, and none of 2,000 healthy random checks accused.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from crosscheck.judge import judge
from crosscheck.lecture.planted import Mutant, all_mutants, tangent_mutants
from crosscheck.lecture.spaces import SPACES
from crosscheck.traces.programs import keep_compilations

EVERY_KIND = set(
    [
        "sign",
        "scaled",
        "flipped",
        "transposed",
        "permuted",
        "shifted",
        "summed",
        "zero",
        "precision",
        "missing-terms",
        "border",
        "batch",
        "overwritten",
        "missing-mask",
        "wrong-mask",
        "wrong-winner",
        "wrong-factor",
        "other-option",
        "spread",
        "ignores-upstream",
        "localized",
        "mutated-argument",
        "aliased",
        "accumulates",
        "nondeterministic",
        "stale",
        "shape",
        "dtype",
    ]
)
# What is reported but does not fail a check, since every number that was returned is right.
REPORTED = {"aliased", "dtype"}

HEALTHY = 2000
SHAPES = 100
WITH_DIFFERENCES = 10  # every so many checks asks the differences too
NAMED = 0.9


class Proved(NamedTuple):
    """What the judge made of one mutant: what it said, and how long that took."""

    caught: bool
    named: bool
    said: str
    seconds: float


def outcome(mutant: Mutant, seed: int) -> Proved:
    """What the judge makes of one mutant."""
    started = time.perf_counter()
    result = judge(mutant.operation(seed), seed=seed, differences=False)
    took = time.perf_counter() - started
    first = [g.diagnoses[0].kind for g in result.gradients.values() if g.diagnoses]
    effects = [f.kind for f in result.findings]
    kinds = list(dict.fromkeys(first + effects))
    reported = mutant.kind in REPORTED and mutant.kind in effects
    named = bool({mutant.kind, *mutant.also} & set(kinds))
    return Proved(not result.passed or reported, named, ", ".join(kinds) or "nothing", took)


def prove_mutants(seed: int) -> bool:
    mutants = [*all_mutants(), *tangent_mutants()]
    caught = named = 0
    print(f"{'planted':<62} {'kind':<17} {'said':<30} seconds")
    for mutant in mutants:
        found = outcome(mutant, seed)
        caught, named = caught + found.caught, named + found.named
        flag = "" if found.caught and found.named else "  <- missed" if not found.caught else "  <- other name"
        print(f"{mutant.name:<62} {mutant.kind:<17} {found.said:<30.30} {found.seconds:6.2f}{flag}", flush=True)
    print(f"\n{len(mutants)} mutants: {caught} caught, {named} named")
    return caught == len(mutants) and named >= NAMED * len(mutants)


def prove_healthy() -> bool:
    """The operations behind the mutants, then random healthy checks: few configurations, many values."""
    for make in {mutant.healthy for mutant in (*all_mutants(), *tangent_mutants())}:
        judge(make(np.random.default_rng(1)), differences=False).raise_for_failure()
    started = time.perf_counter()
    rng = np.random.default_rng(0)
    spaces = list(SPACES.values())
    points = [(spaces[i % len(spaces)], spaces[i % len(spaces)].draw(rng)) for i in range(SHAPES)]
    counts: Counter[str] = Counter()
    for check in range(HEALTHY):
        space, point = points[check % SHAPES]
        # Only the values change from check to check: a new configuration would be a new compilation.
        operation = space.operation({**point, **space.values(rng)}, seed=check)
        differences = check % WITH_DIFFERENCES == 0 and operation.output().size < 400
        result = judge(operation, seed=check, differences=differences, diagnose=False)
        counts[result.verdict] += 1
        if result.verdict == "disagree":
            print(f"accused: {space.name} {point}, seed {check}\n{result}", flush=True)
    took = time.perf_counter() - started
    print(
        f"{HEALTHY} healthy checks of {SHAPES} configurations: {counts['disagree']} accused, "
        f"{counts['undecided']} undecided, {took:.0f} s"
    )
    return counts["disagree"] == 0


def apart() -> bool:
    """The healthy checks, in a process of their own."""
    keep_compilations()
    return prove_healthy()


def main() -> int:
    keep_compilations()
    # Spawned: a fork of a process in which JAX has threads may wait for ever.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        others = beside.submit(apart)
        whole = prove_mutants(seed=0)
        healthy = others.result()
    print("proved" if whole and healthy else "NOT proved")
    return 0 if whole and healthy else 1


if __name__ == "__main__":
    sys.exit(main())
