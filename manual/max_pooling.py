"""Max pooling: every window keeps its largest entry.

    Y[b,c,h,w] = max_{0≤i<p, 0≤j<q} X[b,c,s·h+i,t·w+j]                                        (1)

pool_size (p, q), stride (s, t). Let (i*, j*)[b,c,h,w] be the offset of the maximum; of equal maxima the first in
row-major order. Away from ties the winner stays the winner under a small nudge Ẋ, so

    Ẏ[b,c,h,w] = Ẋ[b,c,s·h+i*,t·w+j*]                                                        (2)

and Σ G·Ẏ collects, at every entry of X, the gradients of all the windows that it wins:

    ∂L/∂X[b,c,m,n] = Σ_{h,w: s·h+i*=m, t·w+j*=n} G[b,c,h,w]                                  (3)

Where windows overlap an entry may win several: the sum matters (the lecture's formula, without a sum, is the case of
windows that do not overlap).

Source: the lecture, "Max Pooling Layer Gradients".
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray
Size = int | tuple[int, int]


class Saved(NamedTuple):
    """What the backward pass needs."""

    winner: Array  # (B, C, H_out, W_out), integers: the winner's place i·q + j in its window
    input_shape: tuple[int, ...]
    pool_size: tuple[int, int]
    stride: tuple[int, int]


def forward(x: Array, *, pool_size: tuple[int, int], stride: tuple[int, int] | None = None) -> tuple[Array, Saved]:
    """The largest entry of every window (1); of complex numbers the one with the largest real part.

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        pool_size, stride: (rows, columns); without a stride the windows lie side by side.

    Returns:
        y (B, C, H_out, W_out) with H_out = (H - p) // s + 1: rows and columns that no whole window reaches are left
        out.

    Raises:
        ValueError: a rank or a size that does not fit.
    """
    stride = pool_size if stride is None else stride
    checks.rank(x, "x", "B C H W")
    checks.hyperparameter_pairs(pool_size=(pool_size, 1), stride=(stride, 1))
    checks.output_size(x.shape[2:], pool_size, stride, "pool_size")
    p, q = pool_size
    view = sliding_window_view(x, (p, q), axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    entries = view.reshape(*view.shape[:4], p * q)
    winner = np.argmax(np.real(entries), axis=-1)  # the first maximum in row-major order
    y = np.take_along_axis(entries, winner[..., None], axis=-1)[..., 0]  # (1)
    return y, Saved(winner, x.shape, (p, q), (stride[0], stride[1]))


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    g, (winner, input_shape, (p, q), stride) = grad_output, saved
    checks.same_shape(g, winner.shape, "grad_output", "the output")
    _, _, rows, columns = winner.shape
    grad_x = np.zeros(input_shape, g.dtype)
    for i in range(p):
        for j in range(q):
            won = np.where(winner == i * q + j, g, 0)
            at_rows = slice(i, i + stride[0] * rows, stride[0])
            at_columns = slice(j, j + stride[1] * columns, stride[1])
            grad_x[:, :, at_rows, at_columns] += won  # (3)
    return (grad_x,)


class MaxPoolingLayer(Layer):
    """The lecture's max pooling.

    Args:
        pool_size: an int or a (rows, columns) pair.
        stride: the same; None: the pool size, so that windows lie side by side. Smaller: they overlap.
        dtype: float64 or float32.
    """

    def __init__(self, pool_size: Size, stride: Size | None = None, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.pool_size = checks.pair(pool_size, "pool_size", 1)
        self.stride = self.pool_size if stride is None else checks.pair(stride, "stride", 1)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {"pool_size": self.pool_size, "stride": self.stride}
        return (Stage("max_pooling", (), hyper),)
