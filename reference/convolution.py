"""Convolution by `jax.lax.conv_general_dilated`.

    Y[b,c,h,w] = Σ_{i,j,k} X[b,k,h+i,w+j] · W[c,k,i,j] + bias[c]

It is a cross-correlation: the filters are not flipped, here as in the lecture. With stride (s, t)
and dilation (d, e) the entry read is X[b, k, s·h + d·i, t·w + e·j], with X padded by zeros. With
groups, the output channels fall into that many equal runs, in order, and the input channels
likewise; each run of outputs sees its own run of inputs only.

The number of axes behind the channels is the arrays' own; (h, w), (i, j), (s, t) and (d, e) have as many entries.

Source: the lecture, "Convolutional Layer Forward Pass"; its gradients here are JAX's transposes of
the convolution. `Precision.HIGHEST` because an accelerator would otherwise multiply float32 with
fewer bits; on a CPU it changes nothing.
"""

from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]

Padding: TypeAlias = str | tuple[int, ...] | tuple[tuple[int, int], ...]


@double_precision()
def forward(
    x: ArrayLike,
    filters: ArrayLike,
    biases: ArrayLike,
    *,
    stride: tuple[int, ...] | None = None,
    padding: Padding | None = None,
    dilation: tuple[int, ...] | None = None,
    groups: int = 1,
) -> jax.Array:
    """Convolve every sample with every filter and add the biases.

    x: (B, C_in, H, W).  filters: (C_out, C_in / groups, K_h, K_w).  biases: (C_out,).  All of one
    dtype, float32 or float64; the result is (B, C_out, H_out, W_out) of that dtype. In place of H and W
    there may be any other number of axes.

    `stride` and `dilation` are (rows, columns), 1 unless given. `padding` is (rows, columns), the same number
    of zeros on both sides, or ((top, bottom), (left, right)), or "same": H_out = ⌈H / stride⌉, JAX's own.

    Raises TypeError or ValueError, JAX's own, where ranks, channels or dtypes do not fit.
    """
    x, filters, biases = jnp.asarray(x), jnp.asarray(filters), jnp.asarray(biases)
    ones = (1,) * (x.ndim - 2)
    around = padding or (0,) * len(ones)
    around = around.upper() if isinstance(around, str) else [(p, p) if isinstance(p, int) else p for p in around]
    y = jax.lax.conv_general_dilated(
        x,
        filters,
        window_strides=stride or ones,
        padding=around,
        rhs_dilation=dilation or ones,
        dimension_numbers=None,  # samples, channels, axes; of the filters outputs, inputs, axes
        feature_group_count=groups,
        precision=jax.lax.Precision.HIGHEST,
    )
    # Reshaped to the channels that the filters give, so biases of shape (1,) are not spread out.
    return y + biases.reshape(1, filters.shape[0], *ones)
