"""Flattening by `jax.lax.collapse`.

    Y = X.reshape(B, −1)

The axes start_dim to end_dim, both included, become one, in row-major order.

Source: the lecture, "Flatten Layer Gradients"; `start_dim` and `end_dim` are those of its layer.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, start_dim: int = 1, end_dim: int = -1) -> jax.Array:
    """Merge the axes `start_dim` to `end_dim` of x into one; negative axes count from the end.

    x: any shape, float32 or float64; the result has that dtype.

    Raises ValueError, JAX's own, where the axes do not exist or are in the wrong order.
    """
    x = jnp.asarray(x)
    # collapse leaves its stop axis out, so −1, the last axis, cannot be passed on as −1 + 1.
    stop_dim = end_dim + 1 if end_dim >= 0 else end_dim + 1 + x.ndim
    return jax.lax.collapse(x, start_dim, stop_dim)
