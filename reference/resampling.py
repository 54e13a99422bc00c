"""Images of another size: means by a running sum, nearest and bilinear by `jax.image.resize`.

    Y = means of the parts, the nearest entry, or shares of the nearest two along each axis

Source: K. He et al., arXiv 1406.4729, section 2.2 for the parts of adaptive pooling. `antialias` is
off: a smaller image takes single entries, as upsampling does.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, *, size: tuple[int, int], rule: str) -> jax.Array:
    """Give images (B, C, H, W) another size by "average", "nearest" or "bilinear"; the dtype stays."""
    x = jnp.asarray(x)
    if rule != "average":
        return jax.image.resize(x, (*x.shape[:2], *size), rule, antialias=False)
    for axis, count in zip((2, 3), size, strict=True):
        n = x.shape[axis]
        parts = [
            jax.lax.slice_in_dim(x, n * h // count, (n * (h + 1) + count - 1) // count, axis=axis).mean(axis)
            for h in range(count)
        ]
        x = jnp.stack(parts, axis)
    return x
