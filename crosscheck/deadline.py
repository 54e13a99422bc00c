"""The end of a check's seconds: one object, asked by all who spend.

What the clock ends is left out, whole: a witness that was not asked of everything, a point not looked at. So a budget
can make a verdict undecided, but two checks with different budgets never contradict each other. Without a budget the
clock is not read, and the same check gives the same answer on any machine.

    deadline = Deadline(5.0)
    watched = deadline.watching(forward)              raises `OutOfTime` in place of the next call
    found = deadline.unless_late("what it is", work, otherwise)

`OutOfTime` is no `Exception`: those who take a refusal of the user's code for an answer let it pass.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
LOG = logging.getLogger("crosscheck")


NOTE = "crosscheck: raised while "


class OutOfTime(BaseException):
    """The budget ended; caught by the deadline that raised it."""


class Deadline:
    """Seconds from now on; None: for ever.

    Attributes:
        left_out: what was not done, in words.
        calls: how often a watched function was called.
        doing: what is being done, in words.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.end = None if seconds is None else time.perf_counter() + seconds
        self.left_out: list[str] = []
        self.calls = 0
        self.doing = "the point"
        self.waiting: deque[str] = deque()

    @property
    def left(self) -> float | None:
        """The seconds that are left; None without a budget."""
        return None if self.end is None else max(0.0, self.end - time.perf_counter())

    @property
    def passed(self) -> bool:
        return self.end is not None and time.perf_counter() >= self.end

    def watching(self, function: Callable[..., T], who: str = "the function") -> Callable[..., T]:
        """The function, which is not called any more once the time is up; what it raises says which call it was."""

        def watched(*arguments: Any, **named: Any) -> T:
            if self.passed:
                raise OutOfTime
            self.calls += 1
            with noted(lambda: f"calling {who} for {self.doing} (call {self.calls} after the first ones)"):
                return function(*arguments, **named)

        return watched

    def unless_late(self, what: str, work: Callable[[], T], otherwise: T) -> T:
        """What `work` gives if it is done in time; else `otherwise`, and `what` is left out."""
        self.doing = what
        try:
            if not self.passed:
                return work()
        except OutOfTime:
            pass
        self.left_out.append(what)
        return otherwise

    def announce(self, sentence: str) -> None:
        """Something to be said before it is done, to whoever watches."""
        LOG.info(sentence)
        self.waiting.append(sentence)

    def announced(self) -> Iterator[str]:
        """What was announced since this was asked last."""
        while self.waiting:
            yield self.waiting.popleft()


@contextmanager
def noted(what: Callable[[], str]) -> Generator[None]:
    """An exception that passes here gets one note: what was being done, in the words of a check."""
    try:
        yield
    except Exception as error:
        if not any(NOTE in line for line in getattr(error, "__notes__", ())):
            error.add_note(f"{NOTE}{what()}")
        raise


def checked_budget(budget: Any) -> float | None:
    """The seconds that a caller gave, or a sentence that says what they must be."""
    if budget is None:
        return None
    rule = "it must be a number of seconds, 0 or more, or None for no limit"
    if isinstance(budget, bool) or not hasattr(budget, "__float__") or hasattr(budget, "__len__"):
        raise TypeError(f"budget is {budget!r}, a {type(budget).__name__}; {rule}")
    seconds = float(budget)
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(f"budget is {budget!r}; {rule}")
    return None if math.isinf(seconds) else seconds
