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
def forward(x: ArrayLike, *, pool_size: tuple[int, int], stride: tuple[int, int] | None = None) -> jax.Array:
    """Take the largest entry of each window.

    x: (B, C, H, W), float32 or float64; the result is (B, C, H_out, W_out) of that dtype.
    `pool_size` and `stride` are (rows, columns); without a stride the windows lie side by side.

    Raises TypeError or ValueError, JAX's own, where the rank does not fit.
    """
    return jax.lax.reduce_window(
        jnp.asarray(x),
        -jnp.inf,
        jax.lax.max,
        window_dimensions=(1, 1, *pool_size),
        window_strides=(1, 1, *(pool_size if stride is None else stride)),
        padding="VALID",
    )
