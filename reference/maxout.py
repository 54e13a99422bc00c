"""Maxout by `jax.lax.reduce_window` over the channels.

    Y[b,c] = max_{0≤i<k} X[b,k·c+i]

Source: I. Goodfellow et al., arXiv 1302.4389. Convention: of equal maxima the first takes the gradient.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, pieces: int) -> jax.Array:
    """Take the largest of every `pieces` channels.

    x: (B, C, ...), float32 or float64; the result is (B, C / pieces, ...) of that dtype.
    """
    x = jnp.asarray(x)
    window = (1, pieces, *(1,) * (x.ndim - 2))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
