"""The main job: run the table's cases, show progress, print one table and one closing line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from crosscheck.cli import status_of
from crosscheck.deadline import Deadline
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND
from crosscheck.evidence.result import Result
from crosscheck.files.whole import write_whole
from crosscheck.interrupts import when_interrupted
from crosscheck.judge import judge
from crosscheck.lecture.cases import Case, all_cases, layers
from crosscheck.report.text import mark, number
from crosscheck.traces.programs import keep_compilations

COMPARED = ((HAND, AUTODIFF), (HAND, DIFFERENCE), (AUTODIFF, DIFFERENCE))


def select(names: tuple[str, ...]) -> list[Case]:
    """The cases of the named layers, all if none is named; an unknown name is a ValueError that lists the known."""
    known = layers()
    for name in names:
        if name not in known:
            raise ValueError(f"there is no layer {name!r}; the table has {', '.join(known)}")
    return [case for case in all_cases() if not names or case.layer in names]


def check_case(case: Case, seed: int, deadline: Deadline | None = None) -> Result:
    """One case, in what is left of the seconds for all of them."""
    operation = case.operation(seed)
    grad_output = case.grad_output(operation.output().shape, seed)
    return judge(
        operation,
        grad_output=grad_output,
        seed=seed,
        differences=case.differences,
        budget=None if deadline is None else deadline.left,
        progress=False,
    )


def run_cases(cases: list[Case], seed: int, json_file: Path | None, budget: float | None = None) -> int:
    """Check the cases, print the table, write the file; the exit status."""
    keep_compilations()
    console = Console()
    started = time.perf_counter()
    finished: dict[str, Result] = {}  # whatever is, in whatever order

    def say() -> None:
        there = [(case, finished[case.name]) for case in cases if case.name in finished]
        print_results(there, len(cases), started, Console())  # the other console's lock may be held by the bar

    with when_interrupted(say):
        results = list(checked(cases, seed, console, Deadline(budget), finished))
    print_results(results, len(cases), started, console)
    if json_file is not None:
        write_json(json_file, results, seed)
    return status_of(*(result.verdict for _, result in results))


def print_results(results: list[tuple[Case, Result]], wanted: int, started: float, console: Console) -> None:
    """The table, the pages of what did not pass, and a closing line."""
    for line in table(results):
        console.print(line, soft_wrap=True)
    for case, result in results:
        if not result:
            console.print(f"\n{case.name}", style="bold red", markup=False)
            console.print(str(result), markup=False, highlight=False, soft_wrap=True)
    verdicts = [g.verdict for _, result in results for g in result.gradients.values()]
    entries = sum(int(np.prod(g.shape)) for _, result in results for g in result.gradients.values())
    failed = sum(not result for _, result in results)
    cases = f"{len(results)} cases" if len(results) == wanted else f"{len(results)} of {wanted} cases"
    console.print(
        f"{verdicts.count('agree')} gradients agree, {verdicts.count('disagree')} disagree, "
        f"{verdicts.count('undecided')} undecided; {entries} entries, {cases}, {failed} failed, "
        f"{time.perf_counter() - started:.1f} s",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


WORKERS = 2  # one case compiles in XLA while another is differenced in NumPy


def checked(
    cases: list[Case], seed: int, console: Console, deadline: Deadline, finished: dict[str, Result]
) -> Iterator[tuple[Case, Result]]:
    """The results in the table's order, with a bar on a terminal and a plain line now and then elsewhere."""

    def check(case: Case) -> tuple[Case, Result]:
        finished[case.name] = check_case(case, seed, deadline)
        return case, finished[case.name]

    with ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(check, cases)
        if not console.is_terminal:
            for place, outcome in enumerate(results, 1):
                yield outcome
                if place % 20 == 0 or place == len(cases):
                    print(f"checked {place} of {len(cases)} cases", file=sys.stderr, flush=True)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("cross-checking", total=len(cases))
            for case, result in results:
                progress.update(task, description=f"{case.layer:<21}", advance=1)
                yield case, result


HEADING = f"  {'gradient':<12} {'entries':>8}  {'error':>8} {'bound':>8}   {'H/A':<9}{'H/D':<9}{'A/D':<9}"
LEGEND = (
    "H hand-derived, A autodiff, D finite differences. error and bound: H/A, where the",
    "error takes the largest share of its bound. ok -n: at n entries D is silent (a",
    "kink, or below its noise). float32 cases are judged as float32 arithmetic, too.",
)


def table(results: list[tuple[Case, Result]]) -> Iterator[Text]:
    """A line per case, and under it a line per gradient: entries, largest error, its bound, the verdict of each
    pair."""
    yield Text(HEADING, style="bold")
    for case, result in results:
        yield Text.assemble((case.layer, "bold"), f"  {case.configuration}")
        for gradient in result.gradients.values():
            pair = gradient.pairs.get((HAND, AUTODIFF))
            error, bound = ("-", "-") if pair is None else (number(pair.error_at_worst), number(pair.bound))
            size = int(np.prod(gradient.shape))
            line = Text(f"  {gradient.name:<12} {size:>8}  {error:>8} {bound:>8}   ")
            for pair_of in COMPARED:
                word = mark(gradient.pairs.get(pair_of))
                line.append(f"{word:<9}", style="bold red" if word == "WRONG" else "green" if word == "ok" else "")
            line.rstrip()
            yield line
    for sentence in LEGEND:
        yield Text(sentence, style="dim")


def write_json(path: Path, results: list[tuple[Case, Result]], seed: int) -> None:
    """All results as JSON; the file appears whole or not at all."""
    content = {
        "seed": seed,
        "passed": all(bool(result) for _, result in results),
        "cases": [
            {
                "name": case.name,
                "kind": case.kind,
                "layer": case.layer,
                "configuration": case.configuration,
                **{k: v for k, v in result.to_dict().items() if k != "name"},
            }
            for case, result in results
        ],
    }
    write_whole(path, content)
