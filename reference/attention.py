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
    queries: ArrayLike, keys: ArrayLike, values: ArrayLike, *, heads: int = 1, mask: ArrayLike | None = None
) -> jax.Array:
    """Take for every query the mean of the values, weighted by how well their keys fit.

    queries: (B, T, E).  keys: (B, S, E).  values: (B, S, F).  Of one dtype, float32 or float64; the
    result is (B, T, F).  mask: boolean (T, S) or (B, T, S), which pairs are allowed.
    """
    parts = []
    for array in (queries, keys, values):
        array = jnp.asarray(array)
        parts.append(array.reshape(*array.shape[:2], heads, array.shape[2] // heads))
    q, k, v = parts
    highest = jax.lax.Precision.HIGHEST
    scores = jnp.einsum("bthd,bshd->bhts", q, k, precision=highest) / jnp.sqrt(jnp.asarray(q.shape[3], q.dtype))
    if mask is not None:
        pairs = jnp.asarray(mask)
        pairs = pairs if pairs.ndim == 2 else pairs[:, None]
        scores = jnp.where(pairs, scores, jnp.full_like(scores, -jnp.inf))
    means = jnp.einsum("bhts,bshv->bthv", jax.nn.softmax(scores, axis=-1), v, precision=highest)
    return means.reshape(*means.shape[:2], -1)
