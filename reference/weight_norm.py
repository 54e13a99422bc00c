"""Weight normalization by `jax.numpy.linalg.norm`.

    W = length · V / ‖V‖        per output

Source: T. Salimans and D. Kingma, *Weight Normalization*, arXiv 1602.07868.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(directions: ArrayLike, lengths: ArrayLike, *, axis: int = 0) -> jax.Array:
    """Give every direction along the other axes the length of its index on `axis`.

    directions: any shape.  lengths: one per index.  Of one dtype, float32 or float64; the result
    has the shape and dtype of directions.
    """
    rows = jnp.moveaxis(jnp.asarray(directions), axis, 0)
    flat = rows.reshape(rows.shape[0], -1)
    scaled = flat * (jnp.asarray(lengths) / jnp.linalg.norm(flat, axis=1))[:, None]
    return jnp.moveaxis(scaled.reshape(rows.shape), 0, axis)
