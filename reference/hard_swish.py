"""Hard swish by `jax.numpy.where`.

    φ(x) = x · min(max(x + 3, 0), 6) / 6

Source: A. Howard et al., arXiv 1905.02244. Convention: at ±3 the slope of the straight side, as in
PyTorch; `jax.nn.hard_swish` says half there, and so is not used.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike) -> jax.Array:
    """Apply the piecewise polynomial swish.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    x = jnp.asarray(x)
    return jnp.where(x <= -3, jnp.zeros_like(x), jnp.where(x >= 3, x, x * (x + 3) / 6))
