"""The Huber loss over every entry, by clipping.

    L = (1/N) Σ_n c·(e − ½c),   e = |prediction[n] − target[n]|,   c = min(e, width)

Source: P. Huber, Ann. Math. Stat. 35 (1964) 73-101.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(prediction: ArrayLike, *, target: ArrayLike, reduction: str = "mean", width: float = 1.0) -> jax.Array:
    """Return the mean Huber loss, a 0-d array; or the sum, or each.

    prediction: any shape, float32 or float64.  target: the same shape, read in its dtype; it is not
    differentiated.  reduction: "mean", "sum" or "none".

    Raises ValueError if the shapes differ: (B, 1) beside (B,) would spread out to (B, B).
    """
    prediction = jnp.asarray(prediction)
    target = jnp.asarray(target, prediction.dtype)
    if target.shape != prediction.shape:
        raise ValueError(f"target has shape {target.shape}, but must have the prediction's, {prediction.shape}")
    size = jnp.abs(prediction - target)
    quadratic = jnp.where(size <= width, size, jnp.full_like(size, width))
    terms = quadratic * (size - 0.5 * quadratic)
    return {"mean": jnp.mean, "sum": jnp.sum, "none": lambda all_terms: all_terms}[reduction](terms)
