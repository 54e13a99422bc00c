"""The adjoint of a convolution, for transposed convolutions: its input's VJP alone, and what goes back through that.

Along one axis (the others likewise), (4) of `axes_definition.py` is

    X̄[k,m] = Σ_c Σ_{h,i: s·h+d·i=m} G[c,h] · W[c,k,i]                          (1)

a matrix product, and its rows folded to where they go (`folding.py`):

    D[(k,i),h] = Σ_c W[c,(k,i)] · G[c,h],   X̄[k,m] = Σ_{h,i: s·h+d·i=m} D[(k,i),h]                            (2)

What goes back through (1), from A = ∂L/∂X̄, is the convolution of A and its filters' gradient with G arriving. Both read
A unfolded into columns, cols[(k,i),h] = A[k,s·h+d·i]:

    ∂L/∂G[c,h]     = Σ_{(k,i)} W[c,(k,i)] · cols[(k,i),h]                      (3)
    ∂L/∂W[c,(k,i)] = Σ_h G[c,h] · cols[(k,i),h]                                (4)

Along more axes than two the first are sorted into channels, as in `axes.py`.

Exact and rounding: as the definition, sums of the same products in another order.

Letters: X input of the convolution; Y output of it; G = ∂L/∂Y; A = ∂L/∂X̄; W filters; D = G unfolded by W; L loss; c
output channel; k input channel; h output position; i position in the window; s stride; d dilation; m input position; a
bar is the gradient of the loss there.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from manual import checks
from manual.kernels import axes, axes_definition
from manual.kernels.choice import fast, requested
from manual.kernels.extents import Extents, Sides, Sizes, every, padding_sides, ranks
from manual.kernels.folding import folding
from manual.kernels.gemm import Blocking, Total, matrices, parts_for, sum_of
from manual.kernels.geometry import Geometry
from manual.kernels.unfolding import Unfolding
from manual.machine import products, threads
from manual.machine.plans import Plan, cache

Array = np.ndarray


class Adjoint(NamedTuple):
    """A transposed convolution: the convolution whose adjoint it is, and what its output has beyond that one's x."""

    extents: Extents
    beyond: Sizes  # entries at the end of every axis that no window of the convolution reads

    @property
    def input_shape(self) -> Sizes:
        return self.extents.output_shape

    @property
    def output_shape(self) -> Sizes:
        batch, channels, *size = self.extents.input_shape
        return (batch, channels, *(n + more for n, more in zip(size, self.beyond, strict=True)))

    @property
    def reached(self) -> tuple[slice, ...]:
        """The output without what is beyond."""
        return (slice(None), slice(None), *(slice(0, n) for n in self.extents.size))


