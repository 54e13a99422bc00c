"""Softmax followed by cross-entropy, by `jax.nn.log_softmax`.

    L = −(1/B) Σ_{b,k} T[b,k] · log P[b,k]          P[b,k] = exp(X[b,k]) / Σ_l exp(X[b,l])

T is given, or stands for labels: T[b,k] = 1 where k is the label of sample b, and 0 elsewhere.
The two belong together: log P = X − log Σ exp(X) has no overflow and no log of 0, however large
the logits X.

Source: the lecture's classification example; the mean is over samples.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(prediction: ArrayLike, *, target: ArrayLike) -> jax.Array:
    """Return the mean cross-entropy over the samples, a 0-d array of the prediction's dtype.

    prediction: logits (B, K), float32 or float64.  target: integer labels (B,), or probabilities
    (B, K), which are read in the prediction's dtype; it is not differentiated.

    A label outside 0 to K − 1 makes the result NaN, which agrees with nothing: inside a trace
    there is no value to raise an error about.

    Raises ValueError if the target is neither labels of shape (B,) nor probabilities (B, K).
    """
    prediction, target = jnp.asarray(prediction), jnp.asarray(target)
    log_probabilities = jax.nn.log_softmax(prediction, axis=1)
    samples, classes = prediction.shape
    if target.shape == (samples,) and jnp.issubdtype(target.dtype, jnp.integer):
        # Sent past the end, a negative label is out of range, not counted from the end.
        labels = jnp.where(target < 0, classes, target)
        chosen = jnp.take_along_axis(log_probabilities, labels[:, None], axis=1, mode="fill")
        return -jnp.mean(chosen)
    if target.shape == (samples, classes) and jnp.issubdtype(target.dtype, jnp.floating):
        return -jnp.mean(jnp.sum(target.astype(prediction.dtype) * log_probabilities, axis=1))
    raise ValueError(
        f"target of shape {target.shape} and dtype {target.dtype} is neither integer labels of "
        f"shape {(samples,)} nor floating-point probabilities of shape {(samples, classes)}"
    )
