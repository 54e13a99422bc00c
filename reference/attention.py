"""Scaled dot-product attention by `jax.numpy.einsum` and `jax.nn.softmax`.

    Y = softmax(Q·Kᵀ / √D)·V        for each head

Source: A. Vaswani et al., arXiv 1706.03762, section 3.2.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(
    queries: ArrayLike,
    keys: ArrayLike,
    values: ArrayLike,
    *,
    heads: int = 1,
    mask: ArrayLike | None = None,
    scale: float | None = None,
) -> jax.Array:
    """Take for every query the mean of the values, weighted by how well their keys fit.

    queries: (B, T, E).  keys: (B, S, E).  values: (B, S, F).  Of one dtype, float32 or float64; the
    result is (B, T, F).  mask: (T, S), (B, T, S) or (B, heads, T, S), booleans, which pairs are allowed, or
    numbers, which are added to the scores.  scale: what these are multiplied by; 1/√D unless given.
    """
    parts = []
    for array in (queries, keys, values):
        array = jnp.asarray(array)
        parts.append(array.reshape(*array.shape[:2], heads, array.shape[2] // heads))
    q, k, v = parts
    highest = jax.lax.Precision.HIGHEST
    scores = jnp.einsum("bthd,bshd->bhts", q, k, precision=highest)
    scores = scores * scale if scale is not None else scores / jnp.sqrt(jnp.asarray(q.shape[3], q.dtype))
    if mask is not None:
        pairs = jnp.asarray(mask)
        pairs = pairs[:, None] if pairs.ndim == 3 else pairs
        added = jnp.where(pairs, 0.0, -jnp.inf) if pairs.dtype == bool else pairs
        scores = scores + added.astype(scores.dtype)
        # A softmax over nothing would be NaN: whoever may ask nobody gets zeros.
        nobody = jnp.all(added == -jnp.inf, axis=-1, keepdims=True)
        shares = jnp.where(nobody, 0, jax.nn.softmax(jnp.where(nobody, 0, scores), axis=-1))
    else:
        shares = jax.nn.softmax(scores, axis=-1)
    means = jnp.einsum("bhts,bshv->bthv", shares, v, precision=highest)
    return means.reshape(*means.shape[:2], -1)
