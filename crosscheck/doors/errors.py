"""A wrong call is one sentence, and what a user's own code raises keeps its traceback.

What the judge raises about its arguments says everything in its sentence; the frames that led there are its own affair,
and are cut. An exception from outside of it passes as it is.
"""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

JUDGE = Path(__file__).parents[1]


def raised_here(error: BaseException) -> bool:
    """Whether the judge raised an exception itself: its last frame is the judge's."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and JUDGE in Path(last.tb_frame.f_code.co_filename).parents


def in_a_sentence(door: F) -> F:
    """The door, whose own complaints come without the frames that led to them."""

    @functools.wraps(door)
    def said(*args: Any, **kwargs: Any) -> Any:
        try:
            return door(*args, **kwargs)
        except (TypeError, ValueError) as error:
            if not raised_here(error):
                raise
            complaint = error.with_traceback(None)
        raise complaint

    return said  # type: ignore[return-value]


def checked_seed(seed: Any) -> int:
    """The seed that a caller gave, or a sentence that says what it must be."""
    rule = "it must be a whole number, 0 or more"
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise TypeError(f"seed is {seed!r}, a {type(seed).__name__}; {rule}")
    if seed < 0:
        raise ValueError(f"seed is {seed!r}; {rule}")
    return int(seed)
