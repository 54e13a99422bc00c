"""The taps of a window sorted by where they fall modulo the stride."""

from math import gcd
from typing import NamedTuple


class Taps(NamedTuple):
    """Taps first + n·step of one axis, at the offsets stride·(shift + n·by) + residue."""

    residue: int
    first: int
    step: int
    number: int
    shift: int
    by: int


def taps_by_residue(taps: int, stride: int, dilation: int) -> list[Taps]:
    """The offsets dilation·i, i = 0, ..., taps - 1, sorted by residue modulo the stride."""
    step = stride // gcd(stride, dilation)
    return [
        Taps(
            residue=dilation * first % stride,
            first=first,
            step=step,
            number=len(range(first, taps, step)),
            shift=dilation * first // stride,
            by=dilation * step // stride,
        )
        for first in range(min(step, taps))
    ]
