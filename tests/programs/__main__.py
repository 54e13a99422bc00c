"""Random programs through the judge: `python -m tests.programs` (or `make programs`).

    python -m tests.programs --count 200 --seed 1 --jobs 2
    python -m tests.programs --show 17            one program: what it is, as code, what the judge says
    python -m tests.programs --shrink 17          the smallest part of it that still shows the fault

Ends with 0 if nothing was accused, nothing crashed, no mistake passed, and at most 1 % of the right programs were
undecided without need; else with 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.programs.report import met, table
from tests.programs.run import Outcome, one
from tests.programs.shrink import show, shrink

# A worker's compiled programs are never met again: it is replaced before they fill the memory.
PROGRAMS_PER_WORKER = 100


def quiet_one(seed: int, index: int, with_reference: bool, limit: float | None) -> Outcome:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # foreign code may warn; only its numbers are judged here
        return one(seed, index, with_reference, limit)


def outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    indices = range(options.first, options.first + options.count)
    arguments = (options.seed, not options.without_reference, options.limit)
    if options.jobs == 1:
        for index in indices:
            yield quiet_one(arguments[0], index, *arguments[1:])
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context, max_tasks_per_child=PROGRAMS_PER_WORKER) as pool:
        futures = [pool.submit(quiet_one, arguments[0], index, *arguments[1:]) for index in indices]
        for future in futures:
            yield future.result()


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m tests.programs", description="random programs through the judge")
    p.add_argument("--count", type=int, default=200, help="how many (200)")
    p.add_argument("--seed", type=int, default=0, help="names the sequence (0)")
    p.add_argument("--first", type=int, default=0, help="the index of the first (0)")
    p.add_argument("--without-reference", action="store_true", help="differences and complex steps judge alone")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    p.add_argument("--limit", type=float, default=120.0, help="seconds after which a check is given up (120)")
    p.add_argument("--all", action="store_true", help="print every program's outcome, not the faults alone")
    p.add_argument("--show", type=int, metavar="I", help="one program by its index")
    p.add_argument("--shrink", type=int, metavar="I", help="the smallest part of it that still shows its fault")
    return p


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    with_reference = not options.without_reference
    for look, index in ((show, options.show), (shrink, options.shrink)):
        if index is not None:
            print(look(options.seed, index, with_reference, options.limit))
            return 0
    started = time.perf_counter()
    found: list[Outcome] = []
    for outcome in outcomes(options):
        found.append(outcome)
        if options.all or outcome.fault:
            print(f"{outcome}  [{outcome.seconds:.1f} s]", flush=True)
    print(table(found, time.perf_counter() - started))
    return 0 if met(found) else 1


if __name__ == "__main__":
    sys.exit(main())
