"""Padding by `jax.lax.pad`, which crops where it is negative, and reflection by `jax.numpy.pad`.

    Y = X with rows and columns around it, zeros or X mirrored without its border

Source: V. Dumoulin and F. Visin, arXiv 1603.07285.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, sides: tuple, reflect: bool = False) -> jax.Array:
    """Pad images (B, C, H, W) by ((top, bottom), (left, right)), negative ones crop; the dtype stays."""
    x = jnp.asarray(x)
    if not reflect:
        return jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *((*side, 0) for side in sides)])
    around = [(max(low, 0), max(high, 0)) for low, high in sides]
    mirrored = jnp.pad(x, [(0, 0), (0, 0), *around], mode="reflect")
    cut = [(min(low, 0), min(high, 0), 0) for low, high in sides]
    return jax.lax.pad(mirrored, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *cut])
