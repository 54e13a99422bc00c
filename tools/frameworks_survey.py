"""Custom rules, Functions and layers that nobody here wrote, checked: prints the tables of docs/frameworks.md, and of
docs/packages.md.

    python -m tools.frameworks_survey torch jax [--only WORD] [--write docs/frameworks.md]
    python -m tools.frameworks_survey numpy [--only WORD] [--write docs/packages.md]

Needs crosscheck[torch] and whichever of these packages are there (the rows of others say "not installed"):

    entmax sparsemax spikingjelly snntorch norse sinabs brevitas gpytorch linear-operator timm torchdiffeq kornia
    kornia_rs xitorch memcnn optax jaxopt ott-jax numpyro e3nn-jax lineax equinox brax jax-md distrax

    numpy-ml synapgrad numpy-nn numpynet
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from tools import frameworks_jax, frameworks_numpy, frameworks_torch
from tools.frameworks_torch import Row

KINDS = {"torch": frameworks_torch, "jax": frameworks_jax, "numpy": frameworks_numpy}


class Line(NamedTuple):
    """One row of the table."""

    package: str
    name: str
    verdict: str
    explanation: str
    recorded: bool = False  # whether its own forward was the reference

    def __str__(self) -> str:
        return f"| {self.package} | `{self.name}` | {self.verdict} | {self.explanation} |"


def line(row: Row) -> Line:
    try:
        package = f"{row.package} {metadata.version(row.package)}"
    except metadata.PackageNotFoundError:
        return Line(row.package, row.name, "not installed", "")
    try:
        result = row.ask()
    except Exception as error:  # a survey goes on: what is raised stands in the table
        return Line(package, row.name, "raised", f"{type(error).__name__}: {error}".splitlines()[0][:160])
    said = [] if result else [row.why] if row.why else reasons(result)
    recorded = result.evidence.source.startswith("recorded")
    return Line(package, row.name, result.verdict, "; ".join(said).replace("|", "\\|"), recorded)


def reasons(result: Any) -> list[str]:
    """What the judge itself says of a check that did not pass."""
    found = [g.diagnoses[0].explanation for g in result.gradients.values() if g.diagnoses]
    found += [f.explanation for f in result.findings if f.fails]
    open_ones = [f"the gradient of {k} is {g.verdict}" for k, g in result.gradients.items() if not g.passed]
    return [s[:300] for s in (found or open_ones)[:3]]


def table(lines: list[Line]) -> str:
    counts = {v: sum(one.verdict == v for one in lines) for v in ("agree", "disagree", "undecided", "raised")}
    said = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    recorded = sum(one.recorded for one in lines)
    said += f"; {recorded} forwards recorded" if recorded else ""
    head = "| package | function | verdict | why |\n|---|---|---|---|"
    return "\n".join([f"{len(lines)} functions: {said}.", "", head, *map(str, lines)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["torch", "jax"], choices=[*KINDS], help="whose rules")
    parser.add_argument("--only", default="", help="rows whose package or name has this in it")
    parser.add_argument("--write", help="a page whose tables are replaced")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind in asked.kinds:
        found: list[Line] = []
        for row in KINDS[kind].rows():
            if asked.only in row.package or asked.only in row.name:
                start = time.perf_counter()
                found.append(line(row))
                print(f"{time.perf_counter() - start:6.1f} s  {found[-1]}", file=sys.stderr, flush=True)
        said = table([one for one in found if one.verdict != "not installed"])
        if asked.write:
            replace_table(Path(asked.write), kind, said)
        else:
            print(said)


def replace_table(page: Path, kind: str, said: str) -> None:
    """The table between its two marks."""
    begin, end = f"<!-- survey of {kind} -->", f"<!-- end of {kind} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    page.write_text(f"{before}{begin}\n{said}\n{end}{rest.split(end)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
