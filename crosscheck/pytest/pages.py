"""A failure's section is the page of its check, and under it the smallest test that fails the same.

So of whatever raises `GradientMismatch`, and of `assert result`, `assert crosscheck.check(...)` and unittest's
`self.assertTrue(result)`, whose result is found in the frame of the assertion.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from crosscheck.doors.door import HERE
from crosscheck.evidence.result import GradientMismatch, Result
from crosscheck.pytest.fixture import FailedCheck
from crosscheck.pytest.pasting import pasted
from crosscheck.surveys.record import Survey, SurveyMismatch

REWRITTEN = "@py_assert"  # what pytest calls the values of an assertion


def retold(report: Any, item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Put the page in the place of a traceback, if a check failed."""
    error = excinfo.value
    result = carried(error)  # which is false
    result = asserted(excinfo) if result is None else result
    if result is None:
        return
    config = item.config
    lines = [
        *own_words(error, result),
        *text_of(result, full=bool(config.getoption("--grad-full"))).splitlines(),
    ]
    lines += [line for note in getattr(error, "__notes__", ()) for line in ("", *note.splitlines())]
    if isinstance(error, FailedCheck):
        lines += ["", *pasted(item, error, config.getoption("--grad-budget"))]
    shown: Any = excinfo.getrepr(style="value", chain=False)
    path, number = place_of(excinfo)
    lines += ["", f"{shortened(path, config.invocation_params.dir)}:{number}: {type(error).__name__}"]
    if shown.reprcrash is not None:
        shown.reprcrash.path, shown.reprcrash.lineno, shown.reprcrash.message = str(path), number, result.summary()
    shown.reprtraceback.reprentries[-1].lines[:] = lines
    report.longrepr = shown


def carried(error: BaseException) -> Result | Survey | None:
    """The result that an exception of ours brings."""
    if isinstance(error, GradientMismatch):
        return error.result
    return error.survey if isinstance(error, SurveyMismatch) else None


def text_of(result: Result | Survey, *, full: bool) -> str:
    """The page; of a survey, whose page has all of it, the full check of the smallest configuration as well."""
    if isinstance(result, Result):
        return result.full() if full else str(result)
    check = f"\n\n{result.check.full()}" if full and result.check is not None else ""
    return f"{result}{check}"


def own_words(error: BaseException, result: Result | Survey) -> list[str]:
    """The message that the test gave its assertion, if it is more than the result."""
    own = str(error).split("\nassert ")[0].removeprefix(f"{result!r} is not true").removeprefix(" : ").strip()
    is_page = own in ("", str(result), result.summary()) or carried(error) is not None
    return [] if is_page or own.startswith("assert ") else [*own.splitlines(), ""]


def place_of(excinfo: pytest.ExceptionInfo[BaseException]) -> tuple[Path, int]:
    """The user's last line: that of the test, and not of what it called of ours."""
    entries = [entry for entry in excinfo.traceback if "__unittest" not in entry.frame.f_globals]
    frames = [(Path(entry.path), entry.lineno + 1) for entry in entries or excinfo.traceback]
    return next((f for f in reversed(frames) if not f[0].is_relative_to(HERE)), frames[-1])


def shortened(path: Path, folder: Path) -> Path:
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def asserted(excinfo: pytest.ExceptionInfo[BaseException]) -> Result | Survey | None:
    """The result that an assertion is about, in the frame where it failed."""
    traceback = excinfo.tb
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    if is_assert_true(frame):
        expression = frame.f_locals.get("expr")
        return expression if isinstance(expression, (Result, Survey)) else None
    test = assertion_at(frame, traceback.tb_lineno)
    found = () if test is None else values(test, frame)
    return next((value for value in found if isinstance(value, (Result, Survey)) and not value), None)


def is_assert_true(frame: FrameType) -> bool:
    """Whether it is unittest's `assertTrue(result)`."""
    return "__unittest" in frame.f_globals and frame.f_code.co_name == "assertTrue"


def assertion_at(frame: FrameType, line: int) -> ast.expr | None:
    """What the assertion on that line is about."""
    source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Assert) and n.lineno <= line <= (n.end_lineno or n.lineno)]
    return nodes[-1].test if nodes else None


def values(test: ast.expr, frame: FrameType) -> Iterator[Any]:
    """What is asserted to be true, a name, what a call gave, or `.passed` of such; of several, each."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for part in test.values:
            yield from values(part, frame)
    elif isinstance(test, ast.Attribute) and test.attr == "passed":
        yield from values(test.value, frame)
    elif isinstance(test, ast.Name):
        yield frame.f_locals.get(test.id, frame.f_globals.get(test.id))
    elif isinstance(test, ast.Call):
        yield from (value for name, value in frame.f_locals.items() if name.startswith(REWRITTEN))
        for argument in test.args if isinstance(test.func, ast.Name) and test.func.id == "bool" else ():
            yield from values(argument, frame)
