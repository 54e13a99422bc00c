"""Max pooling by `jax.lax.reduce_window`.

    Y[b,c,h,w] = max_{0≤i<p, 0≤j<q} X[b,c,s·h+i,t·w+j]        pool_size (p, q), stride (s, t)

or the same along any other number of axes. Rows and columns that no whole window reaches are left
out. Windows may overlap.

Source: the lecture, "Max Pooling Layer Gradients". Convention: of equal maxima the first in
row-major order takes the whole gradient of its window. `reduce_window` does so because its
gradient scans the window with ≥ and keeps what it has; −0.0 and 0.0 are equal to it. `jnp.max`
over windows would share the gradient among the equal maxima instead, and so is not used.
"""

from itertools import product

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(
    x: ArrayLike,
    *,
    pool_size: tuple[int, ...] | None,
    stride: tuple[int, ...] | None = None,
    padding: tuple | int = 0,
    dilation: tuple[int, ...] | None = None,
    ceil: bool = False,
) -> jax.Array:
    """Take the largest entry of each window.

    x: (B, C, H, W), float32 or float64; the result is (B, C, H_out, W_out) of that dtype. In place of H
    and W there may be any other number of axes. `pool_size`, `stride` and `dilation` are (rows, columns);
    without a pool size the window is the whole, without a stride the windows lie side by side.
    `padding` never wins; it may be ((top, bottom), (left, right)). `ceil` lets a last window hang over
    the end.

    Raises TypeError or ValueError, JAX's own, where the rank does not fit.
    """
    x = jnp.asarray(x)
    size = x.shape[2:]
    pool_size = size if pool_size is None else pool_size
    steps, apart = stride or pool_size, dilation or (1,) * len(size)
    sides = padding if isinstance(padding, (tuple, list)) else (padding,) * len(size)
    edges = [(0, 0, 0), (0, 0, 0)]
    counts = []
    for n, k, s, d, side in zip(size, pool_size, steps, apart, sides, strict=True):
        low, high = (side, side) if isinstance(side, int) else side
        rest = n + low + high - d * (k - 1) - 1
        windows = -(-rest // s) + 1 if ceil else rest // s + 1
        windows -= ceil and (windows - 1) * s >= n + low  # one that would begin in the padding at the end
        edges.append((low, (windows - 1) * s + d * (k - 1) + 1 - n - low, 0))  # up to the last window's end
        counts.append(windows)
    x = jax.lax.pad(x, jnp.array(-jnp.inf, x.dtype), edges)
    ones = (1, 1)
    if set(apart) == {1}:
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (*ones, *pool_size), (*ones, *steps), "VALID")
    # JAX has no gradient of a dilated window: its entries are laid side by side, and are the window.
    entries = []
    for offset in product(*map(range, pool_size)):
        first = [d * i for d, i in zip(apart, offset, strict=True)]
        stop = [low + s * (count - 1) + 1 for low, s, count in zip(first, steps, counts, strict=True)]
        entries.append(jax.lax.slice(x, (0, 0, *first), (*x.shape[:2], *stop), (*ones, *steps)))
    beside = jnp.stack(entries, axis=-1)
    window = (1,) * x.ndim + (len(entries),)
    return jax.lax.reduce_window(beside, -jnp.inf, jax.lax.max, window, window, "VALID")[..., 0]
