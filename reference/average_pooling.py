"""Average pooling by `jax.lax.reduce_window` with add.

    Y = sum over the window / number of places that count

Places of padding count or not; places beyond the padding, where a last window hangs over, never do.
The number is the same sum over an array of ones.

Source: Y. LeCun et al., Proc. IEEE 86 (1998), layer S2.
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
    counting: bool = True,
) -> jax.Array:
    """Take the mean of each window.

    x: (B, C, H, W), float32 or float64; the result is (B, C, H_out, W_out) of that dtype. In place of H
    and W there may be any other number of axes. Sizes are (rows, columns); without a pool size the window
    is the whole; `padding` may be ((top, bottom), (left, right)). `ceil` lets a last window hang
    over the end, `counting` lets padding count in the mean.
    """
    x = jnp.asarray(x)
    pool_size = x.shape[2:] if pool_size is None else pool_size
    steps, apart = stride or pool_size, dilation or (1,) * len(pool_size)
    sides = padding if isinstance(padding, (tuple, list)) else (padding,) * len(pool_size)
    around = [(p, p) if isinstance(p, int) else tuple(p) for p in sides]
    beyond = []
    for n, k, s, d, (low, high) in zip(x.shape[2:], pool_size, steps, apart, around, strict=True):
        rest = n + low + high - (d * (k - 1) + 1)
        windows = -(-rest // s) + 1 if ceil else rest // s + 1
        windows -= ceil and (windows - 1) * s >= n + low
        beyond.append(max(0, (windows - 1) * s + d * (k - 1) + 1 - (n + low + high)))

    def sums(values: jax.Array, edges: list[tuple[int, int]]) -> jax.Array:
        return jax.lax.reduce_window(
            values,
            0.0,
            jax.lax.add,
            window_dimensions=(1, 1, *pool_size),
            window_strides=(1, 1, *steps),
            padding=[(0, 0), (0, 0), *edges],
            window_dilation=(1, 1, *apart),
        )

    whole = [(low, high + more) for (low, high), more in zip(around, beyond, strict=True)]
    ones = jnp.ones((1, 1, *x.shape[2:]), x.dtype)
    if counting:
        ones = jnp.pad(ones, [(0, 0), (0, 0), *around], constant_values=1)
        return sums(x, whole) / sums(ones, [(0, more) for more in beyond])
    return sums(x, whole) / sums(ones, whole)
