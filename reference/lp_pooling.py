"""L^p pooling by `jax.lax.reduce_window` with add.

    Y = (Σ |X|^a)^(1/a)        over each window

Source: P. Sermanet, S. Chintala, Y. LeCun, arXiv 1204.3968. Convention: the gradient of a window of
zeros is 0; `jnp.where` keeps the power away from it on both sides.
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
    pool_size: tuple[int, ...] | None,
    stride: tuple[int, ...] | None = None,
    padding: tuple | int = 0,
    dilation: tuple[int, ...] | None = None,
    ceil: bool = False,
    order: float = 2.0,
) -> jax.Array:
    """Take the norm of each window, of this order.

    x: (B, C, H, W), float32 or float64; the result is (B, C, H_out, W_out) of that dtype. In place of H
    and W there may be any other number of axes. Without a pool size the window is the whole. `ceil` lets
    a last window hang over the end.
    """
    x = jnp.asarray(x)
    pool_size = x.shape[2:] if pool_size is None else pool_size
    steps, apart = stride or pool_size, dilation or (1,) * len(pool_size)
    edges = [(0, 0), (0, 0)]
    sides = padding if isinstance(padding, (tuple, list)) else (padding,) * len(pool_size)
    for n, k, s, d, side in zip(x.shape[2:], pool_size, steps, apart, sides, strict=True):
        low, high = (side, side) if isinstance(side, int) else side
        over = -(n + low + high - d * (k - 1) - 1) % s if ceil else 0  # a last window that is not whole,
        begins = n + low + high + over - d * (k - 1) - 1
        edges.append((low, high + (over if begins < n + low else 0)))  # unless it begins beyond the input
    sums = jax.lax.reduce_window(
        jnp.abs(x) ** order,
        0.0,
        jax.lax.add,
        window_dimensions=(1, 1, *pool_size),
        window_strides=(1, 1, *steps),
        padding=edges,
        window_dilation=(1, 1, *apart),
    )
    empty = sums == 0
    return jnp.where(empty, jnp.zeros_like(sums), jnp.where(empty, jnp.ones_like(sums), sums) ** (1 / order))
