"""Max pooling: every window keeps its largest entry.

    Y[b,c,h,w] = max_{0≤i<p, 0≤j<q} X[b,c,s·h+d·i,t·w+e·j]                                    (1)

X stands for the input after padding with -∞, which never wins, nor does it where the entries are -∞ themselves
(`windows` says where windows lie, with padding, dilation and a last one that hangs over the end). Let (i*, j*)[b,c,h,w]
be the offset of the maximum; of equal maxima the first in row-major order. Nudge X by Ẋ. Away from ties the winner
stays the winner if the nudge is small, so

    Ẏ[b,c,h,w] = Ẋ[b,c,s·h+d·i*,t·w+e·j*]                                                    (2)

With G = ∂L/∂Y from the next layer, Σ_{b,c,h,w} G[b,c,h,w] · Ẏ[b,c,h,w] collects, at every entry of X, the gradients of
all the windows that it wins:

    ∂L/∂X[b,c,m,n] = Σ_{h,w: s·h+d·i*=m, t·w+e·j*=n} G[b,c,h,w]                              (3)

Where windows overlap an entry may win several: the sum matters (the lecture's formula, without a sum, is the case of
windows that do not overlap). Nothing here asks how many axes there are: for sequences read w, j, t, e and n alone, for
volumes add a third of each; first then means first in row-major order of three offsets.

`values`, `moved` and `gradient` are (1), (2) and (3) as they stand, over a view of all windows. In (1) and (3) float32
and float64 without dilation take the fast path, `machine/pooling.py`, which a test holds to them: every entry is the
same number.

Letters: X input; Y output; G = ∂L/∂Y; L loss; b sample; c channel; h, w output position; i, j position in the window;
p, q rows and columns of the window; s, t stride; d, e dilation; m, n input position; a star marks the winner; a dot
marks a nudge.

Source: the lecture, "Max Pooling Layer Gradients".
"""

from functools import lru_cache
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from manual import checks
from manual.average_pooling import cropped, padded
from manual.layer import Layer, Stage
from manual.machine import pooling
from manual.windows import Axis, Sides, Sizes, sides, spread, windows_of

Array = np.ndarray
Size = int | Sizes


# ---------------------------------------------------------------------- the definition


def winners(x: Array, pool_size: Sizes, stride: Sizes, dilation: Sizes | None = None) -> tuple[Array, Array]:
    """Every window's entries in row-major order, (B, C, H_out, W_out, p·q), and the place among them of (i*, j*)."""
    entries = entries_of(x, pool_size, stride, dilation)
    return entries, np.argmax(np.real(entries), axis=-1)  # the first of equal ones, and NaN before any number


def entries_of(x: Array, pool_size: Sizes, stride: Sizes, dilation: Sizes | None) -> Array:
    """X[b,c,s·h+d·i,t·w+e·j] as [b, c, h, w, place]."""
    apart = dilation or (1,) * len(pool_size)
    reach = tuple(far * (n - 1) + 1 for far, n in zip(apart, pool_size, strict=True))
    every = sliding_window_view(x, reach, axis=tuple(range(2, x.ndim)))
    read = every[(slice(None), slice(None), *(slice(None, None, n) for n in (*stride, *apart)))]
    return read.reshape(*read.shape[: x.ndim], prod(pool_size))


def values(x: Array, pool_size: Sizes, stride: Sizes, dilation: Sizes | None = None) -> Array:
    """Y of (1), by definition."""
    entries, winner = winners(x, pool_size, stride, dilation)
    return np.take_along_axis(entries, winner[..., None], axis=-1)[..., 0]  # (1)


def moved(nudge: Array, x: Array, pool_size: Sizes, stride: Sizes, dilation: Sizes | None = None) -> Array:
    """Ẏ of (2), by definition."""
    _, winner = winners(x, pool_size, stride, dilation)
    nudges = entries_of(nudge, pool_size, stride, dilation)
    return np.take_along_axis(nudges, winner[..., None], axis=-1)[..., 0]  # (2)


