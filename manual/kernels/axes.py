"""A convolution along any number of axes, as one along two: the fast engine beside `axes_definition.py`.

    Y[b,c,z,h,w] = Σ_{k,a,i,j} X[b,k,r·z+f·a,s·h+d·i,t·w+e·j] · W[c,k,a,i,j] + bias[c]                        (1)

The sum over a, the place in the window along the first axis, may as well be one over more channels: with

    X₂[(b,z),(k,a),m,n] = X[b,k,r·z+f·a,m,n]                                   (2)

(1) is a convolution along two axes, of B·Z samples with C_in·K channels each, by the same filters, read as they lie:
W[c,(k,a),i,j]. Groups cut the channels (k,a) where they cut k. So the filters' and the biases' gradients are those of
that convolution, and since every entry of X₂ is one of X, or padding,

    ∂L/∂X[b,k,l,m,n] = Σ_{z,a: r·z+f·a=l} ∂L/∂X₂[(b,z),(k,a),m,n]               (3)

With more than three axes z, a, r, f and l have an entry for every axis but the last two. Along a single axis, the input
is an image of one row, and there is nothing to sort into channels.

What is moved, K copies of X forward and of ∂L/∂X₂ back, is what unfolding along the first axis would move, and the
engines of two axes do the rest, Winograd's too.

Letters: X input, X₂ the same sorted into channels; Y output; W filters; L loss; b sample; c output channel; k input
channel; z, h, w output position; a, i, j position in the window; r, s, t stride; f, d, e dilation; l, m, n input
position; B, Z how many of b and z; C channels; K how many of a.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from manual import checks, kernels
from manual.kernels import axes_definition
from manual.kernels.bounds import Growth, bound, magnitudes, unit, worst
from manual.kernels.choice import known, requested
from manual.kernels.extents import Extents, Padding, Sizes, describe

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs; along two axes it is `kernels.Saved`."""

    x: Array  # (B, C_in, ...)
    filters: Array
    biases: Array
    extents: Extents
    planes: kernels.Saved | None  # of X₂; None by the definition

    @property
    def engine(self) -> str:
        """Its name."""
        return "definition" if self.planes is None else self.planes.engine


def forward(
    x: Array,
    filters: Array,
    biases: Array,
    *,
    stride: Sizes | None = None,
    padding: Padding | None = None,
    dilation: Sizes | None = None,
    groups: int = 1,
    engine: str = "auto",
) -> tuple[Array, Saved | kernels.Saved]:
    """The convolution (1) along as many axes as x has behind its channels; along two, `kernels.forward`.

    Args:
        x: (B, C_in, ...).
        filters: (C_out, C_in/groups, ...), as many axes.
        biases: (C_out,).
        stride, dilation: an integer for every axis; None: 1.
        padding: an integer or a (before, after) pair for every axis, or "same"; None: none.
        groups: divides C_in and C_out.
        engine: "definition", or what computes (1) along two axes: see `kernels.choice`.

    Raises:
        ValueError: a shape or hyper-parameter that does not fit, or an engine that cannot do this configuration.
        TypeError: hyper-parameters that are not made of integers.
    """
    if filters.ndim == 4 or (x.ndim == 4 and filters.ndim < 3):  # filters say along how many axes
        pairs: dict[str, Any] = {
            "stride": (1, 1) if stride is None else stride,
            "padding": (0, 0) if padding is None else padding,
            "dilation": (1, 1) if dilation is None else dilation,
        }
        return kernels.forward(x, filters, biases, **pairs, groups=groups, engine=engine)
    extents = describe(x.shape, filters.shape, biases.shape, stride, padding, dilation, groups)
    if (requested.get() or known(engine)) == "definition":
        return axes_definition.forward(x, filters, biases, extents), Saved(x, filters, biases, extents, None)
    last: dict[str, Any] = {
        "stride": row(extents.stride, 1),
        "padding": row(extents.sides, (0, 0)),
        "dilation": row(extents.dilation, 1),
    }
    y, planes = kernels.forward(
        sorted_into_channels(x, extents), as_planes(filters), biases, **last, groups=groups, engine=engine
    )
    return along_axes(y, extents), Saved(x, filters, biases, extents, planes)


