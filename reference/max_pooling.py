"""Max pooling by `jax.lax.reduce_window`.

    Y[b,c,h,w] = max_{0≤i<p, 0≤j<q} X[b,c,s·h+i,t·w+j]        pool_size (p, q), stride (s, t)

Rows and columns that no whole window reaches are left out. Windows may overlap.

Source: the lecture, "Max Pooling Layer Gradients". Convention: of equal maxima the first in
row-major order takes the whole gradient of its window. `reduce_window` does so because its
gradient scans the window with ≥ and keeps what it has; −0.0 and 0.0 are equal to it. `jnp.max`
over windows would share the gradient among the equal maxima instead, and so is not used.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(
    x: ArrayLike,
    *,
    pool_size: tuple[int, int],
    stride: tuple[int, int] | None = None,
    padding: tuple = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    ceil: bool = False,
) -> jax.Array:
    """Take the largest entry of each window.

    x: (B, C, H, W), float32 or float64; the result is (B, C, H_out, W_out) of that dtype.
    `pool_size`, `stride` and `dilation` are (rows, columns); without a stride the windows lie side by
    side. `padding` never wins; it may be ((top, bottom), (left, right)). `ceil` lets a last window
    hang over the end.

    Raises TypeError or ValueError, JAX's own, where the rank does not fit.
    """
    x = jnp.asarray(x)
    steps = pool_size if stride is None else stride
    around = [(p, p) if isinstance(p, int) else tuple(p) for p in padding]
    if ceil:
        for place, (n, k, s, d) in enumerate(zip(x.shape[2:], pool_size, steps, dilation, strict=True)):
            low, high = around[place]
            reach = d * (k - 1) + 1
            windows = -(-(n + low + high - reach) // s) + 1
            windows -= (windows - 1) * s >= n + low  # one that would begin in the padding at the end
            around[place] = (low, max(high, (windows - 1) * s + reach - n - low))
            if (windows - 1) * s + reach < n + low + high:
                around[place] = (low, (windows - 1) * s + reach - n - low)
    edges = [(0, 0), (0, 0), *around]
    if tuple(dilation) == (1, 1):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, *pool_size), (1, 1, *steps), edges)
    # JAX has no gradient of a dilated window: its entries are laid side by side, and are the window.
    x = jnp.pad(x, edges, constant_values=-jnp.inf)
    along = list(zip(x.shape[2:], pool_size, steps, dilation, strict=True))
    spans = [(n - d * (k - 1) - 1) // s * s + 1 for n, k, s, d in along]  # from the first window's place to the last's
    entries = []
    for i in range(pool_size[0]):
        for j in range(pool_size[1]):
            first = (dilation[0] * i, dilation[1] * j)
            stop = (first[0] + spans[0], first[1] + spans[1])
            entries.append(jax.lax.slice(x, (0, 0, *first), (*x.shape[:2], *stop), (1, 1, *steps)))
    beside = jnp.stack(entries, axis=-1)
    window = (1, 1, 1, 1, len(entries))
    return jax.lax.reduce_window(beside, -jnp.inf, jax.lax.max, window, window, "VALID")[..., 0]
