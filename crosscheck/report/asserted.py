"""A plugin of pytest: a bare `assert result` that fails shows the page, as `result.raise_for_failure()` does.

pytest writes into the error what it knows of the objects in an `assert`: a `repr` each, cut to a few words, in one
line. That of a result is its summary, by which the result is found again among the values of the frame that failed; its
page then stands in the place of the error's message, below what the test itself had to say.

Loaded by pytest for every project that has this package, so it imports nothing but what is there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

HOME = "crosscheck.evidence.result"
MARGIN = 12  # columns: pytest puts an E before every line, and indents it as the line that failed


def pytest_runtest_makereport(call: Any) -> None:
    """Before pytest makes its report of a failure, the page becomes the error's message."""
    raised = call.excinfo
    if raised is None or not isinstance(raised.value, AssertionError):
        return
    shown = explanation(raised.value, raised.tb)
    if shown:
        raised.value.args = (shown,)


def explanation(error: Any, traceback: TracebackType | None) -> str:
    """The page of the result that an assertion is about, below what the test itself says; "" where it is about none."""
    home = sys.modules.get(HOME)
    if home is not None and isinstance(error, home.GradientMismatch):
        return error.result.page(80 - MARGIN)
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if home is None or traceback is None:
        return ""
    said = str(error)
    asserted = [r for r in results(home, traceback.tb_frame.f_locals) if not r and speaks_of(said, r)]
    if not asserted:
        return ""
    page = asserted[0].page(80 - MARGIN)
    own = said.split("\nassert ")[0]
    return page if own.startswith("assert ") or own == asserted[0].summary() else f"{own}\n{page}"


def results(home: Any, values: dict[str, Any]) -> Iterator[Any]:
    """The results among the values of a frame, and of those that pytest keeps of parts of an expression."""
    for value in values.values():
        if isinstance(value, home.Result):
            yield value


def speaks_of(said: str, result: Any) -> bool:
    """Whether a message has the result's summary in it, which is too short for pytest to cut."""
    return result.summary() in said
