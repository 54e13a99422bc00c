"""The binary cross-entropy of logits, by `jax.nn.log_sigmoid`.

    L = −(1/N) Σ_n ( weight·T·log σ(X) + (1 − T)·log σ(−X) )

Source: C. Bishop, *Pattern Recognition and Machine Learning*, 2006, section 4.3.2.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(prediction: ArrayLike, *, target: ArrayLike, reduction: str = "mean", weight: float = 1.0) -> jax.Array:
    """Return the mean cross-entropy, a 0-d array; or the sum, or each.

    prediction: any shape, float32 or float64.  target: the same shape, read in its dtype; it is not
    differentiated.  reduction: "mean", "sum" or "none".

    Raises ValueError if the shapes differ: (B, 1) beside (B,) would spread out to (B, B).
    """
    prediction = jnp.asarray(prediction)
    target = jnp.asarray(target, prediction.dtype)
    if target.shape != prediction.shape:
        raise ValueError(f"target has shape {target.shape}, but must have the prediction's, {prediction.shape}")
    likely = weight * target * jax.nn.log_sigmoid(prediction)
    terms = -(likely + (1 - target) * jax.nn.log_sigmoid(-prediction))
    return {"mean": jnp.mean, "sum": jnp.sum, "none": lambda all_terms: all_terms}[reduction](terms)
