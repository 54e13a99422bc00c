"""Softmax by `jax.nn.softmax`.

    Y = exp(X) / Σ exp(X)        along one axis

Source: J. Bridle, Neurocomputing, 1990.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Turn the numbers along `axis` into shares that add up to 1.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    return jax.nn.softmax(jnp.asarray(x), axis=axis)
