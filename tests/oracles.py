"""What a convolution and its gradients are, twice: in plain loops over the lecture's sum, and by another library.

Both take `padding` as ((top, bottom), (left, right)) and give y and the gradients of x, filters and biases.
"""

import jax
import numpy as np

from reference.precision import double_precision

Array = np.ndarray
Pair = tuple[int, int]


def convolution_by_loops(
    x: Array,
    filters: Array,
    biases: Array,
    g: Array,
    *,
    stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> list[Array]:
    """The lecture's sums, one product at a time, in the arguments' own arithmetic; `g` is ∂L/∂Y and has Y's shape."""
    y = np.zeros(g.shape, g.dtype)
    grad_x, grad_filters, grad_biases = np.zeros_like(x), np.zeros_like(filters), np.zeros_like(biases)
    (s, t), (d, e), ((top, _), (left, _)) = stride, dilation, padding
    inputs, outputs = filters.shape[1], len(filters) // groups
    for b, c, h, w in np.ndindex(y.shape):
        y[b, c, h, w] += biases[c]
        grad_biases[c] += g[b, c, h, w]
        for k, i, j in np.ndindex(filters.shape[1:]):
            m, n = s * h + d * i - top, t * w + e * j - left
            if 0 <= m < x.shape[2] and 0 <= n < x.shape[3]:
                at = (b, c // outputs * inputs + k, m, n)
                y[b, c, h, w] += x[at] * filters[c, k, i, j]
                grad_x[at] += g[b, c, h, w] * filters[c, k, i, j]
                grad_filters[c, k, i, j] += g[b, c, h, w] * x[at]
    return [y, grad_x, grad_filters, grad_biases]


def convolution_by_jax(
    x: Array,
    filters: Array,
    biases: Array,
    g: Array,
    *,
    stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> list[Array]:
    """XLA's convolution, and its gradients by JAX; float32 or float64."""

    def forward(x: jax.Array, filters: jax.Array, biases: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            x,
            filters,
            stride,
            padding,
            rhs_dilation=dilation,
            dimension_numbers=("NCHW", "OIHW", "NCHW"),
            feature_group_count=groups,
            precision=jax.lax.Precision.HIGHEST,
        )
        return y + biases[:, None, None]

    with double_precision():
        y, pull = jax.vjp(forward, x, filters, biases)
        return [np.asarray(array) for array in (y, *pull(jax.numpy.asarray(g)))]
