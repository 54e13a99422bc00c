"""Standardization by `jax.lax.rsqrt`.

    Y = (X − mean) / √(variance + ε)

Source: S. Ioffe and C. Szegedy, *Batch Normalization*, arXiv 1502.03167. The variance is the biased
one, the mean of (X − mean)²; `jax.nn.standardize` computes it as mean(X²) − mean², which loses its
digits where the mean is large, and so is not used.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, axes: tuple[int, ...] = (-1,), eps: float = 1e-5) -> jax.Array:
    """Give x mean 0 and variance 1 over `axes`.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    x = jnp.asarray(x)
    mean = jnp.mean(x, axis=axes, keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), axis=axes, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + eps)
