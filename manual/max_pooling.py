"""Max pooling: every window keeps its largest entry.

    Y[b,c,h,w] = max_{0≤i<p, 0≤j<q} X[b,c,s·h+d·i,t·w+e·j]                                    (1)

X stands for the input after padding with -∞, which never wins (`windows` says where windows lie, with padding, dilation
and a last one that hangs over the end). Let (i*, j*)[b,c,h,w] be the offset of the maximum; of equal maxima the first
in row-major order. Nudge X by Ẋ. Away from ties the winner stays the winner if the nudge is small, so

    Ẏ[b,c,h,w] = Ẋ[b,c,s·h+d·i*,t·w+e·j*]                                                    (2)

With G = ∂L/∂Y from the next layer, Σ_{b,c,h,w} G[b,c,h,w] · Ẏ[b,c,h,w] collects, at every entry of X, the gradients of
all the windows that it wins:

    ∂L/∂X[b,c,m,n] = Σ_{h,w: s·h+d·i*=m, t·w+e·j*=n} G[b,c,h,w]                              (3)

Where windows overlap an entry may win several: the sum matters (the lecture's formula, without a sum, is the case of
windows that do not overlap).

`values`, `moved` and `gradient` are (1), (2) and (3) as they stand, over a view of all windows. In (1) and (3) float32
and float64 without dilation take the fast path, `machine/pooling.py`, which a test holds to them: every entry is the
same number.

Letters: X input; Y output; G = ∂L/∂Y; L loss; b sample; c channel; h, w output position; i, j position in the window;
p, q rows and columns of the window; s, t stride; d, e dilation; m, n input position; a star marks the winner; a dot
marks a nudge.

Source: the lecture, "Max Pooling Layer Gradients".
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from manual import checks
from manual.average_pooling import cropped, padded
from manual.layer import Layer, Stage
from manual.machine import pooling
from manual.windows import Axis, Sides, axes, sides

Array = np.ndarray
Pair = tuple[int, int]
Size = int | Pair


# ---------------------------------------------------------------------- the definition


def winners(x: Array, pool_size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> tuple[Array, Array]:
    """Every window's entries in row-major order, (B, C, H_out, W_out, p·q), and the place among them of (i*, j*)."""
    entries = entries_of(x, pool_size, stride, dilation)
    return entries, np.argmax(np.real(entries), axis=-1)  # the first of equal ones, and NaN before any number


def entries_of(x: Array, pool_size: Pair, stride: Pair, dilation: Pair) -> Array:
    """X[b,c,s·h+d·i,t·w+e·j] as [b, c, h, w, place]."""
    (p, q), (s, t), (d, e) = pool_size, stride, dilation
    reach = d * (p - 1) + 1, e * (q - 1) + 1
    windows = sliding_window_view(x, reach, axis=(2, 3))[:, :, ::s, ::t, ::d, ::e]
    return windows.reshape(*windows.shape[:4], p * q)


