"""PReLU by `jax.numpy.where`.

    φ(x) = x where x > 0, else a · x

Source: K. He et al., *Delving deep into rectifiers*, arXiv 1502.01852. Convention: the slope at 0
is a, since 0 takes the second branch; so it is in PyTorch.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, shares: ArrayLike) -> jax.Array:
    """Multiply the entries of x that are not positive by the share of their channel.

    x: (B, C, ...).  shares: (C,), or (1,) for all channels.  Of one dtype, float32 or float64; the
    result has the shape and dtype of x.
    """
    x, shares = jnp.asarray(x), jnp.asarray(shares)
    slope = jnp.expand_dims(shares, [axis for axis in range(x.ndim) if axis != 1])
    return jnp.where(x > 0, x, slope * x)
