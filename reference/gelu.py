"""GELU by `jax.nn.gelu`.

    φ(x) = x · Φ(x),   or x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))

Source: D. Hendrycks and K. Gimpel, arXiv 1606.08415.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, by_tanh: bool = False) -> jax.Array:
    """Multiply every entry of x by its normal probability, exact or by tanh.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    return jax.nn.gelu(jnp.asarray(x), approximate=by_tanh)
