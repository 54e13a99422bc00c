"""What pytest asks of us.

It is loaded with every pytest where this package is installed: so nothing else is, before it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

HERE = Path(__file__).parents[1]

if TYPE_CHECKING:
    from crosscheck.pytest.fixture import Gradcheck


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crosscheck", "gradient checks")
    group.addoption("--grad-seed", type=at_least_zero, default=0, metavar="N", help="seed of every random draw (0)")
    group.addoption("--grad-full", action="store_true", help="show everything that a failing check found")
    group.addoption(
        "--grad-budget",
        type=seconds,
        default=None,
        metavar="SECONDS",
        help="for each check, and for the search for the smallest failure (20 if not given)",
    )


def at_least_zero(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def seconds(text: str) -> float:
    number = float(text)
    if not number >= 0:
        raise ValueError(text)
    return number


@pytest.fixture(scope="session")
def gradcheck(request: pytest.FixtureRequest) -> Gradcheck:
    """Check gradients as `crosscheck.check` does, or any other door of it; a check that does not pass fails the test.

    It has the scope of the session, so that Hypothesis takes it.
    """
    from crosscheck.pytest.fixture import Gradcheck

    option = request.config.option
    return Gradcheck(option.grad_seed, option.grad_budget)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """A failing check is shown as its page, and as the smallest test that fails the same."""
    if call.excinfo is not None:
        hide_our_frames()
    report = yield
    if report.failed and call.excinfo is not None and may_be_ours(call.excinfo):
        from crosscheck.pytest.pages import retold

        retold(report, item, call.excinfo)
    return report


def hide_our_frames() -> None:
    """Of what the user's code raised, pytest shows the user's frames; of what we raised, all."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{HERE.name}."):
            vars(module)["__tracebackhide__"] = is_of_user


def is_of_user(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether the code that raised is the user's, or was called by it."""
    files = [Path(entry.path) for entry in excinfo.traceback]
    ours = [file.is_relative_to(HERE) for file in files]
    after = len(ours) - ours[::-1].index(True) if any(ours) else 0
    return any("site-packages" not in file.parts for file in files[after:])


def may_be_ours(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Of a mismatch, or an assertion, there may be a page, if anything was checked at all."""
    return isinstance(excinfo.value, AssertionError) and "crosscheck.evidence.result" in sys.modules
