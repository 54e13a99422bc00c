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
    pool_size: tuple[int, int],
    stride: tuple[int, int] | None = None,
    padding: tuple = (0, 0),
    order: float = 2.0,
) -> jax.Array:
    """Take the norm of each window, of this order.

    x: (B, C, H, W), float32 or float64; the result is (B, C, H_out, W_out) of that dtype.
    """
    x = jnp.asarray(x)
    sums = jax.lax.reduce_window(
        jnp.abs(x) ** order,
        0.0,
        jax.lax.add,
        window_dimensions=(1, 1, *pool_size),
        window_strides=(1, 1, *(pool_size if stride is None else stride)),
        padding=[(0, 0), (0, 0), *((p, p) if isinstance(p, int) else tuple(p) for p in padding)],
    )
    empty = sums == 0
    return jnp.where(empty, jnp.zeros_like(sums), jnp.where(empty, jnp.ones_like(sums), sums) ** (1 / order))
