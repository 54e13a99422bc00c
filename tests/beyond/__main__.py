"""Mistakes beyond convolutions, planted and named: `python -m tests.beyond` (or `make beyond`).

    python -m tests.beyond --only attention        the rows whose operation or mistake contains this
    python -m tests.beyond --all                   the sentences of every row, not of the faults alone

Ends with 0 if every mistake is caught, the share of them that is named first and truly is at least NAMED, no name is
false, and no right derivation is accused; else with 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.beyond.run import Outcome, of_right, of_row
from tests.beyond.subjects import planted

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
    options = p.parse_args(arguments)
    rows = [(subject.name, slip.name) for subject, slip in planted(options.only)]
    subjects = list(dict.fromkeys(name for name, _ in rows))
    started = time.perf_counter()
    found: list[Outcome] = []
    print(f"{'operation':<30} {'mistake':<44} {'caught':<7} {'true?':<6} first name")
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for one in pool.map(of_row, rows):
            found.append(one)
            print(line(one), f"[{one.seconds:.1f} s]", flush=True)
            if options.all or not (one.caught and one.named):
                for name, said in one.said.items():
                    print(f"      {name}: {said}")
            for name in one.false:
                print(f"      FALSE {name}")
        right = dict(pool.map(of_right, subjects))
    caught, named = sum(o.caught for o in found), sum(o.caught and o.named and not o.false for o in found)
    false, accused = sum(bool(o.false) for o in found), [k for k, verdict in right.items() if verdict != "agree"]
    print(
        f"\n{len(found)} mistakes in {len(subjects)} operations: {caught} caught, {named} named first and truly "
        f"({named / max(len(found), 1):.0%}), {false} named falsely; right derivations that do not agree: "
        f"{', '.join(f'{k} ({right[k]})' for k in accused) or 'none'} [{time.perf_counter() - started:.0f} s]"
    )
    met = caught == len(found) and named >= NAMED * len(found) and not false and not accused
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