def describe(
    x_shape: Sizes,
    filters_shape: Sizes,
    biases_shape: Sizes,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
) -> Adjoint:
    """The adjoint for these arguments of a transposed convolution.

    Padding at the end is taken back by output padding; what output padding adds beyond that lies where no window reads.

    Raises:
        ValueError: a rank, a channel count or a size that does not fit; a hyper-parameter out of range.
        TypeError: a hyper-parameter that is not made of integers.
    """
    count = len(filters_shape) - 2
    ranks((("x", x_shape, "B C_in"), ("filters", filters_shape, "C_in C_out/groups")), count)
    groups = checks.integer(groups, "groups", 1)
    (batch, channels, *size), (inputs, outputs, *kernel) = x_shape, filters_shape
    if channels != inputs:
        raise ValueError(
            f"x has {channels} channels (shape {x_shape}); the filters (shape {filters_shape}) take {inputs}"
        )
    if inputs % groups:
        raise ValueError(f"groups is {groups}; it does not divide the {inputs} input channels")
    if biases_shape != (outputs * groups,):
        raise ValueError(
            f"biases has shape {biases_shape}; one bias per output channel has shape {(outputs * groups,)}"
        )
    if min(channels, outputs, *kernel, *size) < 1:
        raise ValueError(f"x has shape {x_shape} and filters {filters_shape}; only the batch may be empty")
    steps, spread = every(stride, "stride", 1, count, 1), every(dilation, "dilation", 1, count, 1)
    more, sides = every(output_padding, "output_padding", 0, count, 0), cropping(padding, count)
    check_output_padding(more, steps, spread)
    whole, kept, beyond = [], [], []
    for axis, (n, taps, s, d, (before, after), extra) in enumerate(
        zip(size, kernel, steps, spread, sides, more, strict=True)
    ):
        whole.append((n - 1) * s + d * (taps - 1) + 1 - before - max(after - extra, 0))
        kept.append((before, max(after - extra, 0)))
        beyond.append(max(extra - after, 0))
        if whole[-1] < 1:
            rest = whole[-1] + before + max(after - extra, 0)
            raise ValueError(f"padding[{axis}] is {before, after}; it leaves nothing of an output of {rest}")
    extents = Extents(batch, groups, outputs, inputs // groups, tuple(whole), tuple(kernel), steps, tuple(kept), spread)
    return Adjoint(extents, tuple(beyond))


def cropping(padding: Any, axes: int) -> Sides:
    """The padding as (before, after) of every axis; a word decides nothing here."""
    sides = padding_sides(padding, axes)
    if sides is None:
        raise ValueError(f"padding is {padding!r}; of a transposed convolution it must be integers")
    return sides


def check_output_padding(output_padding: Sizes, stride: Sizes, dilation: Sizes) -> None:
    """More would be an output that a larger input has."""
    for axis, (extra, s, d) in enumerate(zip(output_padding, stride, dilation, strict=True)):
        if extra >= max(s, d):
            raise ValueError(
                f"output_padding[{axis}] is {extra}; it must be below the stride, {s}, or below the dilation, {d}"
            )


def forward(x: Array, filters: Array, biases: Array, adjoint: Adjoint, engine: str = "auto") -> Array:
    """(1) of x as G, and the biases.

    Args:
        engine: "definition", or anything else for (2).
    """
    column = biases.reshape(-1, *(1,) * len(adjoint.beyond))
    dtype = x.dtype if x.dtype == filters.dtype == biases.dtype else None
    if (requested.get() or engine) == "definition" or not fast(dtype):
        inner = axes_definition.input_vjp(x, filters, adjoint.extents)
    else:
        inner = by_folding(x, filters, adjoint.extents)
    if not any(adjoint.beyond):
        return np.add(inner, column, out=inner)
    y = np.empty(adjoint.output_shape, inner.dtype)
    y[...] = column
    y[adjoint.reached] += inner
    return y


# ---------------------------------------------------------------------- forward, by folding


class Folded(Plan):
    """(2), along two axes."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        super().__init__(dtype)
        self.geometry = geometry
        # Blocks of one image follow each other in one thread: folding carries sums from one to the next.
        rows_of_columns = geometry.groups * geometry.taps
        cut = Blocking(geometry, rows_of_columns, self.dtype.itemsize, min(parts, max(geometry.batch, 1)))
        self.tasks, self.blocks = cut.tasks, cut.blocks
        self.foldings = [folding(self, geometry, cut.images, cut.rows) for _ in self.tasks]

    def run(self, x: Array, filters: Array) -> Array:
        geometry = self.geometry
        weights = filters.reshape(geometry.groups, geometry.outputs, geometry.taps).swapaxes(1, 2)
        y = (np.empty if self.foldings[0].covers else np.zeros)(geometry.input_shape, self.dtype)
        threads.run(partial(self.part, x, weights, y), len(self.tasks))
        return y

    def part(self, x: Array, weights: Array, y: Array, part: int) -> None:
        for task in self.tasks[part]:
            images, out = np.ascontiguousarray(x[task.images]), y[task.images]
            for number in range(self.blocks):
                self.foldings[part].fold(number, images, weights, out)  # (2)


def by_folding(x: Array, filters: Array, extents: Extents) -> Array:
    """(1) as (2)."""
    geometry = planes_of(extents)
    parts = parts_for(geometry, x.itemsize)
    key = ("adjoint", "forward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: Folded(geometry, x.dtype, parts))
    planes = plan.run(axes.into_planes(x, extents), axes.as_planes(filters))
    cache.give(key, plan)
    return axes.gathered(planes, extents)


# ---------------------------------------------------------------------- backward, by columns


class Columns(Plan):
    """(3) and (4), along two axes."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        super().__init__(dtype)
        self.geometry = geometry
        cut = Blocking(geometry, geometry.groups * geometry.taps, self.dtype.itemsize, parts)
        self.tasks = cut.tasks
        self.unfoldings = [Unfolding(self, geometry, cut.images, cut.rows, ones=False) for _ in self.tasks]
        shape, inner = (geometry.groups, geometry.taps, geometry.outputs), geometry.positions[1] * cut.rows
        self.totals = [Total(self, cut.images, *shape, inner=inner) for _ in self.tasks]

    def run(self, arriving: Array, x: Array, filters: Array) -> tuple[Array, Array]:
        geometry = self.geometry
        grad_x = np.empty(geometry.output_shape, self.dtype)
        weights = filters.reshape(geometry.groups, geometry.outputs, geometry.taps)
        threads.run(partial(self.part, arriving, x, weights, grad_x), len(self.tasks))
        total = sum_of(self.totals).swapaxes(1, 2)
        return grad_x, np.array(total.reshape(geometry.filters_shape), order="C")

    def part(self, arriving: Array, x: Array, weights: Array, grad_x: Array, part: int) -> None:
        unfolding, total, groups = self.unfoldings[part], self.totals[part], self.geometry.groups
        total.started = False
        for task in self.tasks[part]:
            images = arriving[task.images]
            unfolding.load(images)
            inputs = matrices(np.ascontiguousarray(x[task.images]), groups)
            out = matrices(grad_x[task.images], groups)
            for block in unfolding.blocks[task.blocks]:
                cols = unfolding.fill(block, len(images))
                products.by_columns(weights, cols, out[..., block.places])  # (3)
                total.add(cols, inputs[..., block.places].swapaxes(2, 3))  # (4)


def backward(grad_output: Array, x: Array, filters: Array, adjoint: Adjoint, engine: str = "auto") -> tuple[Array, ...]:
    """∂L/∂x, ∂L/∂filters, ∂L/∂biases of `forward`."""
    extents = adjoint.extents
    g = grad_output[adjoint.reached]
    grad_biases = axes_definition.biases_vjp(grad_output)
    dtype = g.dtype if g.dtype == x.dtype == filters.dtype else None
    if (requested.get() or engine) == "definition" or not fast(dtype):
        zeros = np.zeros(extents.groups * extents.outputs, g.dtype)
        grad_x = axes_definition.forward(g, filters, zeros, extents)
        return grad_x, axes_definition.filters_vjp(x, g, extents), grad_biases
    geometry = planes_of(extents)
    parts = parts_for(geometry, g.itemsize)
    key = ("adjoint", "backward", geometry, g.dtype, parts)
    plan = cache.take(key, lambda: Columns(geometry, g.dtype, parts))
    sorted_g, sorted_x = axes.sorted_into_channels(g, extents), axes.into_planes(x, extents)
    grad_x, grad_filters = plan.run(sorted_g, sorted_x, axes.as_planes(filters))
    cache.give(key, plan)
    return axes.along_axes(grad_x, extents), grad_filters.reshape(extents.filters_shape), grad_biases


def planes_of(extents: Extents) -> Geometry:
    """The convolution along two axes that `axes.py` makes of one along any number."""
    count = max(len(extents.size) - 2, 0)
    return Geometry(
        extents.batch * prod(extents.positions[:count]),
        extents.groups,
        extents.inputs * prod(extents.kernel[:count]),
        extents.outputs,
        axes.row(extents.size, 1),
        axes.row(extents.kernel, 1),
        axes.row(extents.stride, 1),
        axes.row(extents.sides, (0, 0)),
        axes.row(extents.dilation, 1),
    )
