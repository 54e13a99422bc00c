"""Multiplication by `jax.lax.mul`, the second factor broadcast where it has length 1.

    Y = X ⊙ Z

Source: J. Hu, L. Shen, G. Sun, arXiv 1709.01507.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, other: ArrayLike) -> jax.Array:
    """Multiply x by `other`, of as many axes, each as long as that of x or 1; the dtype stays."""
    x = jnp.asarray(x)
    return jax.lax.mul(x, jnp.broadcast_to(jnp.asarray(other), x.shape))
