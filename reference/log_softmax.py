"""Log-softmax by `jax.nn.log_softmax`.

    Y = X − log Σ exp(X)        along one axis

Source: J. Bridle, Neurocomputing, 1990.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Turn the numbers along `axis` into logarithms of shares.

    x: any shape, float32 or float64; the result has its shape and dtype.
    """
    return jax.nn.log_softmax(jnp.asarray(x), axis=axis)
