"""Pixel shuffle by `jax.lax.transpose` of blocks.

    Y[b,c,s·m+i,s·n+j] = X[b,s²·c+s·i+j,m,n]

Source: W. Shi et al., arXiv 1609.05158; the order of channels is that of PyTorch and of ONNX's CRD.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, scale: int) -> jax.Array:
    """Lay every scale² channels of x (B, C, H, W) out as blocks of one image; the dtype stays."""
    x = jnp.asarray(x)
    samples, channels, rows, columns = x.shape
    blocks = jax.lax.reshape(x, (samples, channels // scale**2, scale, scale, rows, columns))
    turned = jax.lax.transpose(blocks, (0, 1, 4, 2, 5, 3))
    return jax.lax.reshape(turned, (samples, channels // scale**2, rows * scale, columns * scale))
