"""SELU by `jax.numpy.expm1`.

    φ(x) = λ·x where x > 0, else λ·a·(exp(x) − 1)

Source: G. Klambauer et al., arXiv 1706.02515. Convention: the slope at 0 is λ·a.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike) -> jax.Array:
    """Apply the scaled exponential linear unit.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    x = jnp.asarray(x)
    below = jnp.where(x > 0, jnp.zeros_like(x), x)  # expm1 overflows for large x, and its gradient with it
    bent = jnp.where(x > 0, x, 1.6732632423543772848170429916717 * jnp.expm1(below))
    return 1.0507009873554804934193349852946 * bent
