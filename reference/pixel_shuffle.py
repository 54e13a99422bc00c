"""Pixel shuffle by `jax.lax.transpose` of blocks, and its inverse by slices.

    Y[b,c,s·m+i,s·n+j] = X[b,s²·c+s·i+j,m,n]

Source: W. Shi et al., arXiv 1609.05158; the order of channels is that of PyTorch and of ONNX's CRD, with
the blocks first that of its DCR.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, scale: int, depth_first: bool = False, inverse: bool = False) -> jax.Array:
    """Lay every scale² channels of x (B, C, H, W) out as blocks of one image, or the inverse; the dtype stays."""
    x = jnp.asarray(x)
    samples, channels, rows, columns = x.shape
    if inverse:
        parts = [x[:, :, i::scale, j::scale] for i in range(scale) for j in range(scale)]
        if depth_first:
            return jnp.concatenate(parts, axis=1)
        return jnp.stack(parts, axis=2).reshape(samples, -1, rows // scale, columns // scale)
    if depth_first:
        parts = jnp.split(x, scale**2, axis=1)
        lines = [jnp.stack(parts[i * scale : (i + 1) * scale], axis=-1) for i in range(scale)]  # b c m n j
        return jnp.stack(lines, axis=3).reshape(samples, channels // scale**2, rows * scale, columns * scale)
    blocks = jax.lax.reshape(x, (samples, channels // scale**2, scale, scale, rows, columns))
    turned = jax.lax.transpose(blocks, (0, 1, 4, 2, 5, 3))
    return jax.lax.reshape(turned, (samples, channels // scale**2, rows * scale, columns * scale))