def gradient(g: Array, x: Array, pool_size: Sizes, stride: Sizes, dilation: Sizes | None = None) -> Array:
    """∂L/∂X of (3), by definition."""
    grad_x, (_, winner) = np.zeros(x.shape, np.result_type(g, x)), winners(x, pool_size, stride, dilation)
    apart = dilation or (1,) * len(pool_size)
    for place, offset in enumerate(np.ndindex(*pool_size)):
        along = zip(apart, offset, stride, g.shape[2:], strict=True)
        read = (slice(far * i, far * i + step * count, step) for far, i, step, count in along)
        grad_x[(slice(None), slice(None), *read)] += np.where(winner == place, g, 0)  # (3)
    return grad_x


# ---------------------------------------------------------------------- the operation


class Saved(NamedTuple):
    """What the backward pass needs: who won is read off X and Y."""

    x: Array  # (B, C, H, W), with its padding
    y: Array  # (B, C, H_out, W_out), a copy of the output: the caller may write to his
    pool_size: Sizes
    stride: Sizes
    dilation: Sizes
    along: tuple[Axis, ...]


def forward(
    x: Array,
    *,
    pool_size: Sizes | None,
    stride: Sizes | None = None,
    padding: Size | Sides = 0,
    dilation: Sizes | None = None,
    ceil: bool = False,
) -> tuple[Array, Saved]:
    """The largest entry of every window (1), of complex numbers the one with the largest real part; a real part that is
    NaN wins. Where the largest are zeros of both signs, y may have either.

    Args:
        x: (B, C, H, W), or any other number of axes behind the channels; float32, float64 or complex128.
        pool_size, stride, dilation: (rows, columns), an integer for every axis; without a pool size one window is the
            whole, without a stride the windows lie side by side.
        padding: rows and columns around x that never win, (rows, columns) or ((top, bottom), (left, right)).
        ceil: whether a last window may hang over the end.

    Returns:
        y (B, C, H_out, W_out) with H_out = (H + top + bottom - dilation·(p - 1) - 1) // s + 1: rows and columns that no
        whole window reaches are left out, unless `ceil`; and what `backward` needs.

    Raises:
        ValueError: a rank or a size that does not fit.
    """
    along = windows_of(x, pool_size, stride, padding, dilation, ceil)
    window, step, apart, counts, used, alone = configured(along)
    x = x[used] if alone else padded(x, along, -np.inf)[used]
    fast = x.dtype in checks.PRECISIONS and set(apart) == {1}
    y = pooling.forward(x, counts, window, step) if fast else values(x, window, step, apart)
    return y, Saved(x, y.copy(order="K"), window, step, apart, along)


@lru_cache(maxsize=256)
def configured(along: tuple[Axis, ...]) -> tuple[Sizes, Sizes, Sizes, Sizes, tuple[slice, ...], bool]:
    """Sizes, strides and dilations of the windows, how many there are, the part of the padded input that is read, and
    whether that is the input: no window begins before it or goes beyond.
    """
    used = (slice(None), slice(None), *(slice(needed(axis)) for axis in along))
    alone = all(axis.before == 0 and axis.after == 0 and axis.beyond == 0 for axis in along)
    window, step = tuple(axis.window for axis in along), tuple(axis.stride for axis in along)
    return window, step, tuple(axis.dilation for axis in along), tuple(axis.windows for axis in along), used, alone


