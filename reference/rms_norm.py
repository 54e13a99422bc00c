"""RMS normalization by `jax.lax.rsqrt` of the mean square.

    Y = scale · X / √(mean of X² + ε)        per sample

Source: B. Zhang and R. Sennrich, *Root Mean Square Layer Normalization*, arXiv 1910.07467.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, scales: ArrayLike, *, eps: float = 1e-5) -> jax.Array:
    """Divide x by the root of its mean square over the axes that `scales` has.

    x: any shape that ends in that of scales, float32 or float64; the result has its shape and dtype.
    """
    x, scales = jnp.asarray(x), jnp.asarray(scales)
    axes = tuple(range(-scales.ndim, 0))
    power = jnp.mean(jnp.square(x), axis=axes, keepdims=True)
    return x * jax.lax.rsqrt(power + eps) * scales
