"""Layer normalization by `jax.lax.rsqrt` of means over the last axes.

    Y = scale · (X − mean) / √(variance + ε) + bias        per sample

Source: J. Ba, J. Kiros, G. Hinton, *Layer Normalization*, arXiv 1607.06450; the variance is biased.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, scales: ArrayLike, biases: ArrayLike, *, eps: float = 1e-5) -> jax.Array:
    """Normalize x over the axes that `scales` has.

    x: any shape that ends in that of scales and biases, float32 or float64; the result has its
    shape and dtype.
    """
    x, scales = jnp.asarray(x), jnp.asarray(scales)
    rows = x.reshape(*x.shape[: x.ndim - scales.ndim], scales.size)
    centred = rows - rows.mean(axis=-1, keepdims=True)
    power = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    return (centred * jax.lax.rsqrt(power + eps)).reshape(x.shape) * scales + jnp.asarray(biases)
