"""What the pages have in common: numbers, and the table of two witnesses on a gradient."""

from __future__ import annotations

import math

from crosscheck.evidence.pair import Pair
from crosscheck.report.layout import WIDEST

TITLE = 40  # columns of a pair's name in the table


def number(value: float) -> str:
    """Two significant digits, short: 0, 1.2e-16, 5.0e-01; NaN is a dash."""
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:.1e}"


def apart(first: float, second: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ."""
    for digits in (6, 9, 12, 17):
        shown = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if shown[0] != shown[1]:
            break
    return shown


def mark(pair: Pair | None) -> str:
    """The outcome of one pair of witnesses in a word: ok, WRONG, or how many entries nobody compared."""
    if pair is None:
        return "-"
    if pair.disagree.any():
        return "WRONG"
    silent = int(pair.silent.sum())
    if silent and silent == pair.silent.size:
        return "silent"
    return f"ok -{silent}" if silent else "ok"


def share(pair: Pair) -> str:
    """How much of its bound the error takes where it takes most of it."""
    return "-" if pair.worst_index is None else f"{pair.share:.0%}" if pair.share < 10 else ">10x"


def pair_line(title: str, pair: Pair, width: int = WIDEST) -> str:
    """A row of the table; of a narrow one the title stands above the numbers."""
    numbers = f"{number(pair.error_at_worst):>8} {number(pair.bound):>8} {share(pair):>5}  {mark(pair)}"
    return row(title, numbers, width)


def pair_heading(width: int = WIDEST) -> str:
    """The first row of the table."""
    return row("where the error takes most of its bound:", f"{'error':>8} {'bound':>8} {'used':>5}", width)


def row(title: str, numbers: str, width: int) -> str:
    if width < WIDEST:
        return f"    {title:.{width - 4}}\n      {numbers}"
    return f"    {title:<{TITLE}.{TITLE}} {numbers}".rstrip()
