"""Padding by `jax.lax.pad`, which crops where it is negative, and what continues images by `jax.numpy.pad`.

    Y = X with rows and columns around it: a constant, X mirrored without its border, its border, or X again

Source: V. Dumoulin and F. Visin, arXiv 1603.07285.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, sides: tuple, mode: str = "constant", value: float = 0.0) -> jax.Array:
    """Pad images (B, C, H, W) by ((top, bottom), (left, right)), negative ones crop; the dtype stays."""
    x = jnp.asarray(x)
    if mode == "constant":
        return jax.lax.pad(x, jnp.array(value, x.dtype), [(0, 0, 0), (0, 0, 0), *((*side, 0) for side in sides)])
    around = [(max(low, 0), max(high, 0)) for low, high in sides]
    continued = jnp.pad(x, [(0, 0), (0, 0), *around], mode=mode)
    cut = [(min(low, 0), min(high, 0), 0) for low, high in sides]
    return jax.lax.pad(continued, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *cut])
