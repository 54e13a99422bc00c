"""The mean squared error over every entry.

    L = (1/N) Σ_n (prediction[n] − target[n])²          N entries, over samples and outputs alike

Source: the lecture's code for training; the mean is over every entry, not a sum over outputs.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(prediction: ArrayLike, *, target: ArrayLike, reduction: str = "mean") -> jax.Array:
    """Return the mean of the squared differences, a 0-d array of the prediction's dtype; or their sum, or each.

    prediction: any shape, float32 or float64.  target: the same shape, read in its dtype; it is not
    differentiated.  reduction: "mean", "sum" or "none".

    Raises ValueError if the shapes differ: (B, 1) beside (B,) would spread out to (B, B).
    """
    prediction = jnp.asarray(prediction)
    target = jnp.asarray(target, prediction.dtype)
    if target.shape != prediction.shape:
        raise ValueError(f"target has shape {target.shape}, but must have the prediction's, {prediction.shape}")
    terms = jnp.square(prediction - target)
    return {"mean": jnp.mean, "sum": jnp.sum, "none": lambda all_terms: all_terms}[reduction](terms)
