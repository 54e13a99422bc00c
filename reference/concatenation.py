"""Concatenation by `jax.lax.concatenate`.

    Y = [X₀, X₁, …] along one axis

Source: C. Szegedy et al., *Going deeper with convolutions*, arXiv 1409.4842.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(*arrays: ArrayLike, axis: int = 1) -> jax.Array:
    """Put arrays side by side along `axis`; a negative one counts from the end.

    arrays: equal in shape but along the axis, of one dtype, float32 or float64.

    Raises TypeError, JAX's own, where the shapes do not fit.
    """
    operands = [jnp.asarray(array) for array in arrays]
    return jax.lax.concatenate(operands, axis % operands[0].ndim)
