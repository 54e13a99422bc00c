"""L^p pooling: every window gives the p-norm of its entries, between their sum and their maximum.

    Y[b,c,h,w] = ( Σ_{i,j} |X[b,c,s·h+i,t·w+j]|^a )^(1/a)                      (1)

a is the order. Nudge X. With r = |X|/Y, an entry's share of its window,

    Ẏ[b,c,h,w] = Σ_{i,j} r^(a-1)·sign(X[b,c,s·h+i,t·w+j])·Ẋ[b,c,s·h+i,t·w+j]   (2)

With G = ∂L/∂Y from the next layer, an entry collects from all the windows that cover it:

    ∂L/∂X[b,c,m,n] = sign(X[b,c,m,n])·Σ_{h,i: s·h+i=m} Σ_{w,j: t·w+j=n} G[b,c,h,w]·(|X[b,c,m,n]|/Y[b,c,h,w])^(a-1)   (3)

Where a whole window is 0, Y has a corner; the convention is 0.

Letters: X input; Y output; a order; r share; G = ∂L/∂Y; L loss; b sample; c channel; h, w output position; i, j
position in the window; s, t stride; m, n input position; a dot marks a nudge.

Source: P. Sermanet, S. Chintala, Y. LeCun, *Convolutional neural networks applied to house numbers digit
classification*, arXiv 1204.3968.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.average_pooling import cropped, offsets, padded
from manual.layer import Layer, Stage
from manual.windows import Axis, Pair, Sides, axes, sides

Array = np.ndarray
Size = int | Pair


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array
    y: Array  # a copy of the output: the caller may write to his
    order: float  # a
    along: tuple[Axis, Axis]


def forward(
    x: Array,
    *,
    pool_size: Pair,
    stride: Pair | None = None,
    padding: Pair | Sides = (0, 0),
    order: float = 2.0,
) -> tuple[Array, Saved]:
    """The norm of every window (1).

    Args:
        x: (B, C, H, W); float32, float64 or complex128, of which |·| is that along the real line.
        pool_size, stride: (rows, columns); without a stride the windows lie side by side.
        padding: rows and columns of zeros.
        order: a, at least 1.

    Raises:
        ValueError: a rank or a size that does not fit, or an order below 1.
    """
    stride = pool_size if stride is None else stride
    checks.rank(x, "x", "B C H W")
    checks.hyperparameter_pairs(pool_size=(pool_size, 1), stride=(stride, 1))
    along, order = axes((x.shape[2], x.shape[3]), pool_size, stride, padding, (1, 1), False), at_least_one(order)
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
        dtype: float64 or float32.

    Raises:
        TypeError: a size that is not an integer, or another dtype.
        ValueError: a size out of range, or an order below 1.
    """

    def __init__(
        self,
        pool_size: Size,
        order: float = 2.0,
        stride: Size | None = None,
        padding: Size | Sides = 0,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(dtype=dtype)
        self.pool_size = checks.pair(pool_size, "pool_size", 1)
        self.stride = self.pool_size if stride is None else checks.pair(stride, "stride", 1)
        self.order, self.padding = at_least_one(order), sides(padding)

    def stages(self) -> tuple[Stage, ...]:
        names = ("pool_size", "stride", "padding", "order")
        return (Stage("lp_pooling", hyperparameters={name: getattr(self, name) for name in names}),)
