"""SiLU by `jax.nn.silu`.

    φ(x) = x / (1 + exp(−x))

Source: S. Elfwing, E. Uchibe, K. Doya, arXiv 1702.03118.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike) -> jax.Array:
    """Multiply every entry of x by its sigmoid.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    return jax.nn.silu(jnp.asarray(x))
