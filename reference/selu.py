"""SELU by `jax.nn.elu`.

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
    return 1.0507009873554804934193349852946 * jax.nn.elu(x, jnp.asarray(1.6732632423543772848170429916717, x.dtype))
