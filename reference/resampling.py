"""Images of another size: means of slices, and entries that are taken, weighted where they are two.

    Y = means of the parts, the nearest entry, or shares of the nearest two along each axis

A place is where an output lies among the entries: pixels are squares around their centres, h + ½, or
points whose corners, or whose first ones, lie on each other.

Source: K. He et al., arXiv 1406.4729, section 2.2 for the parts of adaptive pooling.
"""

from math import ceil, floor

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


ROUNDED = {
    "half up": lambda place: floor(place + 0.5),
    "half down": lambda place: ceil(place - 0.5),
    "up": ceil,
    "down": floor,
}


@double_precision()
def forward(
    x: ArrayLike,
    *,
    size: tuple[int, ...] | int,
    rule: str,
    placing: str | tuple = "centres",
    rounding: str = "half up",
    antialias: bool = False,
) -> jax.Array:
    """Give images (B, C, H, W) another size by "average", "nearest" or "bilinear"; the dtype stays.

    In place of H and W there may be any other number of axes. `placing` is "centres", "corners",
    "origins", or the first place and the step to the next for each axis.
    """
    x = jnp.asarray(x)
    for axis in range(2, x.ndim):
        n, count = x.shape[axis], size if isinstance(size, int) else size[axis - 2]
        if rule == "average":
            parts = [
                jax.lax.slice_in_dim(x, n * h // count, (n * (h + 1) + count - 1) // count, axis=axis).mean(axis)
                for h in range(count)
            ]
            x = jnp.stack(parts, axis)
            continue
        given = placing if isinstance(placing, str) else placing[axis - 2]
        places, apart = lattice(given, n, count)
        if rule == "nearest":
            chosen = [min(max(ROUNDED[rounding](place), 0), n - 1) for place in places]
            x = jnp.take(x, jnp.asarray(chosen), axis)
            continue
        if antialias and apart > 1:
            x = jnp.stack([blurred(x, axis, place, apart) for place in places], axis)
            continue
        places = [min(max(place, 0.0), n - 1.0) for place in places]
        low = jnp.take(x, jnp.asarray([int(place) for place in places]), axis)
        high = jnp.take(x, jnp.asarray([min(int(place) + 1, n - 1) for place in places]), axis)
        share = jnp.asarray([place - int(place) for place in places], x.dtype)
        share = jnp.expand_dims(share, [other for other in range(x.ndim) if other != axis])
        x = low + share * (high - low)
    return x


def lattice(placing: str | tuple[float, float], n: int, count: int) -> tuple[list[float], float]:
    """Where the outputs lie among n entries, and how far apart."""
    if placing == "centres":
        return [((2 * h + 1) * n - count) / (2 * count) for h in range(count)], n / count
    if placing == "origins":
        return [h * n / count for h in range(count)], n / count
    if placing == "corners":
        return [h * (n - 1) / max(count - 1, 1) for h in range(count)], (n - 1) / max(count - 1, 1)
    first, step = (float(number) for number in placing)
    return [first + step * h for h in range(count)], step


def blurred(x: jax.Array, axis: int, place: float, reach: float) -> jax.Array:
    """The entries around a place, each by how near it is; beyond the border the last one again."""
    around = range(floor(place - reach), ceil(place + reach) + 1)
    shares = jnp.asarray([max(0.0, 1 - abs(m - place) / reach) for m in around], x.dtype)
    entries = jnp.take(x, jnp.asarray([min(max(m, 0), x.shape[axis] - 1) for m in around]), axis)
    return jnp.tensordot(entries, shares / shares.sum(), ([axis], [0]))
