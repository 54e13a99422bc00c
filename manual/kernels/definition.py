"""The definition: the lecture's sum, as an einsum over a view of all windows. The other engines are
checked against it.

    Y[b,c,h,w] = Σ_{k,i,j} X[b,k,s·h+d·i,t·w+e·j] · W[c,k,i,j] + bias[c]        (1)

(X after padding with zeros.) Nudge X, W and the bias; whatever
multiplies a nudge in Σ_{b,c,h,w} G[b,c,h,w] · Ẏ[b,c,h,w] is the gradient there
(`manual/convolution.py` has it at length):

    ∂L/∂W[c,k,i,j] = Σ_{b,h,w} G[b,c,h,w] · X[b,k,s·h+d·i,t·w+e·j]             (2)
    ∂L/∂bias[c]    = Σ_{b,h,w} G[b,c,h,w]                                      (3)
    ∂L/∂X[b,k,m,n] = Σ_c Σ_{h,i: s·h+d·i=m} Σ_{w,j: t·w+e·j=n} G[b,c,h,w] · W[c,k,i,j]          (4)

With groups every sum stays inside its group, the letter p in the einsums.

Exact: sums of products in some order, so with integers (or dyadic rationals of one scale) every
result is exact as long as it fits the mantissa. Rounding: a sum of n products in any order errs by
at most γₙ·Σ|products| (Higham 2002, section 3.1).

Any dtype, complex128 included (the complex step differentiates the forward). Memory: the windows,
C_in·K_h·K_w numbers for each position of the whole batch.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; h, w output
position; i, j position in the window; s, t stride; d, e dilation; m, n input position; p group.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from manual.kernels.engine import of_sums
from manual.kernels.geometry import Geometry, Padding

Array = np.ndarray


def refusal(geometry: Geometry) -> str | None:
    return None


def pad(x: Array, padding: Padding) -> Array:
    """x with zeros around every image; x itself where there is nothing to add."""
    return np.pad(x, ((0, 0), (0, 0), *padding)) if any(map(any, padding)) else x


def windows(x: Array, geometry: Geometry) -> Array:
    """A view [b,p,k,h,w,i,j] = x[b, (p,k), s·h+d·i, t·w+e·j] of the padded input."""
    window = (geometry.reach[0] + 1, geometry.reach[1] + 1)
    (s, t), (d, e) = geometry.stride, geometry.dilation
    view = sliding_window_view(x, window, axis=(2, 3))[:, :, ::s, ::t, ::d, ::e]
    return grouped(view, 1, geometry.groups)


def grouped(a: Array, axis: int, groups: int) -> Array:
    """The channel axis as two: group and channel within it."""
    return a.reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1 :])


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    view = windows(pad(x, geometry.padding), geometry)
    if geometry.groups == 1:
        y = np.einsum("bkhwij,ckij->bchw", view[:, 0], filters, optimize=True)
    else:
        y = np.einsum("bpkhwij,pckij->bpchw", view, grouped(filters, 0, geometry.groups), optimize=True)
    return y.reshape(geometry.output_shape) + biases[:, None, None], None  # (1)


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    x_padded = pad(x, geometry.padding)
    view = windows(x_padded, geometry)
    g_grouped, w_grouped = grouped(g, 1, geometry.groups), grouped(filters, 0, geometry.groups)

    grad_filters = np.einsum("bpchw,bpkhwij->pckij", g_grouped, view, optimize=True)  # (2)
    grad_biases = np.einsum("bchw->c", g)  # (3)

    grad_padded = np.zeros(x_padded.shape, np.result_type(g, filters))
    to = grouped(grad_padded, 1, geometry.groups)
    (s, t), (d, e), (rows, columns) = geometry.stride, geometry.dilation, geometry.positions
    for i, j in np.ndindex(geometry.kernel):
        at_rows = slice(d * i, d * i + s * rows, s)
        at_columns = slice(e * j, e * j + t * columns, t)
        spread = np.einsum("bpchw,pck->bpkhw", g_grouped, w_grouped[..., i, j], optimize=True)
        to[..., at_rows, at_columns] += spread  # (4)
    (top, _), (left, _) = geometry.padding
    grad_x = grad_padded[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return np.ascontiguousarray(grad_x), grad_filters.reshape(filters.shape), grad_biases


ENGINE = of_sums("definition", refusal, forward, backward)
