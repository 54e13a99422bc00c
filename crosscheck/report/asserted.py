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
MARGIN = 4  # columns: pytest puts "E   " before every line


def pytest_runtest_makereport(call: Any) -> None:
    """Before pytest makes its report of a failure, the page becomes the error's message."""
    raised = call.excinfo
    if raised is not None and type(raised.value) is AssertionError:
        shown = explanation(raised.value, raised.tb)
        if shown:
            raised.value.args = (shown,)


def explanation(error: AssertionError, traceback: TracebackType | None) -> str:
    """The message of an assertion about a result that did not pass, and its page; "" where it is about nothing such."""
    home = sys.modules.get(HOME)
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if home is None or traceback is None:
        return ""
    said = str(error)
    asserted = [r for r in results(home, traceback.tb_frame.f_locals) if not r and speaks_of(said, r)]
    if not asserted:
        return ""
    result = asserted[0]
    page = result.page(80 - MARGIN)
    own = said.splitlines()[0] if said else ""
    about = own and not own.startswith("assert ") and not speaks_of(own, result)
    return f"{own}\n{page}" if about else page


def results(home: Any, values: dict[str, Any]) -> Iterator[Any]:
    """The results among the values of a frame, and of those that pytest keeps of parts of an expression."""
    for value in values.values():
        if isinstance(value, home.Result):
            yield value


def speaks_of(said: str, result: Any) -> bool:
    """Whether a message has the result's summary in it, whole or as pytest cuts it."""
    summary = result.summary()
    return summary in said
