"""Leaky ReLU by `jax.numpy.where`.

    φ(x) = x where x > 0, else a·x

Source: A. Maas et al., ICML 2013. Convention: the slope at 0 is a, as in PyTorch; `jax.nn.leaky_relu`
says 1 there, and so is not used.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, share: float = 0.01) -> jax.Array:
    """Multiply the entries of x that are not positive by `share`.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    x = jnp.asarray(x)
    return jnp.where(x > 0, x, share * x)
