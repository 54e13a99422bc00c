"""L^p pooling: every window gives the p-norm of its entries, between their sum and their maximum.

    Y[b,c,h,w] = ( Σ_{i,j} |X[b,c,s·h+d·i,t·w+e·j]|^a )^(1/a)                  (1)

a is the order. Nudge X. With r = |X|/Y, an entry's share of its window,

    Ẏ[b,c,h,w] = Σ_{i,j} r^(a-1)·sign(X[b,c,s·h+d·i,t·w+e·j])·Ẋ[b,c,s·h+d·i,t·w+e·j]   (2)

With G = ∂L/∂Y from the next layer, an entry collects from all the windows that cover it:

    ∂L/∂X[b,c,m,n] = sign(X)·Σ_{h,i: s·h+d·i=m} Σ_{w,j: t·w+e·j=n} G[b,c,h,w]·(|X[b,c,m,n]|/Y[b,c,h,w])^(a-1)     (3)

Where a whole window is 0, Y has a corner; the convention is 0. Nothing here asks how many axes there are: for sequences
read w, j, t, e and n alone, for volumes add a third of each.

Letters: X input; Y output; a order; r share; G = ∂L/∂Y; L loss; b sample; c channel; h, w output position; i, j
position in the window; s, t stride; d, e dilation; m, n input position; a dot marks a nudge.

Source: P. Sermanet, S. Chintala, Y. LeCun, *Convolutional neural networks applied to house numbers digit
classification*, arXiv 1204.3968.
"""

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.average_pooling import cropped, offsets, padded
from manual.layer import Layer, Stage
from manual.windows import Axis, Sides, Sizes, sides, spread, windows_of

Array = np.ndarray
Size = int | Sizes


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array
    y: Array  # a copy of the output: the caller may write to his
    order: float  # a
    along: tuple[Axis, ...]


def forward(
    x: Array,
    *,
    pool_size: Sizes | None,
    stride: Sizes | None = None,
    padding: Size | Sides = 0,
    dilation: Sizes | None = None,
    ceil: bool = False,
    order: float = 2.0,
) -> tuple[Array, Saved]:
    """The norm of every window (1).

    Args:
        x: (B, C, H, W), or any other number of axes behind the channels; float32, float64 or complex128, of which |·|
            is that along the real line.
        pool_size, stride, dilation: (rows, columns), an integer for every axis; without a pool size one window is the
            whole, without a stride the windows lie side by side.
        padding: rows and columns of zeros.
        ceil: whether a last window may hang over the end.
        order: a, at least 1.

    Raises:
        ValueError: a rank or a size that does not fit, or an order below 1.
    """
    along, order = windows_of(x, pool_size, stride, padding, dilation, ceil), at_least_one(order)
    powers = padded((x * np.sign(np.real(x))) ** x.dtype.type(order), along)
    sums = sum(powers[at] for at in offsets(along))
    empty = np.real(sums) == 0
    y = np.where(empty, 0, np.where(empty, 1, sums) ** x.dtype.type(1 / order))  # (1)
    return y, Saved(x, y.copy(), order, along)


def at_least_one(order: float) -> float:
    order = checks.number(order, "order")
    if order < 1:
        raise ValueError(f"order is {order}; it must be at least 1")
    return order


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    x, y, order, along = saved
    checks.nudges(x=(nudge_x, x.shape))
    size, signed = padded(np.abs(x), along), padded(np.sign(x) * nudge_x, along)
    whole = np.where(y == 0, 1, y)
    moved = sum((size[at] / whole) ** x.dtype.type(order - 1) * signed[at] for at in offsets(along))
    return np.where(y == 0, 0, moved)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    g, (x, y, order, along) = grad_output, saved
    checks.same_shape(g, y.shape, "grad_output", "the output")
    size = padded(np.abs(x), along)
    wide, whole = np.zeros(size.shape, g.dtype), np.where(y == 0, 1, y)
    for at in offsets(along):
        wide[at] += np.where(y == 0, 0, g * (size[at] / whole) ** x.dtype.type(order - 1))
    return (cropped(wide, along) * np.sign(x),)  # (3)


class LpPoolingLayer(Layer):
    """The p-norm of every window of images.

    Args:
        pool_size: an int or a (rows, columns) pair.
        order: of the norm, at least 1.
        stride: an int or a pair; None: the pool size.
        padding: an int, a pair, or ((top, bottom), (left, right)).
        dilation: an int or a pair.
        ceil: whether a last window may hang over the end.
        dtype: float64 or float32.

    Raises:
        TypeError: a size that is not an integer, or another dtype.
        ValueError: a size out of range, or an order below 1.
    """

    axes: ClassVar[int] = 2  # of the input, behind its channels

    def __init__(
        self,
        pool_size: Size,
        order: float = 2.0,
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
        self.order, self.padding = at_least_one(order), sides(padding, self.axes)
        self.dilation, self.ceil = spread(dilation, "dilation", self.axes), bool(ceil)

    def stages(self) -> tuple[Stage, ...]:
        names = ("pool_size", "stride", "padding", "dilation", "ceil", "order")
        return (Stage("lp_pooling", hyperparameters={name: getattr(self, name) for name in names}),)


class LpPoolingLayer1d(LpPoolingLayer):
    """The same for sequences (B, C, W): every size is an int or a tuple of one."""

    axes = 1


class LpPoolingLayer3d(LpPoolingLayer):
    """The same for volumes (B, C, D, H, W): every size is an int or a tuple of three."""

    axes = 3
