"""Mistakes beyond convolutions, planted and named: `python -m tests.beyond` (or `make beyond`).

    python -m tests.beyond --only attention        the rows whose operation or mistake contains this
    python -m tests.beyond --all                   the sentences of every row, not of the faults alone
    python -m tests.beyond --without-reference     the forward, recorded, is its own reference

Ends with 0 if every mistake is caught, the share of them that is named first and truly is at least NAMED, no name is
false, and no right derivation is accused; else with 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from tests.beyond.run import Outcome, of_right, of_row
from tests.beyond.subjects import HELD_OUT, planted

NAMED = 0.85


def line(found: Outcome) -> str:
    first = next(iter(found.said.values()), "nothing")
    true = "FALSE" if found.false else "yes" if found.named else "-"
    return f"{found.subject:<30} {found.slip:<44} {'yes' if found.caught else 'NO':<7} {true:<6} {first:.100}"


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m tests.beyond", description="mistakes beyond convolutions, named")
    p.add_argument("--only", default="", help="rows that contain this")
    p.add_argument("--all", action="store_true", help="every sentence of every row")
    p.add_argument("--jobs", type=int, default=2, help="processes (2)")
    p.add_argument("--without-reference", action="store_true", help="the forward, recorded, is its own reference")
    options = p.parse_args(arguments)
    rows = [(subject.name, slip.name) for subject, slip in planted(options.only)]
    subjects = list(dict.fromkeys(name for name, _ in rows))
    started = time.perf_counter()
    found: list[Outcome] = []
    print(f"{'operation':<30} {'mistake':<44} {'caught':<7} {'true?':<6} first name")
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for one in pool.map(partial(of_row, alone=options.without_reference), rows):
            found.append(one)
            print(line(one), f"[{one.seconds:.1f} s]", flush=True)
            if options.all or not (one.caught and one.named):
                for name, said in one.said.items():
                    print(f"      {name}: {said}")
            for name in one.false:
                print(f"      FALSE {name}")
        right = dict(pool.map(partial(of_right, alone=options.without_reference), subjects))
    later = {subject.name for subject in HELD_OUT}
    accused = [k for k, verdict in right.items() if verdict != "agree"]
    print()
    for which, some in (
        ("", [o for o in found if o.subject not in later]),
        ("held out: ", [o for o in found if o.subject in later]),
    ):
        if some:
            print(which + totals(some))
    print(f"right derivations that do not agree: {', '.join(f'{k} ({right[k]})' for k in accused) or 'none'}")
    print(f"{time.perf_counter() - started:.0f} s")
    main_rows = [o for o in found if o.subject not in later]
    named = sum(o.caught and o.named and not o.false for o in main_rows)
    sound = all(o.caught and not o.false for o in found) and not accused
    return 0 if sound and named >= NAMED * len(main_rows) else 1


def totals(found: list[Outcome]) -> str:
    caught, false = sum(o.caught for o in found), sum(bool(o.false) for o in found)
    named = sum(o.caught and o.named and not o.false for o in found)
    subjects = len({o.subject for o in found})
    return (
        f"{len(found)} mistakes in {subjects} operations: {caught} caught, {named} named first and truly "
        f"({named / len(found):.0%}), {false} named falsely"
    )


if __name__ == "__main__":
    sys.exit(main())
