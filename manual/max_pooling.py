"""Max pooling: every window keeps its largest entry.

    Y[b,c,h,w] = max_{0≤i<p, 0≤j<q} X[b,c,s·h+i,t·w+j]                                        (1)

pool_size (p, q), stride (s, t). Let (i*, j*)[b,c,h,w] be the offset of the maximum; of equal maxima the first in
row-major order. Nudge X by Ẋ. Away from ties the winner stays the winner if the nudge is small, so

    Ẏ[b,c,h,w] = Ẋ[b,c,s·h+i*,t·w+j*]                                                        (2)

With G = ∂L/∂Y from the next layer, Σ_{b,c,h,w} G[b,c,h,w] · Ẏ[b,c,h,w] collects, at every entry of X, the gradients of
all the windows that it wins:

    ∂L/∂X[b,c,m,n] = Σ_{h,w: s·h+i*=m, t·w+j*=n} G[b,c,h,w]                                  (3)

Where windows overlap an entry may win several: the sum matters (the lecture's formula, without a sum, is the case of
windows that do not overlap). Both (1) and (3) are done offset by offset: for a fixed (i, j) the entries
X[b,c,s·h+i,t·w+j] of all windows are one strided view of X.

Source: the lecture, "Max Pooling Layer Gradients".
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray
Size = int | tuple[int, int]


class Saved(NamedTuple):
    """What the backward pass needs: who won is read off X and Y."""

    x: Array  # (B, C, H, W)
    y: Array  # (B, C, H_out, W_out), a copy of the output: the caller may write to his
    pool_size: tuple[int, int]
    stride: tuple[int, int]


def offsets(x: Array, output: tuple[int, ...], pool_size: tuple[int, int], stride: tuple[int, int]) -> Iterator[Array]:
    """For every offset (i, j), in row-major order, the view [b,c,h,w] = x[b, c, s·h+i, t·w+j]."""
    (p, q), (s, t), (rows, columns) = pool_size, stride, output[-2:]
    for i in range(p):
        for j in range(q):
            yield x[:, :, i : i + s * (rows - 1) + 1 : s, j : j + t * (columns - 1) + 1 : t]


def forward(x: Array, *, pool_size: tuple[int, int], stride: tuple[int, int] | None = None) -> tuple[Array, Saved]:
    """The largest entry of every window (1); of complex numbers the one with the largest real part. NaN wins.

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        pool_size, stride: (rows, columns); without a stride the windows lie side by side.

    Returns:
        y (B, C, H_out, W_out) with H_out = (H - p) // s + 1: rows and columns that no whole window reaches are left
        out; and what `backward` needs.

    Raises:
        ValueError: a rank or a size that does not fit.
    """
    stride = pool_size if stride is None else stride
    checks.rank(x, "x", "B C H W")
    checks.hyperparameter_pairs(pool_size=(pool_size, 1), stride=(stride, 1))
    size = checks.output_size((x.shape[2], x.shape[3]), pool_size, stride, "pool_size")
    entries = offsets(x, size, pool_size, stride)
    y = next(entries).copy()
    for entry in entries:
        if np.iscomplexobj(y):
            np.copyto(y, entry, where=np.real(entry) > np.real(y))
        else:
            np.maximum(y, entry, out=y)  # (1)
    return y, Saved(x, y.copy(), (pool_size[0], pool_size[1]), (stride[0], stride[1]))


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    g, (x, y, pool_size, stride) = grad_output, saved
    checks.same_shape(g, y.shape, "grad_output", "the output")
    grad_x = np.zeros(x.shape, g.dtype)
    waiting = np.ones(y.shape, bool)  # windows whose winner has not come yet
    with np.errstate(over="ignore", invalid="ignore"):  # one pass each: a sum is finite only if every term is
        nans = np.isnan(y) if np.isnan(y.sum()) else None
        finite = np.isfinite(g.sum())  # where g is not, 0 · g would be NaN all over the window
    won, share = np.empty(y.shape, bool), np.empty(y.shape, g.dtype)
    for entry, gradient in zip(
        offsets(x, y.shape, pool_size, stride), offsets(grad_x, y.shape, pool_size, stride), strict=True
    ):
        np.equal(entry, y, out=won)
        if nans is not None:
            won |= nans & np.isnan(entry)  # NaN equals nothing, and still won
        won &= waiting
        waiting ^= won
        share = np.multiply(g, won, out=share) if finite else np.where(won, g, 0)
        gradient += share  # (3)
    return (grad_x,)


class MaxPoolingLayer(Layer):
    """The lecture's max pooling.

    Args:
        pool_size: an int or a (rows, columns) pair.
        stride: the same; None: the pool size, so that windows lie side by side. Smaller: they overlap.
        dtype: float64 or float32.

    Raises:
        TypeError: a size that is not an integer, or another dtype.
        ValueError: a size below 1.
    """

    def __init__(self, pool_size: Size, stride: Size | None = None, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.pool_size = checks.pair(pool_size, "pool_size", 1)
        self.stride = self.pool_size if stride is None else checks.pair(stride, "stride", 1)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {"pool_size": self.pool_size, "stride": self.stride}
        return (Stage("max_pooling", (), hyper),)