def values(x: Array, pool_size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """Y of (1), by definition."""
    entries, winner = winners(x, pool_size, stride, dilation)
    return np.take_along_axis(entries, winner[..., None], axis=-1)[..., 0]  # (1)


def moved(nudge: Array, x: Array, pool_size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """Ẏ of (2), by definition."""
    _, winner = winners(x, pool_size, stride, dilation)
    nudges = entries_of(nudge, pool_size, stride, dilation)
    return np.take_along_axis(nudges, winner[..., None], axis=-1)[..., 0]  # (2)


def gradient(g: Array, x: Array, pool_size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """∂L/∂X of (3), by definition."""
    grad_x, (_, winner) = np.zeros(x.shape, np.result_type(g, x)), winners(x, pool_size, stride, dilation)
    (_, _, rows, columns), (s, t), (d, e) = g.shape, stride, dilation
    for place, (i, j) in enumerate(np.ndindex(pool_size)):
        won = np.where(winner == place, g, 0)
        grad_x[:, :, d * i : d * i + s * rows : s, e * j : e * j + t * columns : t] += won  # (3)
    return grad_x


# ---------------------------------------------------------------------- the operation


class Saved(NamedTuple):
    """What the backward pass needs: who won is read off X and Y."""

    x: Array  # (B, C, H, W), with its padding
    y: Array  # (B, C, H_out, W_out), a copy of the output: the caller may write to his
    pool_size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    along: tuple[Axis, Axis]


def forward(
    x: Array,
    *,
    pool_size: tuple[int, int],
    stride: tuple[int, int] | None = None,
    padding: Pair | Sides = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    ceil: bool = False,
) -> tuple[Array, Saved]:
    """The largest entry of every window (1), of complex numbers the one with the largest real part; a real part that is
    NaN wins. Where the largest are zeros of both signs, y may have either.

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        pool_size, stride, dilation: (rows, columns); without a stride the windows lie side by side.
        padding: rows and columns around x that never win, (rows, columns) or ((top, bottom), (left, right)).
        ceil: whether a last window may hang over the end.

    Returns:
        y (B, C, H_out, W_out) with H_out = (H + top + bottom - dilation·(p - 1) - 1) // s + 1: rows and columns that no
        whole window reaches are left out, unless `ceil`; and what `backward` needs.

    Raises:
        ValueError: a rank or a size that does not fit.
    """
    stride = pool_size if stride is None else stride
    checks.rank(x, "x", "B C H W")
    checks.hyperparameter_pairs(pool_size=(pool_size, 1), stride=(stride, 1), dilation=(dilation, 1))
    pool_size, stride = (pool_size[0], pool_size[1]), (stride[0], stride[1])
    dilation = dilation[0], dilation[1]
    size = x.shape[2], x.shape[3]
    if sides(padding) == NOWHERE and dilation == (1, 1) and not ceil:
        checks.output_size(size, pool_size, stride, "pool_size")
    along = axes(size, pool_size, stride, padding, dilation, ceil)
    x = padded(x, along, -np.inf)
    used = x[:, :, : needed(along[0]), : needed(along[1])]
    fast = x.dtype in checks.PRECISIONS and dilation == (1, 1)
    counts = along[0].windows, along[1].windows
    y = pooling.forward(used, counts, pool_size, stride) if fast else values(used, pool_size, stride, dilation)
    return y, Saved(used, y.copy(), pool_size, stride, dilation, along)


NOWHERE = ((0, 0), (0, 0))


def needed(axis: Axis) -> int:
    """Up to which place of the padded input whole windows read, or to its end."""
    return max(axis.before + axis.entries, axis.before + axis.entries + axis.beyond)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    x, _, pool_size, stride, dilation, along = saved
    checks.nudges(x=(nudge_x, (*x.shape[:2], *(axis.entries for axis in along))))
    used = padded(nudge_x, along)[:, :, : x.shape[2], : x.shape[3]]  # the padding never wins, whatever its nudge
    return moved(used, x, pool_size, stride, dilation)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    g, (x, y, pool_size, stride, dilation, along) = grad_output, saved
    checks.same_shape(g, y.shape, "grad_output", "the output")
    if dilation != (1, 1) or np.result_type(x, g) not in checks.PRECISIONS:
        grad_x = gradient(g, x, pool_size, stride, dilation)
    else:
        x, y, g = (a.astype(np.result_type(x, g), copy=False) for a in (x, y, g))
        grad_x = pooling.backward(g, x, y, pool_size, stride)
    alone = all(axis.before == 0 and axis.beyond == 0 for axis in along)
    return (grad_x if alone else cropped(grad_x, along),)


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
        self.pool_size = checks.pair(pool_size, "pool_size", 1)
        self.stride = self.pool_size if stride is None else checks.pair(stride, "stride", 1)
        self.padding, self.dilation, self.ceil = sides(padding), checks.pair(dilation, "dilation", 1), bool(ceil)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {"pool_size": self.pool_size, "stride": self.stride}
        if (self.padding, self.dilation, self.ceil) != (NOWHERE, (1, 1), False):
            hyper |= {"padding": self.padding, "dilation": self.dilation, "ceil": self.ceil}
        return (Stage("max_pooling", (), hyper),)
