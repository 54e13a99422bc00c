"""Group normalization by `jax.lax.rsqrt` of means over each group.

    Y = scale · (X − mean) / √(variance + ε) + bias        per sample and group of channels

Source: Y. Wu and K. He, *Group Normalization*, arXiv 1803.08494; the variance is biased.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, scales: ArrayLike, biases: ArrayLike, *, groups: int, eps: float = 1e-5) -> jax.Array:
    """Normalize every group of channels of every sample.

    x: (B, C, ...).  scales, biases: (C,).  Of one dtype, float32 or float64; the result has the
    shape and dtype of x.
    """
    x = jnp.asarray(x)
    split = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    axes = tuple(range(2, split.ndim))
    centred = split - split.mean(axis=axes, keepdims=True)
    power = jnp.mean(jnp.square(centred), axis=axes, keepdims=True)
    normal = (centred * jax.lax.rsqrt(power + eps)).reshape(x.shape)
    rest = [axis for axis in range(x.ndim) if axis != 1]
    return normal * jnp.expand_dims(jnp.asarray(scales), rest) + jnp.expand_dims(jnp.asarray(biases), rest)
