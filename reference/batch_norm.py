"""Batch normalization, by `jax.numpy` means and `jax.lax.rsqrt`.

    Y = scale · (X − mean) / √(variance + ε) + bias        per channel

In training the mean and the biased variance are the batch's, and the running statistics move
towards its mean and unbiased variance by `momentum`; in evaluation they are the running ones.

Source: S. Ioffe and C. Szegedy, *Batch Normalization*, arXiv 1502.03167. The running statistics are
no function of the loss: no gradient passes through them.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(
    x: ArrayLike,
    scales: ArrayLike,
    biases: ArrayLike,
    *,
    running_mean: ArrayLike,
    running_variance: ArrayLike,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Normalize every channel; return the result, and the running mean and variance afterwards.

    x: (B, C, ...).  scales, biases, running_mean, running_variance: (C,).  All of one dtype,
    float32 or float64; the result has the shape and dtype of x.
    """
    x = jnp.moveaxis(jnp.asarray(x), 1, -1)
    kept = jnp.asarray(running_mean, x.dtype), jnp.asarray(running_variance, x.dtype)
    rows = x.reshape(-1, x.shape[-1])
    if training:
        mean = rows.mean(axis=0)
        variance = jnp.square(rows - mean).mean(axis=0)
        newest = jax.lax.stop_gradient((mean, variance * (len(rows) / (len(rows) - 1))))
        after = (kept[0] + momentum * (newest[0] - kept[0]), kept[1] + momentum * (newest[1] - kept[1]))
    else:
        (mean, variance), after = kept, kept
    y = (x - mean) * jax.lax.rsqrt(variance + eps) * jnp.asarray(scales) + jnp.asarray(biases)
    return jnp.moveaxis(y, -1, 1), after
