"""Images of another size: means of slices, and entries that are taken, weighted where they are two.

    Y = means of the parts, the nearest entry, or shares of the nearest two along each axis

Source: K. He et al., arXiv 1406.4729, section 2.2 for the parts of adaptive pooling. Pixels are
squares around their centres, h + ½; a smaller image takes single entries, as upsampling does.
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
    for axis, count in zip((2, 3), size, strict=True):
        n = x.shape[axis]
        if rule == "average":
            parts = [
                jax.lax.slice_in_dim(x, n * h // count, (n * (h + 1) + count - 1) // count, axis=axis).mean(axis)
                for h in range(count)
            ]
            x = jnp.stack(parts, axis)
            continue
        centres = [(h + 0.5) * n / count for h in range(count)]
        if rule == "nearest":
            x = jnp.take(x, jnp.asarray([int(centre) for centre in centres]), axis)
            continue
        places = [min(max(centre - 0.5, 0.0), n - 1.0) for centre in centres]
        low = jnp.take(x, jnp.asarray([int(place) for place in places]), axis)
        high = jnp.take(x, jnp.asarray([min(int(place) + 1, n - 1) for place in places]), axis)
        share = jnp.asarray([place - int(place) for place in places], x.dtype)
        share = jnp.expand_dims(share, [other for other in range(4) if other != axis])
        x = low + share * (high - low)
    return x
