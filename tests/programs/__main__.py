"""Random programs through the judge: `python -m tests.programs` (or `make programs`).

    python -m tests.programs --count 200 --seed 1 --jobs 2
    python -m tests.programs --show 17            one program: what it is, as code, what the judge says
    python -m tests.programs --shrink 17          the smallest part of it that still shows the fault

Ends with 0 if nothing was accused, nothing crashed, no mistake passed, and at most 1 % of the right programs were
undecided without need; else with 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.programs.report import met, table
from tests.programs.run import Outcome
from tests.programs.shrink import show, shrink
from tests.programs.sweep import sweep


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m tests.programs", description="random programs through the judge")
    p.add_argument("--count", type=int, default=200, help="how many (200)")
    p.add_argument("--seed", type=int, default=0, help="names the sequence (0)")
    p.add_argument("--first", type=int, default=0, help="the index of the first (0)")
    p.add_argument("--without-reference", action="store_true", help="differences and complex steps judge alone")
    p.add_argument("--verdicts", action="store_true", help="no search for the reasons of what is wrong")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    p.add_argument("--limit", type=float, default=120.0, help="seconds of computing for a check (120)")
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
    indices = range(options.first, options.first + options.count)
    for outcome in sweep(options.seed, indices, options.jobs, with_reference, options.limit, not options.verdicts):
        found.append(outcome)
        if options.all or outcome.fault:
            print(f"{outcome}  [{outcome.seconds:.1f} s]", flush=True)
    print(table(found, time.perf_counter() - started, with_reference))
    return 0 if met(found, with_reference) else 1


if __name__ == "__main__":
    sys.exit(main())
