"""One check of a file: what is printed of it, what is written, and the exit status."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import crosscheck
from crosscheck.cli import AGREED, DISAGREED, UNDECIDED, status_of
from crosscheck.doors.lines import line_in
from crosscheck.doors.numbers import kind_of
from crosscheck.doors.trees import leaves
from crosscheck.files.contents import Contents, contents_of
from crosscheck.files.drawing import inputs_of
from crosscheck.files.loading import UserFile, filled
from crosscheck.files.unfilled import unfilled, without
from crosscheck.interrupts import when_interrupted


class CheckedFile(NamedTuple):
    """What came of a check.

    Args:
        status: of the command.
        text: the page, and what is to be said beside it.
        content: for JSON.
    """

    status: int
    text: str
    content: dict[str, Any]


def checked(file: UserFile, seed: int, *, full: bool, budget: float | None) -> CheckedFile:
    """The file as it is now.

    Raises:
        Refused: it cannot be checked; nothing was judged.
    """
    module = file.load()
    found: list[CheckedFile] = []
    with file.first_on_path(), when_interrupted(lambda: print_all(found)):
        said = contents_of(module, file.path, crosscheck.check)
        content: dict[str, Any] = {"file": str(file.path), "seed": seed}
        if said.forward is not None:
            found.append(of_functions(file, said, seed, full=full, budget=budget))
        if said.make is not None:
            found.append(of_survey(file, said, seed, budget=budget))
    statuses = [outcome.status for outcome in found]
    status = next(s for s in (DISAGREED, UNDECIDED, AGREED) if s in statuses)
    for outcome in found:
        content |= outcome.content
    return CheckedFile(status, "\n\n".join(outcome.text for outcome in found), {**content, "status": status})


def print_all(found: list[CheckedFile]) -> None:
    for outcome in found:
        print(outcome.text)


def of_functions(file: UserFile, said: Contents, seed: int, *, full: bool, budget: float | None) -> CheckedFile:
    assert said.forward is not None
    assert said.backward is not None
    options = {"name": file.path.stem, **said.options}
    with file.own_errors():
        inputs = inputs_of(said.inputs, seed)
        open_ones = unfilled(said.forward, said.backward, inputs, options.get("convention"))
        if open_ones:
            asked = options.get("wrt") or [k for k, a in inputs.items() if is_differentiable(a)]
            options["wrt"] = tuple(k for k in ([asked] if isinstance(asked, str) else asked) if k not in open_ones)
            if not options["wrt"]:
                return CheckedFile(UNDECIDED, still_open(said.backward, open_ones), {"missing": list(open_ones)})
        result = crosscheck.check(
            said.forward,
            without(said.backward, open_ones),
            inputs,
            said.reference,
            seed=seed,
            budget=budget,
            **options,
        )
    limit = () if budget is None else ("--budget", f"{budget:g}")
    again = shlex.join(["crosscheck", "check", str(file.path), "--seed", str(seed), *limit])
    result = replace(result, call=again)
    status = status_of(result.verdict)
    text = result.full() if full else str(result)
    if open_ones:
        status = UNDECIDED if status == AGREED else status
        text = f"{text}\n{still_open(said.backward, open_ones)}"
    return CheckedFile(status, text, {"missing": list(open_ones), **result.to_dict()})


def is_differentiable(value: Any) -> bool:
    return any(kind_of(leaf) in ("f", "c") for _, leaf in leaves(value))


def still_open(backward: Callable[..., Any], names: tuple[str, ...]) -> str:
    """What is still to be derived, with its line."""
    lines = []
    for name in names:
        line = line_in(backward, name)
        where = f" ({line.file}:{line.number}: {line.text})" if line else ""
        lines.append(filled(f"still to be derived: {name}{where}"))
    return "\n".join(lines)


def of_survey(file: UserFile, said: Contents, seed: int, *, budget: float | None) -> CheckedFile:
    """When the file is wrong."""
    survey = importlib.import_module("crosscheck").survey
    with file.own_errors():
        found = survey(said.make, said.space, budget=budget, seed=seed)
    status = AGREED if found else UNDECIDED if found.verdict == "undecided" else DISAGREED
    return CheckedFile(status, str(found), {"survey": found.to_dict()})
