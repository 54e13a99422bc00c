"""A projection of the last axis by `jax.lax.dot_general`.

    Y[…,o] = Σ_d X[…,d] · W[d,o] + bias[o]

Source: A. Vaswani et al., arXiv 1706.03762.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, weights: ArrayLike, biases: ArrayLike) -> jax.Array:
    """Multiply the last axis of x (..., D) by weights (D, O) and add biases (O,); the dtype stays."""
    x = jnp.asarray(x)
    contracted = (((x.ndim - 1,), (0,)), ((), ()))
    y = jax.lax.dot_general(x, jnp.asarray(weights), contracted, precision=jax.lax.Precision.HIGHEST)
    return y + jnp.asarray(biases)
