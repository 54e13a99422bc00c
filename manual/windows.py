"""Where the windows of a pooling lie along one axis: padding, dilation, and a last window that hangs over the end.

Window h begins at s·h - p and reads the places s·h - p + d·i for its offsets i, of which those from 0 to n - 1 are
entries of the input; the rest is padding, or beyond it. Windows are those that fit the padded input; with ceil mode one
more, where entries would be left over and it begins before the padding at the end does.

Letters: h window; i offset; s stride; d dilation; p padding at the beginning; n entries of the input.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from manual import checks

Array = np.ndarray
Pair = tuple[int, int]
Sides = tuple[Pair, Pair]


class Axis(NamedTuple):
    """The windows along one axis."""

    entries: int  # n
    window: int  # how many offsets there are
    stride: int  # s
    dilation: int  # d
    before: int  # p
    after: int  # padding at the end
    windows: int

    @property
    def places(self) -> Array:
        """[h, i]: the place that window h reads at offset i."""
        starts = self.stride * np.arange(self.windows) - self.before
        return starts[:, None] + self.dilation * np.arange(self.window)

    @property
    def inside(self) -> Array:
        """[h, i]: whether that is an entry of the input."""
        return (self.places >= 0) & (self.places < self.entries)

    @property
    def padded(self) -> Array:
        """[h, i]: whether that is an entry or padding."""
        return self.places < self.entries + self.after

    @property
    def beyond(self) -> int:
        """How many places after the last entry are read, padding included."""
        return max(0, int(self.places.max(initial=-1)) + 1 - self.entries)


def sides(padding: Any) -> Sides:
    """(rows, columns) or ((top, bottom), (left, right)) as the latter."""
    if isinstance(padding, (tuple, list)) and len(padding) == 2 and isinstance(padding[0], (tuple, list)):
        top, left = (checks.pair(tuple(side), "padding", 0) for side in padding)
        return top, left
    rows, columns = checks.pair(padding, "padding", 0)
    return (rows, rows), (columns, columns)


def axes(size: Pair, window: Pair, stride: Pair, padding: Any, dilation: Pair, ceil: bool) -> tuple[Axis, Axis]:
    """The windows along rows and columns.

    Raises:
        ValueError: a window that does not fit the padded input, or that covers none of its entries.
    """
    along = zip(("rows", "columns"), size, window, stride, sides(padding), dilation, strict=True)
    rows, columns = (axis(*arguments, ceil=ceil) for arguments in along)
    return rows, columns


def axis(name: str, n: int, window: int, stride: int, padding: Pair, dilation: int, *, ceil: bool) -> Axis:
    """The windows along one axis."""
    before, after = padding
    left_over = n + before + after - (dilation * (window - 1) + 1)
    if left_over < 0:
        raise ValueError(
            f"a window of {window} {name} with dilation {dilation} does not fit the input's {n} {name} with padding "
            f"{padding}"
        )
    count = (-(-left_over // stride) if ceil else left_over // stride) + 1
    if ceil and (count - 1) * stride >= n + before:
        count -= 1
    found = Axis(n, window, stride, dilation, before, after, count)
    empty = ~found.inside.any(axis=1)
    if n and empty.any():
        raise ValueError(
            f"padding {padding} of the {name}: window {int(np.argmax(empty))} would cover no entry of the input's {n}"
        )
    return found
