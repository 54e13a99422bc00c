"""Average pooling: every window gives the mean of its entries.

    Y[b,c,h,w] = (1/D[h,w]) Σ_{0≤i<p, 0≤j<q} X[b,c,s·h+d·i,t·w+e·j]            (1)

X stands for the input after padding with zeros. D[h,w] is how many places the window is divided by: all of them,
padding included, or its entries of the input alone; places beyond the padding, where a last window hangs over
(ceil mode), never count. (1) is linear, so that the mean of a window moves by the mean of its nudges:

    Ẏ[b,c,h,w] = (1/D[h,w]) Σ_{0≤i<p, 0≤j<q} Ẋ[b,c,s·h+d·i,t·w+e·j]            (2)

With G = ∂L/∂Y from the next layer, an entry collects its share from all the windows that cover it, and where windows
overlap it is covered by several:

    ∂L/∂X[b,c,m,n] = Σ_{h,i: s·h+d·i=m} Σ_{w,j: t·w+e·j=n} G[b,c,h,w] / D[h,w]   (3)

For one offset (i, j) the windows and the entries belong together one to one, so (3) is read as: for every offset, add
G/D at the places that it reads. Padding was not part of the input: its gradient is cropped. Nothing here asks how many
axes there are: for sequences read w, j, t, e and n alone, for volumes add a third of each.

Letters: X input; Y output; D divisors; G = ∂L/∂Y; L loss; b sample; c channel; h, w output position; i, j position in
the window; p, q rows and columns of the window; s, t stride; d, e dilation; m, n input position; a dot marks a nudge.

Source: Y. LeCun et al., *Gradient-based learning applied to document recognition*, Proc. IEEE 86 (1998), layer S2.
"""

from functools import reduce
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.windows import Axis, Sides, Sizes, sides, spread, windows_of

Array = np.ndarray
Size = int | Sizes


class Saved(NamedTuple):
    """What the backward pass needs."""

    along: tuple[Axis, ...]
    divisors: Array  # D (H_out, W_out)
    shape: tuple[int, ...]  # of x


def forward(
    x: Array,
    *,
    pool_size: Sizes | None,
    stride: Sizes | None = None,
    padding: Size | Sides = 0,
    dilation: Sizes | None = None,
    ceil: bool = False,
    counting: bool = True,
) -> tuple[Array, Saved]:
    """The mean of every window (1).

    Args:
        x: (B, C, H, W), or any other number of axes behind the channels; float32, float64 or complex128.
        pool_size, stride, dilation: (rows, columns), an integer for every axis; without a pool size one window is the
            whole, without a stride the windows lie side by side.
        padding: rows and columns of zeros, (rows, columns) on both sides or ((top, bottom), (left, right)); an integer
            for all axes.
        ceil: whether a last window may hang over the end.
        counting: whether padding counts in the mean.

    Raises:
        ValueError: a rank or a size that does not fit.
    """
    along = windows_of(x, pool_size, stride, padding, dilation, ceil)
    counts = [(axis.padded if counting else axis.inside).sum(axis=1) for axis in along]
    divisors = reduce(np.multiply.outer, counts).astype(np.real(x).dtype)
    return summed(x, along) / divisors, Saved(along, divisors, x.shape)  # (1)


def summed(x: Array, along: tuple[Axis, ...]) -> Array:
    """The sum of every window, with zeros for padding."""
    sums, wide = np.zeros((*x.shape[:2], *(axis.windows for axis in along)), x.dtype), padded(x, along)
    for at in offsets(along):
        sums += wide[at]
    return sums


def padded(x: Array, along: tuple[Axis, ...], value: float = 0.0) -> Array:
    """x with as much around it as the windows read."""
    around = [(axis.before, axis.beyond) for axis in along]
    if not any(map(any, around)):
        return x
    return np.pad(x, [(0, 0), (0, 0), *around], constant_values=value)


def offsets(along: tuple[Axis, ...]) -> list[tuple[slice, ...]]:
    """For every offset in row-major order, the places of the padded input that the windows read there."""
    every = np.ndindex(*(axis.window for axis in along))
    return [(slice(None), slice(None), *map(strided, along, offset)) for offset in every]


def strided(axis: Axis, offset: int) -> slice:
    first = axis.dilation * offset
    return slice(first, first + axis.stride * (axis.windows - 1) + 1, axis.stride)


def cropped(wide: Array, along: tuple[Axis, ...]) -> Array:
    """The input's own part of a gradient of the padded input."""
    own = (slice(axis.before, axis.before + axis.entries) for axis in along)
    return wide[(slice(None), slice(None), *own)].copy()


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return summed(nudge_x, saved.along) / saved.divisors  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    along, divisors, shape = saved
    checks.same_shape(grad_output, (*shape[:2], *divisors.shape), "grad_output", "the output")
    sides_of = [axis.before + axis.entries + axis.beyond for axis in along]
    wide, share = np.zeros((*shape[:2], *sides_of), grad_output.dtype), grad_output / divisors
    for at in offsets(along):
        wide[at] += share  # (3)
    return (cropped(wide, along),)


class AveragePoolingLayer(Layer):
    """The mean of every window of images.

    Args:
        pool_size: an int or a (rows, columns) pair.
        stride: the same; None: the pool size. Smaller: windows overlap.
        padding: an int, a pair, or ((top, bottom), (left, right)).
        dilation: an int or a pair.
        ceil: whether a last window may hang over the end.
        counting: whether padding counts in the mean.
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
        counting: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(dtype=dtype)
        self.pool_size = spread(pool_size, "pool_size", self.axes)
        self.stride = self.pool_size if stride is None else spread(stride, "stride", self.axes)
        self.padding, self.dilation = sides(padding, self.axes), spread(dilation, "dilation", self.axes)
        self.ceil, self.counting = bool(ceil), bool(counting)

    def stages(self) -> tuple[Stage, ...]:
        names = ("pool_size", "stride", "padding", "dilation", "ceil", "counting")
        return (Stage("average_pooling", hyperparameters={name: getattr(self, name) for name in names}),)


class AveragePoolingLayer1d(AveragePoolingLayer):
    """The same for sequences (B, C, W): every size is an int or a tuple of one."""

    axes = 1


class AveragePoolingLayer3d(AveragePoolingLayer):
    """The same for volumes (B, C, D, H, W): every size is an int or a tuple of three."""

    axes = 3
