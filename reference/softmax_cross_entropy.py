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
def forward(
    prediction: ArrayLike,
    *,
    target: ArrayLike,
    weights: ArrayLike | None = None,
    ignored: int | None = None,
    smoothing: float = 0.0,
    reduction: str = "mean",
) -> jax.Array:
    """Return the mean cross-entropy over the samples, a 0-d array of the prediction's dtype.

    prediction: logits (B, K), float32 or float64.  target: integer labels (B,), or probabilities
    (B, K), which are read in the prediction's dtype; it is not differentiated.  weights: (K,), what
    a class counts.  ignored: a label whose samples count nothing.  smoothing: the share of a target
    that is spread over all classes.  reduction: "mean" (of labels, over their weights), "sum" or
    "none".

    A label outside 0 to K − 1 makes the result NaN, which agrees with nothing: inside a trace
    there is no value to raise an error about.

    Raises ValueError if the target is neither labels of shape (B,) nor probabilities (B, K).
    """
    prediction, target = jnp.asarray(prediction), jnp.asarray(target)
    samples, classes = prediction.shape
    each = jnp.ones(classes, prediction.dtype) if weights is None else jnp.asarray(weights, prediction.dtype)
    surprise = -jax.nn.log_softmax(prediction, axis=1)
    weighted = surprise * each
    if target.shape == (samples,) and jnp.issubdtype(target.dtype, jnp.integer):
        kept = jnp.ones(samples, bool) if ignored is None else target != ignored
        # Sent past the end, a negative label is out of range, not counted from the end.
        labels = jnp.where(target < 0, classes, target)
        labels = jnp.where(kept, labels, 0)[:, None]
        terms = jnp.take_along_axis(weighted, labels, axis=1, mode="fill")[:, 0]
        counts = jnp.where(kept, each[labels[:, 0]], jnp.zeros_like(each[0]))
    elif target.shape == (samples, classes) and jnp.issubdtype(target.dtype, jnp.floating):
        kept, counts = jnp.ones(samples, bool), jnp.ones(samples, prediction.dtype)
        terms = jnp.sum(target.astype(prediction.dtype) * weighted, axis=1)
    else:
        raise ValueError(
            f"target of shape {target.shape} and dtype {target.dtype} is neither integer labels of "
            f"shape {(samples,)} nor floating-point probabilities of shape {(samples, classes)}"
        )
    if smoothing:
        terms = (1 - smoothing) * terms + smoothing * weighted.mean(axis=1)
    terms = jnp.where(kept, terms, jnp.zeros_like(terms))
    if reduction == "none":
        return terms
    return terms.sum() / counts.sum() if reduction == "mean" else terms.sum()
