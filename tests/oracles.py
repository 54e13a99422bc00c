"""What a convolution and its gradients are, twice: in plain loops over the lecture's sum, and by another library.

Both take `padding` as ((top, bottom), (left, right)) and give y and the gradients of x, filters and biases. The forward
alone, where nobody knows the shape of y yet, goes window by window.
"""

import jax
import numpy as np

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


def forward_by_windows(
    x: Array,
    filters: Array,
    biases: Array,
    stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Y[b,c,h,w] = Σ_{i,j,k} X[b,k,s·h+d·i-p,t·w+e·j-q] · W[c,k,i,j] + bias[c], one output position after another."""
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    reach = [d * (n - 1) + 1 for d, n in zip(dilation, filters.shape[2:], strict=True)]
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(padded.shape[2:], reach, stride, strict=True))
    inputs, outputs = x.shape[1] // groups, len(filters) // groups
    y = np.zeros((len(x), len(filters), rows, columns), np.result_type(x, filters))
    for g in range(groups):
        k, c = slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)
        for h in range(rows):
            for w in range(columns):
                top, left = h * stride[0], w * stride[1]
                seen = padded[:, k, top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]
                y[:, c, h, w] = np.einsum("bkij,ckij->bc", seen, filters[c]) + biases[c]
    return y


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

    with jax.enable_x64(True):
        y, pull = jax.vjp(forward, x, filters, biases)
        return [np.asarray(array) for array in (y, *pull(jax.numpy.asarray(g)))]
