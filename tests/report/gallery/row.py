"""One picture of the gallery: a wrong derivation, and what a reader of its page must find there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from crosscheck.evidence.result import Result


class Picture(NamedTuple):
    """A check that does not pass.

    Args:
        name: what is derived, and how.
        mistake: what is wrong with it, as its author would say once it is found.
        words: all must be on the page, folded as it may be; what is written in capitals, before "worst".
        check: makes the result.
        verdict: of the result.
    """

    name: str
    mistake: str
    words: tuple[str, ...]
    check: Callable[[], Result]
    verdict: str = "disagree"
