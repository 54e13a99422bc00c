"""The definition along any number of axes: the sum itself, as an einsum over a view of all windows.

    Y[b,c,h] = Σ_{k,i} X[b,k,s·h+d·i] · W[c,k,i] + bias[c]                      (1)

h, i, s and d have an entry for every axis, and X stands for the input after padding with zeros. `manual/convolution.py`
has the derivation, which asks nowhere how many axes there are:

    ∂L/∂W[c,k,i]  = Σ_{b,h} G[b,c,h] · X[b,k,s·h+d·i]                          (2)
    ∂L/∂bias[c]   = Σ_{b,h} G[b,c,h]                                           (3)
    ∂L/∂X[b,k,m]  = Σ_c Σ_{h,i: s·h+d·i=m} G[b,c,h] · W[c,k,i]                  (4)

With groups every sum stays inside its group. Any dtype, complex128 included.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; h output
position; i position in the window; s stride; d dilation; m input position.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from manual.kernels.extents import Extents

Array = np.ndarray

SAMPLE, GROUP, OUTPUT, INPUT, FIRST = range(5)  # einsum's numbers for b, the group, c, k and the first of h


def axes(extents: Extents) -> tuple[list[int], list[int]]:
    """einsum's numbers for h and for i."""
    count = len(extents.size)
    return list(range(FIRST, FIRST + count)), list(range(FIRST + count, FIRST + 2 * count))


def pad(x: Array, extents: Extents) -> Array:
    """x with zeros around."""
    return np.pad(x, ((0, 0), (0, 0), *extents.sides))


def windows(padded: Array, extents: Extents) -> Array:
    """A view [b,group,k,h,i] = x[b,(group,k),s·h+d·i] of the padded input."""
    spatial = tuple(range(2, padded.ndim))
    view = sliding_window_view(padded, tuple(n + 1 for n in extents.reach), axis=spatial)
    steps = (slice(None, None, n) for n in (*extents.stride, *extents.dilation))
    return grouped(view[(slice(None), slice(None), *steps)], 1, extents.groups)


def grouped(a: Array, axis: int, groups: int) -> Array:
    """The channel axis as two: group and channel within it."""
    return a.reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1 :])


def forward(x: Array, filters: Array, biases: Array, extents: Extents) -> Array:
    """(1)."""
    h, i = axes(extents)
    view, weights = windows(pad(x, extents), extents), grouped(filters, 0, extents.groups)
    read, taken = [SAMPLE, GROUP, INPUT, *h, *i], [GROUP, OUTPUT, INPUT, *i]
    y = np.einsum(view, read, weights, taken, [SAMPLE, GROUP, OUTPUT, *h], optimize=True)
    return y.reshape(extents.output_shape) + biases.reshape(-1, *(1,) * len(h))  # (1)


def backward(g: Array, x: Array, filters: Array, extents: Extents) -> tuple[Array, Array, Array]:
    """(4), (2) and (3)."""
    return input_vjp(g, filters, extents), filters_vjp(g, x, extents), biases_vjp(g)


def input_vjp(g: Array, filters: Array, extents: Extents) -> Array:
    """(4): for every i, Σ_c G·W is added at the places s·h+d·i; padding was no part of the input."""
    h, _ = axes(extents)
    arriving, weights = grouped(g, 1, extents.groups), grouped(filters, 0, extents.groups)
    shape = (extents.batch, extents.groups * extents.inputs, *extents.padded)
    grad_padded = np.zeros(shape, np.result_type(g, filters))
    to = grouped(grad_padded, 1, extents.groups)
    for i in np.ndindex(extents.kernel):
        along = zip(i, extents.stride, extents.dilation, extents.positions, strict=True)
        at = tuple(slice(d * tap, d * tap + s * positions, s) for tap, s, d, positions in along)
        parts = [arriving, [SAMPLE, GROUP, OUTPUT, *h], weights[(..., *i)], [GROUP, OUTPUT, INPUT]]
        to[(..., *at)] += np.einsum(*parts, [SAMPLE, GROUP, INPUT, *h], optimize=True)  # (4)
    inside = (slice(before, before + n) for n, (before, _) in zip(extents.size, extents.sides, strict=True))
    return np.ascontiguousarray(grad_padded[(slice(None), slice(None), *inside)])


def filters_vjp(g: Array, x: Array, extents: Extents) -> Array:
    """(2)."""
    h, i = axes(extents)
    view, arriving = windows(pad(x, extents), extents), grouped(g, 1, extents.groups)
    read, given = [SAMPLE, GROUP, INPUT, *h, *i], [SAMPLE, GROUP, OUTPUT, *h]
    grad = np.einsum(arriving, given, view, read, [GROUP, OUTPUT, INPUT, *i], optimize=True)  # (2)
    return grad.reshape(extents.filters_shape)


def biases_vjp(g: Array) -> Array:
    """(3)."""
    return g.sum(axis=(0, *range(2, g.ndim)))  # (3)