def needed(axis: Axis) -> int:
    """Up to which place of the padded input whole windows read, or to its end."""
    return max(axis.before + axis.entries, axis.before + axis.entries + axis.beyond)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    x, y, pool_size, stride, dilation, along = saved
    checks.nudges(x=(nudge_x, (*x.shape[:2], *(axis.entries for axis in along))))
    read = tuple(slice(size) for size in x.shape)
    used = padded(nudge_x, along)[read]  # the padding never wins, whatever its nudge
    nudge_y = moved(used, x, pool_size, stride, dilation)
    lowest = tied_with_padding(y, along)
    if lowest is None:
        return nudge_y
    return np.where(lowest, moved(used, level(x, along), pool_size, stride, dilation), nudge_y)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    g, along = grad_output, saved.along
    checks.same_shape(g, saved.y.shape, "grad_output", "the output")
    lowest = tied_with_padding(saved.y, along)
    if lowest is None:
        grad_x = of_winners(g, saved)
    else:
        others = saved._replace(x=level(saved.x, along), y=np.zeros_like(saved.y))
        grad_x = of_winners(np.where(lowest, 0, g), saved) + of_winners(np.where(lowest, g, 0), others)
    return (grad_x if configured(along)[-1] else cropped(grad_x, along),)


def of_winners(g: Array, saved: Saved) -> Array:
    """(3), of the input with its padding."""
    x, y, pool_size, stride, dilation, _ = saved
    dtype = x.dtype if x.dtype == g.dtype else np.result_type(x, g)
    if set(dilation) != {1} or dtype not in checks.PRECISIONS:
        return gradient(g, x, pool_size, stride, dilation)
    x, y, g = (a.astype(dtype, copy=False) for a in (x, y, g))
    return pooling.backward(g, x, y, pool_size, stride)


def tied_with_padding(y: Array, along: tuple[Axis, ...]) -> Array | None:
    """Which windows may have -∞ alone, their padding's value too, which must not win; None: there are none."""
    lowest = np.real(y).min(initial=0)
    if configured(along)[-1] or lowest > -np.inf:  # not so of NaN
        return None
    return np.real(y) == -np.inf


def level(x: Array, along: tuple[Axis, ...]) -> Array:
    """x of which all entries are equal and larger than the padding, so that the first entry of a window wins."""
    own = (slice(axis.before, axis.before + axis.entries) for axis in along)
    found = np.full_like(x, -np.inf)
    found[(slice(None), slice(None), *own)] = 0
    return found


class MaxPoolingLayer(Layer):
    """The lecture's max pooling.

    Args:
        pool_size: an int or a (rows, columns) pair.
        stride: the same; None: the pool size, so that windows lie side by side. Smaller: they overlap.
        padding: an int, a pair, or ((top, bottom), (left, right)), of what never wins.
        dilation: an int or a pair.
        ceil: whether a last window may hang over the end.
        dtype: float64 or float32.

    Raises:
        TypeError: a size that is not an integer, or another dtype.
        ValueError: a size out of range.
    """

    axes: ClassVar[int] = 2  # of the input, behind its channels

    def __init__(
        self,
        pool_size: Size,
        stride: Size | None = None,
        padding: Size | Sides = 0,
        *,
        dilation: Size = 1,
        ceil: bool = False,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(dtype=dtype)
        self.pool_size = spread(pool_size, "pool_size", self.axes)
        self.stride = self.pool_size if stride is None else spread(stride, "stride", self.axes)
        self.padding, self.dilation = sides(padding, self.axes), spread(dilation, "dilation", self.axes)
        self.ceil = bool(ceil)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {"pool_size": self.pool_size, "stride": self.stride}
        if any(map(any, self.padding)) or set(self.dilation) != {1} or self.ceil:
            hyper |= {"padding": self.padding, "dilation": self.dilation, "ceil": self.ceil}
        return (Stage("max_pooling", (), hyper),)


class MaxPoolingLayer1d(MaxPoolingLayer):
    """The same for sequences (B, C, W): every size is an int or a tuple of one."""

    axes = 1


class MaxPoolingLayer3d(MaxPoolingLayer):
    """The same for volumes (B, C, D, H, W): every size is an int or a tuple of three."""

    axes = 3


class GlobalMaxPooling(Layer):
    """The largest entry of every channel of every sample, (B, C, 1, 1), or of any number of axes."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("max_pooling", (), {"pool_size": None}),)
