"""Where the windows of a pooling lie along each axis: padding, dilation, and a last window that hangs over the end.

Window h begins at s·h - p and reads the places s·h - p + d·i for its offsets i, of which those from 0 to n - 1 are
entries of the input; the rest is padding, or beyond it. Windows are those that fit the padded input; with ceil mode one
more, where entries would be left over and it begins before the padding at the end does.

Letters: h window; i offset; s stride; d dilation; p padding at the beginning; n entries of the input.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from manual import checks

Array = np.ndarray
Pair = tuple[int, int]
Sizes = tuple[int, ...]  # along every axis
Sides = tuple[Pair, ...]  # (before, after), along every axis

# Of sequences, images and volumes: all axes, and what stands behind the channels in words.
LAYOUTS = {1: "B C W", 2: "B C H W", 3: "B C D H W"}
NAMES = {1: ("columns",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


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
        last = self.stride * (self.windows - 1) - self.before + self.dilation * (self.window - 1)
        return max(0, last + 1 - self.entries)


def sides(padding: Any, along: int = 2) -> Sides:
    """Padding as (before, after) of every axis: from an integer for all of them, or for each an integer or a pair."""
    if not isinstance(padding, (tuple, list)):
        padding = (padding,) * along
    if len(padding) != along:
        raise ValueError(f"padding is {padding!r}; it must be an integer, or have one or a pair for {words(along)}")
    pairs = (side if isinstance(side, (tuple, list)) else (side, side) for side in padding)
    found = tuple(checks.pair(tuple(side), "padding", 0) for side in pairs)
    return found


def spread(value: Any, name: str, along: int) -> Sizes:
    """A size of a layer, at least 1: an integer for every axis, or one for each."""
    if along == 2:
        return checks.pair(value, name, 1)
    return each(value if isinstance(value, (tuple, list)) else (value,) * along, name, along)


def each(value: Any, name: str, along: int) -> Sizes:
    """A size with an integer for each axis, at least 1."""
    if not isinstance(value, (tuple, list)) or len(value) != along:
        what = "a (rows, columns) pair" if along == 2 else f"a tuple with an integer for {words(along)}"
        raise ValueError(f"{name} is {value!r}; it must be {what}")
    named = NAMES.get(along, range(along))
    return tuple(checks.integer(n, f"{axis} of {name}", 1) for axis, n in zip(named, value, strict=True))


def words(along: int) -> str:
    """The axes behind the channels, for a sentence."""
    return " and ".join(NAMES[along]) if along in NAMES else f"each of {along} axes"


def windows_of(
    x: Array, pool_size: Any = None, stride: Any = None, padding: Any = 0, dilation: Any = None, ceil: bool = False
) -> tuple[Axis, ...]:
    """The windows along every axis of x (B, C, ...) behind the channels, of which there are as many as the sizes say.

    Args:
        x: what is pooled.
        pool_size: an integer for each axis; None: the whole of it.
        stride: the same; None: the pool size.
        padding: an integer for all axes, or one or a pair for each.
        dilation: an integer for each axis; None: 1.
        ceil: whether a last window may hang over the end.

    Raises:
        ValueError: a rank or a size that does not fit.
    """
    sizes = (pool_size, stride, padding, dilation)
    if type(ceil) is bool and all(size is None or checks.plain(size) for size in sizes):
        return remembered(x.shape, *sizes, ceil)
    return found_windows(x, *sizes, ceil)


@lru_cache(maxsize=256)
def remembered(shape: Sizes, *sizes: Any) -> tuple[Axis, ...]:
    """The same, once for every configuration; an array of this shape stands for x."""
    return found_windows(np.broadcast_to(np.float64(0), shape), *sizes)


def found_windows(x: Array, pool_size: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> tuple[Axis, ...]:
    """The same, looked for."""
    given = [len(size) for size in (pool_size, stride, dilation) if isinstance(size, (tuple, list))]
    along = given[0] if given else max(x.ndim - 2, 1)
    checks.rank(x, "x", LAYOUTS.get(along, "B C" + " n" * along))
    window = x.shape[2:] if pool_size is None else each(pool_size, "pool_size", along)
    step = window if stride is None else each(stride, "stride", along)
    apart = (1,) * along if dilation is None else each(dilation, "dilation", along)
    return axes(x.shape[2:], window, step, padding, apart, ceil)


def axes(size: Sizes, window: Sizes, stride: Sizes, padding: Any, dilation: Sizes, ceil: bool) -> tuple[Axis, ...]:
    """The windows along every axis, whose sizes are known to be some.

    Raises:
        ValueError: a window that does not fit the padded input, or that covers none of its entries.
    """
    return known_axes(size, window, stride, sides(padding, len(size)), dilation, ceil)


@lru_cache(maxsize=256)
def known_axes(
    size: Sizes, window: Sizes, stride: Sizes, around: Sides, dilation: Sizes, ceil: bool
) -> tuple[Axis, ...]:
    """The same, once for every configuration."""
    plain = set(dilation) <= {1} and not ceil
    if plain and not any(map(any, around)) and any(k > n for k, n in zip(window, size, strict=True)):
        raise ValueError(f"pool_size is {window}; it must fit the input's {words(len(size))}, {size}")
    along = zip(NAMES.get(len(size), range(len(size))), size, window, stride, around, dilation, strict=True)
    return tuple(axis(*arguments, ceil=ceil) for arguments in along)


def axis(name: Any, n: int, window: int, stride: int, padding: Pair, dilation: int, *, ceil: bool) -> Axis:
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
