"""Transposed convolution by `jax.lax.conv_general_dilated`, of an input with zeros between its entries.

    Y[b,c,m,n] = Σ_{h,w,i,j,k} X[b,k,h,w] · W[k,c,i,j] + bias[c]    over s·h + d·i = m + p and t·w + e·j = n + q

With stride (s, t), dilation (d, e) and padding (p, q). Put s - 1 zeros after every row of X and t - 1 after every
column: then Y is the correlation of that with the filters turned by 180°, X padded by d·(K_h - 1) - p rows. At the end
of the rows output padding adds to that. The filters are (C_in, C_out / groups, K_h, K_w), as in PyTorch and ONNX.

Source: V. Dumoulin and F. Visin, arXiv 1603.07285, section 4.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(
    x: ArrayLike,
    filters: ArrayLike,
    biases: ArrayLike,
    *,
    stride: tuple[int, ...] | None = None,
    padding: tuple | None = None,
    output_padding: tuple[int, ...] | None = None,
    dilation: tuple[int, ...] | None = None,
    groups: int = 1,
) -> jax.Array:
    """Spread every sample by every filter and add the biases.

    x: (B, C_in, H, W).  filters: (C_in, C_out / groups, K_h, K_w).  biases: (C_out,).  All of one
    dtype, float32 or float64; the result is (B, C_out, H_out, W_out) of that dtype. In place of H and W
    there may be any other number of axes. `padding` has an integer or a (before, after) pair for each.
    """
    x, filters, biases = jnp.asarray(x), jnp.asarray(filters), jnp.asarray(biases)
    ones, zeros = (1,) * (x.ndim - 2), (0,) * (x.ndim - 2)
    window, spread = filters.shape[2:], dilation or ones
    around = []
    for k, d, crop, more in zip(window, spread, padding or zeros, output_padding or zeros, strict=True):
        low, high = (crop, crop) if isinstance(crop, int) else crop
        around.append((d * (k - 1) - low, d * (k - 1) - high + more))
    # Every group's channels change places, and every axis of the window is turned.
    by_group = filters.reshape(groups, filters.shape[0] // groups, *filters.shape[1:]).swapaxes(1, 2)
    turned = jnp.flip(by_group.reshape(-1, *by_group.shape[2:]), range(2, filters.ndim))
    y = jax.lax.conv_general_dilated(
        x,
        turned,
        window_strides=ones,
        padding=around,
        lhs_dilation=stride or ones,
        rhs_dilation=spread,
        dimension_numbers=None,
        feature_group_count=groups,
        precision=jax.lax.Precision.HIGHEST,
    )
    return y + biases.reshape(1, -1, *ones)
