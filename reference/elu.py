"""ELU by `jax.numpy.expm1`.

    φ(x) = x where x > 0, else a·(exp(x) − 1)

Source: D. Clevert, T. Unterthiner, S. Hochreiter, arXiv 1511.07289. Convention: the slope at 0 is a.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, depth: float = 1.0) -> jax.Array:
    """Bend the negative entries of x towards −depth.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    x = jnp.asarray(x)
    below = jnp.where(x > 0, jnp.zeros_like(x), x)  # expm1 overflows for large x, and its gradient with it
    return jnp.where(x > 0, x, depth * jnp.expm1(below))