def tangent(nudge_x: Array, nudge_filters: Array, nudge_biases: Array, saved: Saved | kernels.Saved) -> Array:
    """The nudge of y, by the engine of the forward pass; see `kernels.tangent`."""
    if isinstance(saved, kernels.Saved):
        return kernels.tangent(nudge_x, nudge_filters, nudge_biases, saved)
    x, filters, biases, extents, planes = saved
    moved = {"x": (nudge_x, x.shape), "filters": (nudge_filters, filters.shape), "biases": (nudge_biases, biases.shape)}
    checks.nudges(**moved)
    if planes is None:
        of_x = axes_definition.forward(nudge_x, filters, nudge_biases, extents)
        return of_x + axes_definition.forward(x, nudge_filters, np.zeros_like(nudge_biases), extents)
    nudge = kernels.tangent(sorted_into_channels(nudge_x, extents), as_planes(nudge_filters), nudge_biases, planes)
    return along_axes(nudge, extents)


def backward(grad_output: Array, saved: Saved | kernels.Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂filters, ∂L/∂biases from grad_output = ∂L/∂y, by the engine of the forward pass.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    if isinstance(saved, kernels.Saved):
        return kernels.backward(grad_output, saved)
    g, extents = grad_output, saved.extents
    if g.shape != extents.output_shape:
        raise ValueError(f"grad_output has shape {g.shape}; the output has shape {extents.output_shape}")
    if saved.planes is None:
        return axes_definition.backward(g, saved.x, saved.filters, extents)
    grad_planes, grad_filters, grad_biases = kernels.backward(into_planes(g, extents), saved.planes)
    grad_x = gathered(grad_planes, extents)
    return grad_x, grad_filters.reshape(extents.filters_shape), grad_biases


def parameter_gradients(grad_output: Array, saved: Saved | kernels.Saved) -> tuple[Array, Array]:
    """∂L/∂filters and ∂L/∂biases alone, as `backward` has them up to rounding; raises as it does."""
    if isinstance(saved, kernels.Saved):
        return kernels.parameter_gradients(grad_output, saved)
    return backward(grad_output, saved)[1:]


# ---------------------------------------------------------------------- from axes to planes and back


def row(values: tuple[Any, ...], along_rows: Any) -> tuple[Any, Any]:
    """The last two of what every axis has; a single axis is a row."""
    *first, columns = values
    return (first[-1] if first else along_rows), columns


def as_planes(filters: Array) -> Array:
    """W[c,(k,a),i,j], a view."""
    outputs, *rest = filters.shape
    rows, columns = row(filters.shape[2:], 1)
    return filters.reshape(outputs, prod(rest) // (rows * columns), rows, columns)


def leading(extents: Extents) -> Iterator[tuple[Sizes, tuple[slice, ...], tuple[slice, ...]]]:
    """(a, the z that read an entry of X there, those entries) for every place a in the window along the first axes."""
    first = slice(0, max(len(extents.size) - 2, 0))
    along = list(
        zip(extents.stride[first], extents.dilation[first], extents.sides[first], extents.size[first], strict=True)
    )
    for a in np.ndindex(extents.kernel[first]):
        reading, read = [], []
        for at, (r, f, (before, _), entries), positions in zip(a, along, extents.positions[first], strict=True):
            begin = max(0, -((f * at - before) // r))
            end = max(begin, min(positions, -((f * at - before - entries) // r)))
            start = r * begin + f * at - before
            reading.append(slice(begin, end))
            read.append(slice(start, start + r * (end - begin), r) if end > begin else slice(0, 0))
        yield a, tuple(reading), tuple(read)


def sorted_into_channels(x: Array, extents: Extents) -> Array:
    """X₂ of (2), without padding along the last two axes."""
    batch, channels = x.shape[:2]
    rows, columns = row(extents.size, 1)
    count = max(len(extents.size) - 2, 0)
    positions, taps = extents.positions[:count], extents.kernel[:count]
    if not count:
        return x.reshape(batch, channels, rows, columns)
    planes = np.zeros((batch, *positions, channels, *taps, rows, columns), x.dtype)
    for a, reading, read in leading(extents):
        to = planes[(slice(None), *reading, slice(None), *a)]
        to[...] = np.moveaxis(x[(slice(None), slice(None), *read)], 1, count + 1)  # (2)
    return planes.reshape(batch * prod(positions), channels * prod(taps), rows, columns)


def gathered(grad_planes: Array, extents: Extents) -> Array:
    """∂L/∂X of (3)."""
    rows, columns = row(extents.size, 1)
    count = max(len(extents.size) - 2, 0)
    positions, taps = extents.positions[:count], extents.kernel[:count]
    channels = extents.groups * extents.inputs
    if not count:
        return grad_planes.reshape(extents.input_shape)
    parts = grad_planes.reshape(extents.batch, *positions, channels, *taps, rows, columns)
    grad_x = np.zeros(extents.input_shape, grad_planes.dtype)
    for a, reading, read in leading(extents):
        part = parts[(slice(None), *reading, slice(None), *a)]
        grad_x[(slice(None), slice(None), *read)] += np.moveaxis(part, count + 1, 1)  # (3)
    return grad_x


def into_planes(g: Array, extents: Extents) -> Array:
    """(B, C_out, Z, H, W) as (B·Z, C_out, H, W)."""
    count = max(len(extents.size) - 2, 0)
    moved = np.moveaxis(g, 1, count + 1)
    return moved.reshape(-1, g.shape[1], *row(extents.positions, 1)) if g.size else empty(g, extents)


def empty(g: Array, extents: Extents) -> Array:
    """The same of an empty batch, where a -1 would stand for any number."""
    return np.zeros((0, g.shape[1], *row(extents.positions, 1)), g.dtype)


def along_axes(y: Array, extents: Extents) -> Array:
    """(B·Z, C_out, H, W) as (B, C_out, Z, H, W)."""
    count = max(len(extents.size) - 2, 0)
    if not count:
        return y.reshape(extents.output_shape)
    parts = y.reshape(extents.batch, *extents.positions[:count], y.shape[1], *row(extents.positions, 1))
    return np.ascontiguousarray(np.moveaxis(parts, count + 1, 1))


# ---------------------------------------------------------------------- bounds


def is_exact(saved: Saved | kernels.Saved) -> bool:
    """Whether the products of (1) were summed in some order, and no others."""
    return kernels.ENGINES[saved.engine].exact


def output_bound(saved: Saved | kernels.Saved, growth: Growth = worst) -> Array:
    """How far each entry of y can be from the exact result (float64); see `kernels.output_bound`."""
    if isinstance(saved, kernels.Saved):
        return kernels.output_bound(saved, growth)
    if saved.planes is None:
        x, filters, biases = magnitudes(saved.x, saved.filters, saved.biases)
        y = axes_definition.forward(x, filters, biases, saved.extents)
        return bound(saved.extents.taps + 1, y, saved.x.dtype, growth)
    return along_axes(kernels.output_bound(saved.planes, growth), saved.extents)


def gradient_bounds(
    grad_output: Array, saved: Saved | kernels.Saved, growth: Growth = worst
) -> tuple[Array, Array, Array]:
    """The same for the three gradients that `backward` returns."""
    if isinstance(saved, kernels.Saved):
        return kernels.gradient_bounds(grad_output, saved, growth)
    extents = saved.extents
    if saved.planes is None:
        g, x, filters = magnitudes(grad_output, saved.x, saved.filters)
        places = extents.batch * prod(extents.positions)
        terms = (extents.outputs * prod(extents.kernel), places, places)
        found = axes_definition.backward(g, x, filters, extents)
        of_x, of_filters, of_biases = (bound(n, a, saved.x.dtype, growth) for n, a in zip(terms, found, strict=True))
        return of_x, of_filters, of_biases
    g = into_planes(grad_output, extents)
    of_planes, of_filters, of_biases = kernels.gradient_bounds(g, saved.planes, growth)
    # (3) adds up parts, each within its own bound; what they come to rounds once for every part after the first.
    parts = prod(extents.kernel[: max(len(extents.size) - 2, 0)]) - 1
    sizes = np.abs(kernels.backward(g, saved.planes)[0].astype(np.float64)) + of_planes
    of_x = gathered(of_planes, extents) + growth(parts, unit(saved.x.dtype)) * gathered(sizes, extents)
    return of_x, of_filters.reshape(extents.filters_shape), of_biases
